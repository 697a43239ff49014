"""What is known of all processes of a load run at once: who is ready, who is given up, what they did together."""

from __future__ import annotations

import time

from load.workers import SILENT_S, Crew


def crew(*ready: str, names: str = "abc") -> Crew:
    made = Crew(names)
    for worker in made:
        worker.ready, worker.heard_s = worker.name in ready, time.monotonic()
    return made


def test_parts_of_the_schedule_go_by_the_names() -> None:
    assert [(worker.name, worker.stripe) for worker in Crew("cab")] == [("a", 0), ("b", 1), ("c", 2)]
    assert len(Crew("cab")) == 3 and Crew("cab").get("d") is None


def test_it_is_ready_when_nobody_is_waited_for() -> None:
    some = crew("a", "b")
    assert not some.ready
    assert some.without_the_unready() == "worker 2 was not ready within a minute"
    assert some.ready and not some.over
    assert some.without_the_unready() == ""


def test_who_said_nothing_for_long_is_dead_but_not_who_never_began_or_has_ended() -> None:
    some = crew("a", "b")
    ended = some.get("b")
    assert ended is not None
    ended.final = True
    some.without_the_silent(time.monotonic() + SILENT_S / 2)
    assert some.dead == []
    some.without_the_silent(time.monotonic() + 2 * SILENT_S)
    assert some.dead == ["worker 0"]


def test_at_the_end_those_are_dead_that_began_and_did_not_end() -> None:
    some = crew("a")
    some.give_up(begun=True)
    assert some.dead == ["worker 0"] and not some.over
    some.give_up()
    assert some.dead == ["worker 0", "worker 1", "worker 2"] and some.over


def test_what_they_did_is_added_up() -> None:
    some = crew("a", "b", "c")
    for number, worker in enumerate(some):
        worker.renewals, worker.sent_again = number, 10 * number
    assert (some.renewals, some.sent_again) == (3, 30)
