"""Forms with a file (RFC 7578) that browsers and scripts send now and then: without the file, with an empty one, with
two, with a name that is no plain one. They may be taken or refused; nothing must break over them (CWE-755)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contracts.conventions.breakdown import broken_down
from contracts.conventions.harmless import touching_call
from contracts.subject import Subject, require

_ODD_NAME = '../a \\"b\\" – 漢 🙂'
_PART = re.compile(rb"(--[^\r\n]+\r\n.*?\r\n\r\n)(.*?)\r\n(?=--)", re.DOTALL)


def odd_forms(s: Subject) -> None:
    """Raise Broken where such a form is a failure of the server."""
    if s.operation.body_media_type != "multipart/form-data":
        return
    call = touching_call(s)
    for what, body in _forms(call.body or b""):
        exchange = s.bench.execute(call.sending_raw(body, call.media_type))
        how = broken_down(exchange)
        require(not how, f"a form {what} got {how}", exchange, what)
        s.exercised()


def _forms(body: bytes) -> Iterator[tuple[str, bytes]]:
    part = next((p for p in _PART.finditer(body) if b"filename=" in p.group(1)), None)
    if part is None:
        return
    head, whole, (start, end) = part.group(1), part.group(0), part.span()
    named = head.replace(b'filename="', f'filename="{_ODD_NAME}'.encode())
    yield "without its file", body[:start] + body[end:]
    yield "with an empty file", body[:start] + head + b"\r\n" + body[end:]
    yield "with its file twice", body[:start] + whole + whole + body[end:]
    yield "with an odd name of its file", body[:start] + named + part.group(2) + b"\r\n" + body[end:]
