"""LIFE: records that the run has not made stay as they are, whatever is written to others beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cdp.http import Exchange
from contracts.conventions.life.model import CREATE, DELETE, LIST, MARK, UPDATE, Kept
from contracts.conventions.life.watched import Watched
from contracts.observing import canonical

_AGAIN = 6  # further writes, each of which has to change a record that it is not about
Rows = dict[str, dict[str, Any]]


class Bystanders(Watched):
    """A scene in which the records of others are watched in the list. Other people work on a target, too, so what has
    changed there is put down to a write only when further writes of its kind change something again, every time, and
    nothing changes while nothing is written."""

    _before: tuple[tuple[str, ...], Rows] = (), {}

    def look_at_list(self, kept: Kept) -> None:
        """Look at the list of a record, and at what is beside it."""
        super().look_at_list(kept)
        # Lists below different records are different lists.
        place = tuple(kept.own.path.get(p.name, "") for p in self.entity[LIST].path_parameters)
        (where, before), now = self._before, self._others()
        self._before = place, now
        written, self.written = dict.fromkeys(self.written), []
        changed = _changed(before, now) if where == place else ""
        for action in (UPDATE, DELETE, CREATE) if changed else ():
            if action in written and action in self.entity and self._again(action, kept):
                return

    def _others(self) -> Rows:
        """The texts of the records in the list that are not the run's own, as far as a change can set them. Numbers and
        flags are left out: a place in an order moves when another record takes it."""
        operation = next((self.entity[a] for a in (UPDATE, CREATE) if a in self.entity), None)
        fields = self.values.fields(operation).keys() - {MARK} if operation else set()
        own = {self.name(k.own.record) for k in self.records}
        return {
            self.name(row): {n: value for n, value in row.items() if n in fields and isinstance(value, str)}
            for row in self.rows
            if self.name(row) not in own and self.session.prefix not in canonical(row)
        }

    def _again(self, action: str, kept: Kept) -> bool:
        """Whether writes of a kind change a record of others each time; then that is told."""
        told, exchange = "", None
        for _ in range(_AGAIN):
            own = next((k for k in self.records if k.alive), None) if action == UPDATE else None
            if own is None and action != CREATE:
                own = self.another()
            before = self._shown(kept)
            if _changed(before, self._shown(kept)):
                return False
            if own is None:
                own = self.another()
            else:
                self.writers()[action](own)
            exchange = self._look(kept)
            told = _changed(before, self._others())
            if not told or exchange is None:
                return False
        assert exchange is not None
        sentence = f"each {action} of a {self.entity.words} changes a record that the run has not made: {told}"
        self.broken(self.entity.held(action), sentence, exchange)
        return True

    def _shown(self, kept: Kept) -> Rows:
        self._look(kept)
        return self._others()

    def _look(self, kept: Kept) -> Exchange | None:
        pages, _, exchange = self._rows(self.entity[LIST], kept, {self.name(k.own.record) for k in self.records})
        self.rows = tuple(row for page in pages for row in page)
        return exchange if exchange.ok else None

    def another(self) -> Kept:
        """One more record of the run's own."""
        raise NotImplementedError

    def writers(self) -> Mapping[str, Callable[[Kept], None]]:
        """How a record of the run's own is changed and deleted."""
        raise NotImplementedError


def _changed(before: Rows, now: Rows) -> str:
    """What of a record has changed, in words; empty when nothing has. New ones and missing ones are no matter here."""
    for name, record in before.items():
        for field, value in record.items():
            if name in now and now[name].get(field) != value:
                return f"{field} of {name:.60} was {value!r:.60}, it is {now[name].get(field)!r:.60} now"
    return ""
