"""Removing, while a run goes on, what its cells made and nobody needs any more: hours of examples would fill a target.

What other cells go on using (callers, parents, records that reads are about) is marked in the ledger as lasting and
stays until the end.
"""

from __future__ import annotations

from collections.abc import Collection

from cdp.http import TOKEN_HEADER
from contracts.session import Session


def tidy(session: Session, kinds: Collection[str] | None = None) -> int:
    """Delete the passing records, the newest first, of all kinds or some; how many are gone. What is refused is left to
    the clean-up."""
    removed = 0
    for record in session.ledger.passing:
        if kinds is not None and session.contract.operations[record.operation].entity not in kinds:
            continue
        session.stop_in_time()
        headers = {"Accept": "application/json", TOKEN_HEADER: session.admin.token}
        exchange = session.client.send("DELETE", record.delete_url, headers=headers, operation="tidy", patient=False)
        if exchange.ok:
            session.ledger.removed(record)
            removed += 1
        else:
            session.ledger.leave(record)
        if exchange.failure:
            break
    if removed:
        session.forget_reads()
    return removed
