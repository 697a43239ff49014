"""AUTH-05: a write that was refused has changed nothing. ROLE holds callers with too few features to the same."""

from __future__ import annotations

from typing import Any

from cdp.http import TOKEN_HEADER
from cdp.texts import timestamp
from contracts.applicability import text_fields
from contracts.calls import Call
from contracts.checks import NotExercised, check
from contracts.conventions.auth.attempts import UNKNOWN_TOKEN, Attempt, try_call, with_ended_token
from contracts.observing import State
from contracts.subject import Subject, require


def refused_call(s: Subject) -> Call:
    """A valid write that no refused caller has tried yet: had an earlier one been done all the same, the next would
    change nothing more and show nothing. Values of a fixed set are other ones than a new record has, and one text is
    new."""
    call = s.bench.valid_call(s.operation, "refused call")
    if s.operation.action != "update" or not isinstance(call.sent, dict) or s.operation.body_schema is None:
        return call
    contract = s.session.contract
    if contract.by_action(s.operation.entity, "create") is None:
        return call  # the record is not the run's
    fields = contract.resolved(s.operation.body_schema).get("properties", {})
    choices = {name: contract.resolved(fields.get(name, {})).get("enum", ()) for name in call.sent}
    others = {name: values[-1] for name, values in choices.items() if len(values) > 1}
    texts = [name for name in text_fields(contract, s.operation) if name not in others][:1]
    fresh = {name: s.bench.arrangement.sampler.text("refused") for name in texts}  # names may be told apart
    return call.sending({**call.sent, **others, **fresh})


def needing_change(s: Subject, call: Call, before: State) -> None:
    """Raise NotExercised unless the same write, once it is allowed, changes what was looked at: else nothing was
    proved. What creates always does; what sends is not sent again."""
    if s.operation.action == "create" or s.operation.safety == "sends":
        return
    done = s.bench.execute(call)
    if not done.ok or _timeless(s.bench.state(call, now=True)) == _timeless(before):
        raise NotExercised(
            f"the write answers {done.outcome()} when it is allowed, and changes nothing that {s.operation.observe} "
            "shows; records on which it has something to change would make it checkable"
        )


def _timeless(value: Any) -> Any:
    """What was seen without its moments: whether one of them has changed depends on when the clock ticks."""
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if timestamp(each) is None}
    if isinstance(value, list | tuple):
        return [_timeless(each) for each in value]
    return value


def refused_in_vain(s: Subject, *tries: Attempt, further: Attempt | None = None) -> None:
    """Let callers who have to be refused try a write, and require that it changed nothing that can be seen. `further`:
    one who is refused for another reason; whether he is refused at all is judged by another requirement."""
    s.control()
    call = refused_call(s)
    before = s.bench.state(call, now=True)
    s.bench.needing_state(call, before)
    tried = [attempt(call) for attempt in tries]
    if further is not None:
        tried.append(further(call))
        if not tried[-1].refused_access:
            raise NotExercised(f"a caller who has to be refused got {tried[-1].outcome()}")
    require(
        s.bench.unchanged(call, before),
        f"a request that was refused with {tried[-1].outcome()} changed what {s.operation.observe} shows",
        tried[-1],
    )
    needing_change(s, call, before)
    s.exercised()


@check("AUTH-05")
def refusal_changes_nothing(s: Subject) -> None:
    unknown = {TOKEN_HEADER: UNKNOWN_TOKEN}
    refused_in_vain(
        s, lambda call: try_call(s, call=call), lambda call: try_call(s, unknown, call), further=with_ended_token(s)
    )
