"""What a load run says, and in which order: what makes figures worthless comes before what the figures say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdp.load_results import Decision, HealthJudged, Judged, ObjectiveJudged
from load.verdict import decide
from tests.sample_load_runs import BALANCED, HEALTHY

MET = ObjectiveJudged("p99<300ms", "", Judged.MET, "212 ms")
MISSED = ObjectiveJudged("errors<1%", "search", Judged.MISSED, "2.3 %", "95 % CI 2.1 % – 2.5 % (Wilson)")
OPEN = ObjectiveJudged("p99.9<2s", "", Judged.NOT_JUDGEABLE, "–", "37 requests, 1,000 needed")
LIMIT = HealthJudged(True, ["CPU: worker 1 used 97% of a core; use more --processes"], [], "CPU 97%")


def said(*objectives: ObjectiveJudged, health: HealthJudged = HEALTHY, **others: Any) -> Decision:
    return decide(objectives, health, others.pop("books", BALANCED), **others)


def test_all_objectives_met() -> None:
    found = said(MET, MET)
    assert (found.headline, found.exit_code, found.reasons) == ("MET", 0, [])
    assert found.sentence == "all 2 objectives met, 1,000 requests offered, 1,000 answered well"


def test_a_missed_objective_is_named_with_its_figure() -> None:
    found = said(MET, MISSED)
    assert (found.headline, found.exit_code) == ("MISSED", 1)
    assert found.sentence.startswith("1 of 2 objectives missed: search: errors<1% was 2.3 %, 95 % CI")
    assert len(found.reasons) == 1


def test_what_could_not_be_judged_is_not_met() -> None:
    found = said(MET, OPEN)
    assert (found.headline, found.exit_code) == ("INCONCLUSIVE", 3)
    assert found.sentence == "not judgeable: p99.9<2s, 37 requests, 1,000 needed"
    assert said(MISSED, OPEN).exit_code == 1


@pytest.mark.parametrize("objectives", [(MET,), (MISSED,), (OPEN,)])
@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"health": LIMIT}, "the generator was the limit: CPU: worker 1 used 97% of a core"),
        ({"dead_workers": ["worker 2"]}, "1 of the processes that send died (worker 2)"),
        ({"books": replace(BALANCED, balanced=False, detail="5 are missing")}, "the books do not balance: 5 are"),
        ({"books": replace(BALANCED, offered=0, sent=0, answered=0)}, "nothing was sent"),
        ({"obstacle": "the token was refused"}, "the token was refused"),
    ],
)
def test_worthless_figures_are_inconclusive_whatever_they_are(
    objectives: tuple[ObjectiveJudged, ...], others: dict[str, Any], says: str
) -> None:
    found = said(*objectives, **others)
    assert (found.headline, found.exit_code) == ("INCONCLUSIVE", 3)
    assert says in found.sentence
    assert found.reasons[0] == found.sentence


def test_several_reasons_are_counted_and_all_stand_below() -> None:
    found = said(MISSED, health=LIMIT, dead_workers=["a", "b"])
    assert found.sentence.endswith("(and 1 more)")
    assert [reason.split()[0] for reason in found.reasons] == ["2", "the", "missed,"]


def test_a_broken_contract_is_the_targets_whatever_the_generator_did() -> None:
    broken = ObjectiveJudged("violations=0", "", Judged.MISSED, "3", implied=True)
    found = said(MISSED, broken, health=LIMIT)
    assert (found.headline, found.exit_code) == ("MISSED", 1)
    assert (
        found.sentence == found.reasons[0] == "the contract is broken, whatever the generator did: violations=0 was 3"
    )
    assert found.reasons[1].startswith("the generator was the limit")
    assert found.reasons[2].startswith("missed, but it may not be the target: search: errors<1%")
    unbalanced = replace(BALANCED, balanced=False, detail="5 are missing")
    assert said(broken, books=unbalanced).exit_code == 3, "who cannot count says nothing"


def test_a_run_that_ended_early_has_met_nothing_but_may_have_missed() -> None:
    found = said(MET, stopped="Ctrl-C")
    assert (found.exit_code, found.sentence) == (3, "the run ended before its time: Ctrl-C")
    found = said(MISSED, stopped="a burst of server errors")
    assert found.exit_code == 1
    assert found.reasons[-1] == "the run ended before its time: a burst of server errors"


def test_nobody_asks_for_the_health_of_a_generator_that_sent_nothing() -> None:
    found = said(MET, health=LIMIT, obstacle="the target cannot be reached")
    assert found.reasons == ["the target cannot be reached"]


def test_a_closed_loop_offers_nothing() -> None:
    assert said(MET, open_loop=False).sentence == "the objective is met, 1,000 requests, 1,000 answered well"
