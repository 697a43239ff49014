"""Objectives: what can be written, what it means, and where a text is wrong."""

from __future__ import annotations

import pytest

from load.objectives import Kind, Objective, ObjectiveError, parse_objectives, parse_one

MS = 1e6


def given(text: str) -> list[Objective]:
    return [each for each in parse_objectives(text) if not each.implied]


@pytest.mark.parametrize(
    ("text", "kind", "limit", "fields"),
    [
        ("p99<300ms", Kind.PERCENTILE, 300 * MS, {"percentile": 99, "operator": "<"}),
        ("p99.9 <= 2 s", Kind.PERCENTILE, 2000 * MS, {"percentile": 99.9, "operator": "<="}),
        ("P50 ≤ 1.5ms", Kind.PERCENTILE, 1.5 * MS, {"percentile": 50, "operator": "<="}),
        ("service.p95<250us", Kind.PERCENTILE, 0.25 * MS, {"percentile": 95, "service": True}),
        ("p99@10s<500ms", Kind.PERCENTILE, 500 * MS, {"window_s": 10}),
        ("p99@1m<500ms", Kind.PERCENTILE, 500 * MS, {"window_s": 60}),
        ("max<2s", Kind.PERCENTILE, 2000 * MS, {"percentile": 100}),
        ("service.max<2s", Kind.PERCENTILE, 2000 * MS, {"percentile": 100, "service": True}),
        ("mean<20ms", Kind.MEAN, 20 * MS, {}),
        ("errors<0.1%", Kind.ERRORS, 0.001, {"share": True}),
        ("errors=0", Kind.ERRORS, 0, {"share": False, "operator": "="}),
        ("errors<=5", Kind.ERRORS, 5, {"share": False}),
        ("indeterminate<1%", Kind.INDETERMINATE, 0.01, {"share": True}),
        ("violations==0", Kind.VIOLATIONS, 0, {"operator": "="}),
        ("rate>=95%", Kind.RATE, 0.95, {"share": True}),
        ("rate@10s>190/s", Kind.RATE, 190, {"share": False, "window_s": 10}),
    ],
)
def test_what_can_be_written(text: str, kind: Kind, limit: float, fields: dict[str, object]) -> None:
    objective = parse_one(text)
    assert (objective.kind, objective.text) == (kind, text)
    assert objective.limit == pytest.approx(limit)
    assert {name: getattr(objective, name) for name in fields} == fields


def test_groups_belong_to_their_scenarios() -> None:
    found = given("errors<2%; search:p99<300ms ; ingest:errors<1%,p99.9<2s;")
    assert [(each.scenario, each.text) for each in found] == [
        ("", "errors<2%"),
        ("search", "p99<300ms"),
        ("ingest", "errors<1%"),
        ("ingest", "p99.9<2s"),
    ]


@pytest.mark.parametrize(
    ("text", "implied"),
    [
        ("", [("", "errors<1%"), ("", "violations=0")]),
        ("p99<300ms", [("", "errors<1%"), ("", "violations=0")]),
        ("errors<5%", [("", "violations=0")]),
        ("errors@10s<5%", [("", "errors<1%"), ("", "violations=0")]),  # ten seconds say nothing of the whole
        ("errors<5%,violations=0", []),
        ("ingest:errors<5%", [("search", "errors<1%"), ("", "violations=0")]),
        ("search:violations=0", [("", "errors<1%"), ("", "violations=0")]),
    ],
)
def test_what_holds_without_being_named(text: str, implied: list[tuple[str, str]]) -> None:
    found = parse_objectives(text, ("search", "ingest"))
    assert [(each.scenario, each.text) for each in found if each.implied] == implied


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("p99<300", "at its end", "a time needs a unit: 300ms"),
        ("errors<1%,p101<3ms", "at '101<3ms' (character 12)", "101 is no percentile"),
        ("p0<3ms", "(character 2)", "no percentile"),
        ("p9.9.9<3ms", "(character 2)", "no percentile"),
        ("p99", "at its end", "a comparison is missing"),
        ("p99<", "at its end", "a value is missing"),
        ("p99<-3ms", "at '-3ms'", "is no value"),
        ("p99<nanms", "at 'nanms'", "is no value"),
        ("p99<3ms errors<1%", "at '3ms errors<1%'", "a comma parts objectives"),
        ("latency<3ms", "at 'latency<3ms'", "nothing that can be limited; p99"),
        ("errors9<3", "at 'errors9<3'", "nothing that can be limited"),
        ("service.errors<1%", "at 'service.errors<1%'", "nothing that can be limited"),
        ("<3ms", "at '<3ms'", "no objective begins like this"),
        ("p99>3ms", "at '>3ms'", "use < or <="),
        ("p99=3ms", "at '=3ms'", "use < or <="),
        ("rate<3/s", "at '<3/s'", "rate>=95%"),
        ("rate>=3", "at its end", "a rate needs a unit: 3/s"),
        ("errors<0.1", "at its end", "a share needs its sign: 0.1%"),
        ("errors<200%", "at '200%'", "more than all"),
        ("errors<3ms", "at 'ms'", "does not fit here"),
        ("violations<5", "at '5'", "violations=0"),
        ("violations<1%", "at '1%'", "violations=0"),
        ("p99@x<3ms", "at 'x<3ms'", "no window"),
        ("p99@0s<3ms", "at '0s<3ms'", "a second at least"),
        ("p99@<3ms", "(character 5)", "no window"),
        ("serch:p99<3ms", "at 'serch:p99<3ms' (character 1)", "there is no scenario 'serch' here; search, ingest"),
        ("p99<3ms;ingest :p99<3", "at its end", "a time needs a unit"),
        ("p99<3ms,,errors<1%", "(character 9)", "an objective is missing"),
        ("search:", "at its end", "an objective is missing"),
    ],
)
def test_an_error_is_one_line_that_points_at_the_place(text: str, place: str, says: str) -> None:
    with pytest.raises(ObjectiveError) as raised:
        parse_objectives(text, ("search", "ingest"))
    message = str(raised.value)
    assert "\n" not in message
    assert repr(text) in message
    assert place in message
    assert says in message


def test_two_limits_for_the_same_are_refused() -> None:
    with pytest.raises(ObjectiveError, match="limit the same"):
        parse_objectives("p99<1s,p99<2s")
    assert len(given("p99<1s;search:p99<2s;search:p99@10s<2s")) == 3


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        *[("p50<1s", 2), ("p90<1s", 10), ("p95<1s", 20), ("p99<1s", 100), ("p99.9<1s", 1000), ("p99.99<1s", 10000)],
        *[("max<1s", 1), ("mean<1s", 1), ("errors<1%", 1)],
    ],
)
def test_a_percentile_needs_so_many_requests_that_one_lies_beyond_it(text: str, needed: int) -> None:
    assert parse_one(text).needed == needed


@pytest.mark.parametrize(
    ("text", "holds", "broken"),
    [("p99<300ms", 299e6, 300e6), ("p99<=300ms", 300e6, 300.1e6), ("errors=0", 0, 1), ("rate>9/s", 9.1, 9)],
)
def test_limits_are_kept_to_the_letter(text: str, holds: float, broken: float) -> None:
    objective = parse_one(text)
    assert objective.holds(holds)
    assert not objective.holds(broken)


def test_the_time_until_events_can_be_read() -> None:
    (objective, *_) = parse_objectives("ingest:visible.p99<2s")
    assert objective.visible and objective.of_time and not objective.of_answers and objective.limit == 2e9
    with pytest.raises(ObjectiveError, match="too few for windows"):
        parse_objectives("visible.p99@10s<2s")
    with pytest.raises(ObjectiveError, match="nothing that can be limited"):
        parse_objectives("visible.errors<1%")
