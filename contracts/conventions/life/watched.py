"""LIFE: looking at records, in their own operation, in the list and in the trash, and holding them to the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdp.contract import Operation
from cdp.http import Exchange
from cdp.texts import timestamp
from contracts.answers import marked
from contracts.conventions.life.model import (
    CREATE,
    CREATED,
    DELETE,
    LIST,
    MARK,
    MOST_PAGES,
    READ,
    RESTORE,
    TRASH,
    UPDATE,
    Event,
    Kept,
    same,
)
from contracts.conventions.life.scene import Scene
from contracts.conventions.listing import REFERENCE_PAGE, asked_about, describe
from contracts.observing import rows_of

_LOOKS = 3  # that have to find a gap in a page


class Watched(Scene):
    """A scene whose records are looked at."""

    lacking: int | None = None  # how many records a page lacked before anything was deleted
    rows: tuple[Mapping[str, Any], ...] = ()  # of the list, as it was looked at last

    def look(self, kept: Kept) -> None:
        operation = self.entity[READ]
        exchange = self.send(operation, kept)
        if not kept.alive:
            self.seen("LIFE-04", DELETE)
            if not exchange.gone and not self._softly_gone(self.record(operation, exchange), exchange):
                sentence = f"a deleted {self.entity.words} is read with {exchange.outcome()} instead of 404"
                self.broken(("LIFE-04", DELETE), sentence, exchange)
            return
        if not exchange.ok:
            sentence = f"a {self.entity.words} that should be there is read with {exchange.outcome()}"
            self.broken(self.blamed(kept, READ), sentence, exchange)
            return
        record = self.record(operation, exchange)
        if record is not None:
            self._compare(kept, record, READ, exchange)

    def shows_again(self, kept: Kept) -> Exchange | None:
        """What shows a record that was deleted; None where nothing does. Its id may be another record's by now."""
        if READ in self.entity:
            exchange = self.send(self.entity[READ], kept)
            found = self.record(self.entity[READ], exchange) if exchange.ok else None
        elif LIST in self.entity:
            name = self.name(kept.own.record)
            pages, _, exchange = self._rows(self.entity[LIST], kept, {name})
            found = next((r for page in pages for r in page if self.name(r) == name), None)
        else:
            return None
        if found is None or marked(found):
            return None
        texts = {n: v for n, v in kept.values.items() if isinstance(v, str) and self.session.prefix in v}
        told = {n: v for n, v in (texts or kept.values).items() if n in found}
        return exchange if told and all(same(v, found[n]) for n, v in told.items()) else None

    def _softly_gone(self, record: Mapping[str, Any] | None, exchange: Exchange) -> bool:
        """Whether a record is shown as deleted, where that may be."""
        return exchange.ok and self.entity.soft and marked(record or {})

    def _kept_as_gone(self, kept: Kept, operation: Operation, exchange: Exchange) -> bool:
        """Whether a record whose change was answered is kept and marked, so that the change need not be refused."""
        if READ in self.entity and not self._softly_gone(self.record(operation, exchange), exchange):
            operation = self.entity[READ]
            exchange = self.send(operation, kept)
        return self._softly_gone(self.record(operation, exchange), exchange)

    def _compare(self, kept: Kept, record: Mapping[str, Any], way: str, exchange: Exchange) -> None:
        """Hold a record to the values sent and to how it looked before."""
        events = kept.since[way]
        seen = bool(kept.shown.get(way))
        for action in {e.action for e in events if e.own or (e.action == UPDATE and seen)}:
            self.seen(*self.entity.held(action))
        key = self.identity()
        if key in record and key in kept.own.record and not same(kept.own.record[key], record[key]):
            sentence = f"{key} is {record[key]!r:.60} instead of {kept.own.record[key]!r:.60}"
            self.broken(self.blamed(kept, way), sentence, exchange)
            return
        self._compare_with_sent(kept, record, way, exchange)
        self._compare_with_shown(kept, record, way, exchange)
        kept.shown[way] = record
        events.clear()

    def _compare_with_sent(self, kept: Kept, record: Mapping[str, Any], way: str, exchange: Exchange) -> None:
        """What was sent is what is read, and nothing of an earlier value is left in it."""
        own = [e for e in kept.since[way] if e.own]
        made = any(e.action == CREATE for e in own)
        for name in kept.values.keys() & record.keys():
            if same(kept.values[name], record[name]) and not kept.left_of_before(name, record[name]):
                continue
            changed = any(e.action == UPDATE and name in e.before for e in own)
            blamed = self.entity.held(UPDATE if changed else CREATE) if changed or made else self.blamed(kept, way)
            sentence = f"{name} was sent as {kept.values[name]!r:.60} and is read as {record[name]!r:.60}"
            self.broken(blamed, sentence, exchange)

    def _compare_with_shown(self, kept: Kept, record: Mapping[str, Any], way: str, exchange: Exchange) -> None:
        """What was not sent is as it was when it was looked at last, as far as it has to stay."""
        events, before = kept.since[way], kept.shown.get(way, {})
        own = [e for e in events if e.own]
        writes = own or [e for e in events if e.action != CREATE]
        for name in (before.keys() & record.keys()) - kept.values.keys() if writes else ():
            if before[name] != record[name] and self._has_to_stay(name, before[name], record[name], own):
                what = ("" if own else "another record's ") + writes[-1].action
                sentence = f"{name} was {before[name]!r:.60} before {what}, it is {record[name]!r:.60} now"
                self.broken(self.entity.held(writes[-1].action), sentence, exchange)

    def _has_to_stay(self, name: str, before: Any, now: Any, own: list[Event]) -> bool:
        """Whether a field that nobody sent may not change: what changes can set, and to whose the record is and when it
        was made. What the server notes about a write or works out is free: versions, counts, times."""
        taken = self.values.fields(self.entity[UPDATE]) if UPDATE in self.entity else {}
        if not own:
            return name in taken
        times = [v for v in (before, now) if timestamp(v)]
        noted = name.endswith("modified_by") or (bool(times) and all(v is None or timestamp(v) for v in (before, now)))
        refers = any(name == sub.field for o in self.entity.operations.values() for sub in o.sub_entities)
        return name != MARK and (name in taken or name == CREATED or (refers and not noted))

    def _rows(self, operation: Operation, kept: Kept, wanted: set[str]) -> tuple[list[list[Any]], bool, Exchange]:
        """Pages of a list until all that is wanted stands in them or nothing new comes; whether that was all of it."""
        collection = operation.collection
        assert collection is not None
        pages: list[list[Any]] = []
        seen: set[str] = set()
        while True:
            paging: tuple[tuple[str, Any], ...] = ()
            if collection.paging:
                paging = (("limit", REFERENCE_PAGE), ("offset", sum(map(len, pages))))[: 2 if pages else 1]
            exchange = self.send(operation, kept, query=paging)
            rows = rows_of(operation, exchange, bare=True)
            if rows is None:
                return pages, False, exchange
            found = [r for r in rows if isinstance(r, dict)]
            fresh = {self.name(r) for r in found} - seen
            seen |= fresh
            pages.append(found)
            if wanted <= seen or not fresh or not collection.paging:
                return pages, wanted <= seen or not collection.paging or len(rows) < REFERENCE_PAGE, exchange
            if len(pages) >= MOST_PAGES:
                return pages, False, exchange

    def _neighbours(self, operation: Operation, kept: Kept) -> list[Kept]:
        """The records that stand in the same list."""
        names = [p.name for p in operation.path_parameters]
        return [k for k in self.records if all(k.own.path.get(n) == kept.own.path.get(n) for n in names)]

    def look_at_list(self, kept: Kept) -> None:
        operation = self.entity[LIST]
        peers = self._neighbours(operation, kept)
        wanted = {self.name(k.own.record) for k in peers if k.alive and not k.switched}
        pages, whole, exchange = self._rows(operation, kept, wanted)
        self.rows = tuple(row for page in pages for row in page)
        if not pages:
            return
        for peer in peers:
            name = self.name(peer.own.record)
            rows = [r for r in self.rows if self.name(r) == name]
            if not peer.alive:
                self._not_listed(peer, rows, whole, exchange)
                continue
            self._listed(peer, rows, whole, exchange)
            self._alone(peer, pages, exchange)
            if any(sum(self.name(r) == name for r in page) > 1 for page in pages):
                self.broken(("LIFE-02", LIST), f"a {self.entity.words} stands in the list twice", exchange)
        gone = [k for k in peers if not k.alive]
        if self.session.profile.lives:
            self._without_gaps(operation, kept, len(pages[0]), bool(gone))
        if gone and ("LIFE-04", DELETE) not in self.found:
            self._gone_otherwise(operation, gone)

    def _without_gaps(self, operation: Operation, kept: Kept, held: int, deleted: bool) -> None:
        """A page lacks no more records after a deletion than before: where one was deleted the next one moves up."""
        collection = operation.collection
        if collection is None or not collection.paging or not held or ("LIFE-04", DELETE) in self.found:
            return
        lacking, exchange = self._lacking(operation, kept, held)
        if not deleted:
            self.lacking = lacking
            return
        for look in range(_LOOKS):
            if look:  # others may have deleted some: a gap stays
                pages, _, exchange = self._rows(operation, kept, set())
                held = len(pages[0]) if pages else 0
                lacking, exchange = self._lacking(operation, kept, held) if held else (None, exchange)
            if self.lacking is None or lacking is None or lacking <= self.lacking:
                return
        sentence = (
            f"since a {self.entity.words} was deleted pages lack records: limit={max(1, held - 1)} shows {lacking} less"
        )
        self.broken(("LIFE-04", DELETE), sentence, exchange)

    def _lacking(self, operation: Operation, kept: Kept, held: int) -> tuple[int | None, Exchange]:
        """How many records a page lacks that is asked for fewer than the list holds; None where it is refused."""
        limit = max(1, held - 1)
        exchange = self.send(operation, kept, query=(("limit", limit),))
        rows = rows_of(operation, exchange) if exchange.ok else None
        return None if rows is None else limit - len(rows), exchange

    def _gone_otherwise(self, operation: Operation, gone: list[Kept]) -> None:
        """What was deleted is not in the list either when that is asked for in other ways."""
        for query in asked_about(self.session.contract, operation, gone[-1].values.get("name")):
            exchange = self.send(operation, gone[-1], query=query)
            rows = [r for r in rows_of(operation, exchange) or [] if isinstance(r, dict)]
            for peer in gone:
                row = next((r for r in rows if self.name(r) == self.name(peer.own.record)), None)
                if row is not None and not (self.entity.soft and marked(row)):
                    sentence = f"a deleted {self.entity.words} is in the list for {describe(*query)}"
                    self.broken(("LIFE-04", DELETE), sentence, exchange)

    def _alone(self, peer: Kept, pages: list[list[Any]], exchange: Exchange) -> None:
        """No other record may hold a text that was sent for this one alone: it would have been stored twice."""
        texts = {n: v for n, v in peer.values.items() if isinstance(v, str) and v.startswith(f"{self.session.prefix} ")}
        name = self.name(peer.own.record)
        for row in (r for page in pages for r in page if self.name(r) != name):
            field = next((n for n, text in texts.items() if row.get(n) == text), None)
            if field is not None:
                sentence = (
                    f"a {self.entity.words} that was created once is in the list twice: {name:.60} and "
                    f"{self.name(row):.60} have the same {field}"
                )
                self.broken(("LIFE-02", LIST), sentence, exchange)

    def _not_listed(self, peer: Kept, rows: list[Mapping[str, Any]], whole: bool, exchange: Exchange) -> None:
        """A record that was deleted may be in the list as a deleted one alone, where there are such."""
        if rows and not (self.entity.soft and marked(rows[0])):
            self.seen("LIFE-04", DELETE)
            self.broken(("LIFE-04", DELETE), f"a deleted {self.entity.words} is still in the list", exchange)
        elif whole or peer.listed:
            self.seen("LIFE-04", DELETE)

    def _listed(self, peer: Kept, rows: list[Mapping[str, Any]], whole: bool, exchange: Exchange) -> None:
        """A record that is there has to be in the list, as it was changed last."""
        if not rows:
            if whole and not peer.switched and not self._there_again(peer):
                blamed = self.blamed(peer, LIST) if peer.listed else None
                sentence = f"a {self.entity.words} that should be there is not in the list"
                self.seen("LIFE-02", LIST)
                self.broken(blamed or ("LIFE-02", LIST), sentence, exchange)
            return
        self.seen("LIFE-02", LIST)
        peer.listed = True
        if READ not in self.entity:
            self._compare(peer, rows[0], LIST, exchange)
            return
        self._listed_as_changed(peer, rows[0], exchange)
        if any(e.own and e.action == RESTORE for e in peer.since[LIST]):
            self.seen(*self.entity.held(RESTORE))
        peer.shown[LIST] = rows[0]
        peer.since[LIST].clear()

    def _listed_as_changed(self, peer: Kept, row: Mapping[str, Any], exchange: Exchange) -> None:
        """What a change replaced, and the list has shown before, is in the list as it was changed to."""
        earlier = peer.shown.get(LIST, {})
        for event in peer.since[LIST]:
            for name, value in event.before.items() if event.own and event.action == UPDATE else ():
                told = name in earlier and name in row and value is not None and same(value, earlier[name])
                if told and not same(peer.values[name], row[name]):
                    sentence = f"{name} was changed to {peer.values[name]!r:.60}, the list shows {row[name]!r:.60}"
                    self.broken(("LIFE-03", UPDATE), sentence, exchange)

    def _there_again(self, kept: Kept) -> bool:
        """Whether a second look at the list shows the record: a list that differs from call to call is the matter of
        others."""
        name = self.name(kept.own.record)
        pages, _, _ = self._rows(self.entity[LIST], kept, {name})
        return any(self.name(r) == name for page in pages for r in page)

    def look_at_trash(self, kept: Kept) -> None:
        wanted = {self.name(k.own.record) for k in self.records if not k.alive}
        pages, whole, exchange = self._rows(self.entity[TRASH], kept, wanted)
        names = {self.name(r) for page in pages for r in page}
        for peer in self.records:
            there = self.name(peer.own.record) in names
            if not peer.alive and (there or whole):
                self.seen("LIFE-04", DELETE)
                if not there:
                    self.broken(("LIFE-04", DELETE), f"a deleted {self.entity.words} is not in the trash", exchange)
            elif peer.alive and peer.restored and (there or whole):
                self.seen(*self.entity.held(RESTORE))
                if there:
                    sentence = f"a restored {self.entity.words} is still in the trash"
                    self.broken(self.entity.held(RESTORE), sentence, exchange)
