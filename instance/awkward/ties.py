"""Ties in all timestamps."""

from __future__ import annotations

import re
from datetime import datetime

import orjson

from instance.awkward.kind import Kind
from instance.store import Store

TICK_S = 20
_TIME = re.compile(r"([ T])\d{2}:\d{2}:\d{2}(\.\d+)?")
# A part below the tick that has nothing to do with when a record was made: ties come in any order, which stays.
_ANY_ORDER = "substr(ts, 1, 19) || '.' || printf('%06d', (pk * 7919 + 104729) % 1000000)"


class Ties(Kind):
    name = "ties"
    sentence = "many records share one timestamp: the clock moves every 20 seconds, and of seeded records each day"
    allowed = "overview page: newest to oldest; nothing says how fine a timestamp is, nor how ties are ordered"

    def furnish(self, store: Store) -> None:
        run = store.connection.execute
        with store.transaction():
            for pk, entity, ts, body in run("SELECT pk, entity, ts, body FROM record").fetchall():
                record = orjson.loads(body)
                for name in {store.entities[entity].timestamp, "created", "modified"} & record.keys():
                    if isinstance(record[name], str):
                        record[name] = _TIME.sub(_midnight, record[name])
                coarse = f"{ts[:11]}00:00:00.000000"
                run("UPDATE record SET ts=?, body=? WHERE pk=?", (coarse, orjson.dumps(record).decode(), pk))
            run(f"UPDATE record SET ts = {_ANY_ORDER}")
            run("UPDATE customer_event SET created = substr(created, 1, 11) || '00:00:00.000000'")

    def start(self, store: Store) -> None:
        """Have the clock move in steps, and records made within one of them come in any order."""
        clock = store.clock

        def coarse() -> datetime:
            now = clock()
            return now.replace(second=now.second - now.second % TICK_S, microsecond=0)

        store.clock = coarse
        for event in ("INSERT", "UPDATE OF ts"):
            name = f"ties_{event.partition(' ')[0].lower()}"
            store.connection.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS {name} AFTER {event} ON main.record "
                f"WHEN substr(NEW.ts, 20) = '.000000' BEGIN UPDATE record SET ts = {_ANY_ORDER} WHERE pk = NEW.pk; END"
            )


def _midnight(found: re.Match[str]) -> str:
    return f"{found[1]}00:00:00" + (".000000" if found[2] else "")
