"""PAGE-09: equal calls with nothing written between them are answered alike."""

from __future__ import annotations

from contracts.calls import Call
from contracts.cells import ADMIN
from contracts.checks import Broken, Moved, NotExercised, check
from contracts.conventions.listing import asked_again, list_call
from contracts.observing import State, shown
from contracts.subject import Subject

_ANSWERS = 5  # to equal calls, each other than the one before: nobody edits that often


@check("PAGE-09")
def equal_calls(s: Subject) -> None:
    s.control()
    call = list_call(s)
    first = s.session.read(call, s.caller())
    if first.refused_access:
        raise NotExercised(f"the caller is refused with {first.status}")
    shared = s.session.profile.list_forms == 1 and s.cell.role == ADMIN
    second = asked_again(s) if shared else s.session.send(call, s.caller())
    if not (second.ok and second.media_type == "application/json"):
        second = s.session.send(call, s.caller())  # what another Accept header brings is not the matter here
    states = [shown(s.session.contract, s.operation, exchange) for exchange in (first, second)]
    if states[0] != states[1]:
        third = s.session.send(call, s.caller())
        states.append(shown(s.session.contract, s.operation, third))
        _unless_others(s, states)
        sentence = "two equal calls with nothing written between them answer differently"
        steady = states[2] == states[1]
        error = Broken(
            f"{sentence}; a third one equals the second" if steady else sentence, second if steady else third
        )
        raise _changes_each_time(s, call, states, error)
    s.exercised()


def _unless_others(s: Subject, states: list[State]) -> None:
    """Raise Moved when other people's doing may be all that is different from each answer to the next. What went and
    came back, nobody did."""
    rows = [state[1] for state in states]
    if any(a != b and not s.bench.may_be_others(a, b) for a, b in ((rows[0], rows[1]), (rows[1], rows[2]))):
        return
    if rows[0] != rows[2] and not s.bench.may_be_others(rows[0], rows[2]):
        return
    if s.bench.others_at_work(list_call(s)):
        raise Moved()


def _changes_each_time(s: Subject, call: Call, states: list[State], error: Broken) -> Exception:
    """The verdict on records that are not what they were: somebody edited them, or the server counted on, if they are
    the same from some answer to the next; what changes with every answer, the calls have changed."""
    if states[2] == states[0] or not s.bench.may_be_edits(states[0][1], states[1][1]):
        return error  # what went and came back, nobody did
    for number in range(1, _ANSWERS):
        if len(states) <= number + 1:
            states.append(shown(s.session.contract, s.operation, s.session.send(call, s.caller())))
        if states[number] == states[number + 1]:
            return Moved()
    error.doubtful = s.bench.others_known
    return error
