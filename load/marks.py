"""Marks: what every event of a load run carries, so that an audit can tell later what became of it.

The payload of an event holds three fields: `cdp_mark`, the mark `{run}-{worker}-{seq}`; `cdp_sum`, a checksum; and
`text`, filling. The run is a prefix (`cdp-0badcafe`), the worker the number of the process that sent it, and seq counts
the events of the whole run from 0, over all workers.

The checksum is the CRC-32 of zlib, as eight small hexadecimal digits, over these bytes in UTF-8: the values of the
fields that were sent, all but the payload, in the order of their names, each followed by the byte 0x1F; then the
payload without `cdp_sum`, as JSON with sorted keys and no blanks. A value that is a date and time stands as its first
fourteen digits, years to seconds, so that each of the API's ways to write it gives the same. A payload may come back as
an object or as a JSON text, with other blanks or another order of keys; all count as the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from cdp.prefixes import PREFIX

MARK, SUM, TEXT = "cdp_mark", "cdp_sum", "text"
_FORM = re.compile(rf"({PREFIX.pattern})-(\d{{1,6}})-(\d{{1,18}})", re.ASCII)
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d{1,6})?Z?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mark:
    """Which event it is: number `seq` of the run `run`, sent by process `worker`."""

    run: str
    worker: int
    seq: int

    def __str__(self) -> str:
        return f"{self.run}-{self.worker}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Corrupt:
    """An event that is not what any load run sent; `reason` is a few words without any value of it."""

    reason: str


def read_mark(text: Any) -> Mark | None:
    """The mark that a text is; None when it is none."""
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    return Mark(found[1], int(found[2]), int(found[3])) if found else None


def checksum(fields: Mapping[str, str], content: bytes) -> str:
    """The checksum of an event. `fields`: what was sent beside the payload, as it stands in the event; `content`: the
    payload without its sum, as JSON with sorted keys."""
    head = "\x1f".join([*(_plain(fields[name]) for name in sorted(fields)), ""])
    return f"{crc32(content, crc32(head.encode())):08x}"


def _plain(value: str) -> str:
    found = _MOMENT.fullmatch(value)
    return "".join(found.groups()[:6]) if found else value


def make(mark: Mark, fields: Mapping[str, str], text: str = "") -> dict[str, str]:
    """The payload of an event."""
    content = {MARK: str(mark), TEXT: text}
    return {MARK: content[MARK], SUM: checksum(fields, _canonical(content)), TEXT: text}


def verify(payload: Any, fields: Mapping[str, str]) -> Mark | Corrupt:
    """Which event a payload belongs to, an object or its JSON text; Corrupt when anything of the event has changed."""
    if isinstance(payload, str | bytes):
        try:
            payload = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return Corrupt("the payload is no JSON")
    if not isinstance(payload, Mapping):
        return Corrupt("the payload is no object")
    mark = read_mark(payload.get(MARK))
    if mark is None:
        return Corrupt("the payload has no mark")
    told = payload.get(SUM)
    try:
        content = _canonical({name: value for name, value in payload.items() if name != SUM})
        expected = checksum(fields, content)
    except (TypeError, ValueError, AttributeError):  # fields that are no texts, lone surrogates, numbers beyond 64 bits
        return Corrupt("the payload cannot be written as JSON")
    return mark if told == expected else Corrupt("the checksum does not fit the event")


def _canonical(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
