"""The same change twice: whoever saves a form that nobody changed has not asked for anything wrong."""

from __future__ import annotations

from contracts.calls import Call
from contracts.subject import Subject, require

_NOTHING_TO_DO = (304, 409)  # said on purpose, of a change that changes nothing


def same_again(s: Subject) -> None:
    """A change to the values that are there is taken like any other. Sent behind one that was taken and really changed
    something, so that nothing but the repetition can be minded."""
    if s.operation.action != "update" or s.operation.body_media_type != "application/json":
        return
    call: Call = s.call()
    sent = call.sent if isinstance(call.sent, dict) else {}
    # Texts of the run's own, so that what is written twice is no record of somebody else's.
    field = next((n for n, v in sent.items() if isinstance(v, str) and v.startswith(f"{s.session.prefix} ")), None)
    if field is None:
        return
    change = call.sending({**sent, field: s.bench.arrangement.sampler.text(field)})
    if not s.bench.execute(change).ok:
        return  # the record may be gone by now
    exchange = s.bench.execute(change)
    what = f"a change to the values that are there got {exchange.outcome()}"
    require(exchange.ok or exchange.status in _NOTHING_TO_DO, what, exchange)
    s.exercised()
