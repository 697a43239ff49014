"""Which cells are judged again: those that have more to show, least shown first, in an order that no clock decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from cdp.contract import Contract, load_contract
from cdp.verdicts import Verdict
from contracts.drawing import ROOM, Draw
from contracts.rounds import Rounds, Turn, round_seed
from tests.sample_runs import result

OBSERVING = ("CODE-01", "CODE-07", "MEDIA-01")


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract()


def endless(tried: int = 8) -> list[Draw]:
    return [Draw(tried, tried)]


def play(rounds: Rounds, draws: Sequence[Draw] = (Draw(8, 8),)) -> list[Turn]:
    """The turns of a round, each of which passes."""
    turns = rounds.next()
    for turn in turns:
        rounds.note(result(turn.cell.address), [] if turn.follows else draws)
    return turns


def addresses(turns: Sequence[Turn]) -> list[str]:
    return [turn.cell.address for turn in turns]


def test_what_draws_nothing_is_not_repeated(contract: Contract) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    rounds.note(result("PAGE-01/list_tags/admin"), [])
    assert rounds.next() == []


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASS])
def test_only_what_passed_is_repeated(contract: Contract, verdict: Verdict) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    rounds.note(result("PAGE-03/list_tags/admin", verdict), endless())
    assert rounds.next() == []


@pytest.mark.parametrize("verdict", [Verdict.WARN, Verdict.FAIL, Verdict.ERROR])
def test_what_breaks_in_a_round_is_not_repeated_again(contract: Contract, verdict: Verdict) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    rounds.note(result("PAGE-03/list_tags/admin"), endless())
    (turn,) = rounds.next()
    rounds.note(result(turn.cell.address, verdict), endless())
    assert rounds.next() == []


def test_what_is_exhausted_is_not_repeated(contract: Contract) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    rounds.note(result("PAGE-03/list_tags/admin"), [Draw(6, 8)])  # two records have few pages
    rounds.note(result("PAGE-02/list_tags/admin"), [Draw(8, 8, of=8)])
    rounds.note(result("CODE-01/list_tags/admin"), [Draw(6, 8), Draw(8, 8)])  # one of its rules has more
    assert addresses(rounds.next()) == ["CODE-01/list_tags/admin"]


def test_least_is_tried_first_in_proportion_to_what_there_is(contract: Contract) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    rounds.note(result("PAGE-03/list_tags/admin"), [Draw(8, 8, of=16)])
    rounds.note(result("PAGE-03/list_events/admin"), [Draw(8, 8, of=400)])
    rounds.note(result("MEDIA-06/create_tag/admin"), endless())
    rounds.note(result("AUTH-03/list_tags"), [Draw(8, 8, of=600)])
    seen: Counter[str] = Counter()
    for _ in range(40):
        seen.update(addresses(play(rounds)))
    assert seen["MEDIA-06/create_tag/admin"] > seen["AUTH-03/list_tags"] > seen["PAGE-03/list_tags/admin"]
    assert seen["PAGE-03/list_tags/admin"] <= 1


def test_every_open_cell_has_its_turn(contract: Contract) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    names = list(contract.operations)[:21]
    for name in names:
        rounds.note(result(f"AUTH-03/{name}"), endless())
    first, second = addresses(play(rounds)), addresses(play(rounds))
    assert len(first) == 11
    assert {*first, *second} == {f"AUTH-03/{name}" for name in names}


def test_a_round_begins_at_another_operation_each_time(contract: Contract) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    for name in list(contract.operations)[:40]:
        rounds.note(result(f"AUTH-03/{name}"), endless())
    heads = {play(rounds)[0].cell for _ in range(12)}
    assert len(heads) > 6


def test_the_number_of_rounds_can_be_fixed(contract: Contract) -> None:
    rounds = Rounds(contract, 1, OBSERVING, most=4)
    for name in ("list_tags", "list_events", "list_users"):
        rounds.note(result(f"AUTH-03/{name}"), endless())
    seen: Counter[str] = Counter()
    while turns := play(rounds):
        seen.update(addresses(turns))
    assert set(seen.values()) == {3}
    assert rounds.judgements == 9


def test_cells_of_one_life_are_judged_together_with_one_seed(contract: Contract) -> None:
    rounds = Rounds(contract, 7, OBSERVING)
    rounds.note(result("LIFE-01/create_tag/admin"), endless())
    for address in ("LIFE-03/update_tag/admin", "LIFE-04/delete_tag/admin"):
        rounds.note(result(address), [])  # the first cell has run the machine
    rounds.note(result("LIFE-05/list_tags/admin"), [])  # reads only
    turns = rounds.next()
    assert sorted(addresses(turns)) == [
        "LIFE-01/create_tag/admin",
        "LIFE-03/update_tag/admin",
        "LIFE-04/delete_tag/admin",
    ]
    assert {turn.seed for turn in turns} == {round_seed(7, 2, "LIFE/create_tag/admin")}


def test_what_judges_all_answers_follows_with_the_seed_of_what_sent_them(contract: Contract) -> None:
    rounds = Rounds(contract, 1, OBSERVING)
    rounds.note(result("AUTH-03/list_tags"), endless())
    rounds.note(result("CODE-01/list_tags/admin"), endless(4))
    rounds.note(result("CODE-07/list_tags/admin", Verdict.SKIP), [])  # no error was seen yet
    rounds.note(result("MEDIA-01/list_tags/admin"), [])
    rounds.note(result("MEDIA-01/list_events/admin"), [])
    turns = rounds.next()
    assert addresses(turns) == ["CODE-01/list_tags/admin", "CODE-07/list_tags/admin", "MEDIA-01/list_tags/admin"]
    assert len({turn.seed for turn in turns}) == 1
    assert [turn.follows for turn in turns] == [False, True, True]


def test_seeds_depend_on_run_round_and_cell_and_nothing_else(contract: Contract) -> None:
    def seeds(run_seed: int) -> list[tuple[str, int, int]]:
        rounds = Rounds(contract, run_seed, OBSERVING)
        for name in ("list_tags", "list_events"):
            rounds.note(result(f"AUTH-03/{name}"), endless())
        return [(t.cell.address, t.number, t.seed) for _ in range(6) for t in play(rounds)]

    assert seeds(1) == seeds(1)
    every = seeds(1) + seeds(2)
    assert len({seed for _, _, seed in every}) == len(every)
    assert round_seed(5, 1, "AUTH-03/list_tags") == 5


def test_how_much_there_is_to_try() -> None:
    assert Draw(8, 8).room == ROOM
    assert Draw(8, 8, of=40).room == 40
    assert Draw(8, 8, of=10**9).room == ROOM
    assert Draw(5, 8, of=40).exhausted and Draw(5, 8, of=40).room == 5
