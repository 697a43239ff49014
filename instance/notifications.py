"""Notifications of the caller, paged backwards by id."""

from __future__ import annotations

import orjson

from instance.calls import Call, Refusal, Reply
from instance.handlers import handles


@handles("list_notifications")
def list_notifications(call: Call) -> Reply:
    """`GET /notifications`: the caller's newest ones, or those older than `until_id` (404 if it is unknown)."""
    assert call.caller is not None
    mine = "entity='notification' AND parent='' AND deleted=0 AND json_extract(body, '$.user_id')=?"
    values: list[object] = [call.caller.user_id]
    older = ""
    until = call.query.get("until_id")
    if until is not None:
        row = call.store.connection.execute(
            f"SELECT ts, pk FROM record WHERE {mine} AND id=?", (call.caller.user_id, until)
        ).fetchone()
        if row is None:
            raise Refusal(404, "Notification doesn't exist", "until_id")
        older = " AND (ts, pk) < (?, ?)"
        values += row
    rows = call.store.connection.execute(
        f"SELECT id, body FROM record WHERE {mine}{older} ORDER BY ts DESC, pk DESC LIMIT ?",
        (*values, call.query["limit"]),
    ).fetchall()
    meta = {"oldest_id": rows[-1][0] if rows else None, "result_count": len(rows)}
    texts = ",".join(row[1] for row in rows)
    return Reply(
        call.operation.status, b'{"meta":' + orjson.dumps(meta) + b',"notifications":[' + texts.encode() + b"]}"
    )


@handles("mark_notifications_read")
def mark_notifications_read(call: Call) -> Reply:
    """`PATCH /notifications`: all of the caller's are read; answers nothing."""
    assert call.caller is not None
    with call.store.transaction() as connection:
        connection.execute(
            "UPDATE record SET body=json_set(body, '$.is_read', json('true')) "
            "WHERE entity='notification' AND json_extract(body, '$.user_id')=? AND NOT json_extract(body, '$.is_read')",
            (call.caller.user_id,),
        )
    return Reply(call.operation.status)
