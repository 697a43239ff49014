"""Promo codes: lists that are filled from CSV files and emptied code by code."""

from __future__ import annotations

import csv
import io

from instance import lifecycle, records
from instance.calls import Call, Refusal, Reply, UploadedFile
from instance.handlers import handles
from instance.store import Store

ENTITY = "promo_codes_list"


@handles("upload_promo_codes")
def upload_promo_codes(call: Call) -> Reply:
    """`POST /promo_codes_lists/{promo_codes_list_id}`: adds the codes of a CSV file with one column."""
    file = call.body["file"]
    assert isinstance(file, UploadedFile)
    codes = read_codes(file.content)
    id = call.path["promo_codes_list_id"]
    with call.store.transaction() as connection:
        record = lifecycle.load(call)
        connection.executemany("INSERT INTO code (list_id, code) VALUES (?,?)", [(id, code) for code in codes])
        lifecycle.touch(call, call.store.entities[ENTITY], record, call.store.clock())
        record["codes_count"] = _left(call.store, id)
        records.update(call.store, ENTITY, id, record)
    return lifecycle.done(call)


def read_codes(content: bytes) -> list[str]:
    """The codes of a CSV file with one column; blank lines do not count. Raises `Refusal` 422."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise Refusal(422, "The field file is not valid: not a CSV file in UTF-8.", "file") from None
    codes = []
    for number, row in enumerate(rows, 1):
        if len(row) > 1:
            raise Refusal(422, f"The field file is not valid: line {number} has {len(row)} columns.", "file")
        if row and row[0].strip():
            codes.append(row[0].strip())
    return codes


@handles("take_promo_code")
def take_promo_code(call: Call) -> Reply:
    """`GET /promo_codes/{id}`: hands out the list's oldest code, which leaves the list; 404 when none is left."""
    id = call.path["id"]
    with call.store.transaction() as connection:
        row = connection.execute(
            "DELETE FROM code WHERE pk=(SELECT MIN(pk) FROM code WHERE list_id=?) RETURNING code", (id,)
        ).fetchone()
        if row is None:
            raise Refusal(404, "No promo code is left.", "The list is empty.")
        record = records.get(call.store, ENTITY, id)
        if record is not None:
            record["codes_count"] = _left(call.store, id)
            records.update(call.store, ENTITY, id, record)
    return Reply(call.operation.status, {"promo_code": row[0]})


@handles("delete_promo_codes_list")
def delete_promo_codes_list(call: Call) -> Reply:
    """`DELETE /promo_codes_lists/{promo_codes_list_id}`: the codes go too."""
    with call.store.transaction() as connection:
        connection.execute("DELETE FROM code WHERE list_id=?", (call.path["promo_codes_list_id"],))
        return lifecycle.delete(call)


def _left(store: Store, id: str) -> int:
    return int(store.connection.execute("SELECT COUNT(*) FROM code WHERE list_id=?", (id,)).fetchone()[0])
