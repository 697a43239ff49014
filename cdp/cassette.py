"""A cassette of exchanges: an HTTP Archive (HAR 1.2) that is whole after every entry, so that a killed run keeps it.

Exchanges are written as results show them: secrets taken out, long bodies cut. The file stays under `MAX_BYTES`; what
comes after that is left out, and the last entry says so. Several processes of a run write a file each.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import harfile

from cdp import __version__
from cdp.evidence import describe
from cdp.http import Exchange
from cdp.results import ResultsError
from cdp.secrets import Secrets

CASSETTE_FILE = "drawn.har"
MAX_BYTES = 64 * 1024 * 1024
_MOST_FILES = 1000
_END = b"\n        ]\n    }\n}\n"


class _Whole:
    """What harfile writes to: a file whose brackets are closed after every piece, whatever happens next."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = 0

    def write(self, text: str) -> int:
        """Put a piece in the place of the end, and the end behind it."""
        piece = text.encode("utf-8", "backslashreplace")
        try:
            self._put(piece + _END)
        except OSError:  # a full disk: what was there before is still there, and gets its end again
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
                self._put(_END if self.size else b"")
            raise
        self.size += len(piece)
        return len(text)

    def _put(self, data: bytes) -> None:
        rest, at = memoryview(data), self.size
        while rest:  # a short write means that the next one says what is wrong
            written = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[written:], at + written


class Cassette:
    """Appends exchanges to a HAR file in a directory, made with the first of them.

    Never raises: when the file cannot be written, `problem` says why in one line and nothing more is kept.
    """

    def __init__(self, directory: Path, secrets: Secrets, max_bytes: int = MAX_BYTES) -> None:
        self.directory = directory
        self.secrets = secrets
        self.problem = ""
        self.path: Path | None = None
        self._max_bytes = max_bytes
        self._descriptor: int | None = None
        self._file: _Whole | None = None
        self._har: harfile.HarFile | None = None
        self._full = False

    def add(self, exchange: Exchange) -> None:
        """Write one exchange, if there is room."""
        if self._full or self.problem:
            return
        try:
            self._add(exchange)
        except OSError as error:
            self.problem = f"cannot write the cassette to {self.path or self.directory}: {error.strerror}"

    def check(self) -> None:
        """Raise ResultsError when something could not be written."""
        if self.problem:
            raise ResultsError(self.problem)

    def close(self) -> None:
        """Close the file; harmless when there is none. It is whole already."""
        if self._descriptor is not None:
            descriptor, self._descriptor, self._har = self._descriptor, None, None
            os.close(descriptor)

    def _add(self, exchange: Exchange) -> None:
        if self._har is None:
            self._open()
        assert self._har is not None and self._file is not None
        entry = as_entry(exchange, self.secrets)
        length = len(str(entry)) * 2  # more than it takes: every byte of a shown body may be escaped
        self._full = self._file.size + length > self._max_bytes
        if self._full:
            entry["comment"] = f"The cassette is full ({self._max_bytes} bytes): later exchanges are left out."
            entry["request"].postData, entry["response"].content.text = None, None
        self._har.add_entry(**entry)

    def _open(self) -> None:
        stem, _, ending = CASSETTE_FILE.rpartition(".")
        for number in range(1, _MOST_FILES):
            self.path = self.directory / (CASSETTE_FILE if number == 1 else f"{stem}-{number}.{ending}")
            try:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                break
            except FileExistsError:  # another process of the run has it
                continue
        assert self._descriptor is not None
        self._file = _Whole(self._descriptor)
        creator = harfile.Creator(name="cdp-suite", version=__version__)
        self._har = harfile.HarFile(self._file, creator=creator)  # type: ignore[arg-type]


def as_entry(exchange: Exchange, secrets: Secrets) -> dict[str, Any]:
    """What `harfile.HarFile.add_entry` takes for an exchange. Sizes are those that were sent and received, in bytes."""
    started = datetime.now(UTC) - timedelta(seconds=exchange.duration_s)
    told = describe(exchange, secrets)
    told["response"]["failure"] = secrets.redact(told["response"]["failure"])
    return entry_of(told, started, exchange.operation, len(exchange.request_body or b""), len(exchange.body))


def entry_of(
    told: dict[str, Any], started: datetime, comment: str, sent_bytes: int = -1, received_bytes: int = -1
) -> dict[str, Any]:
    """The same for an exchange as results store it (`cdp.evidence.describe`); sizes are -1 where nobody knows them, as
    HAR has it. What is missing is left empty."""
    request, response = told.get("request") or {}, told.get("response") or {}
    status, duration_ms = response.get("status") or 0, response.get("duration_ms") or 0
    url, body = str(request.get("url") or ""), request.get("body")
    post = harfile.PostData(mimeType=_header(request, "content-type"), text=_text(body)) if body else None
    content = harfile.Content(
        size=received_bytes, mimeType=_header(response, "content-type"), text=_text(response.get("body")) or None
    )
    return {
        "startedDateTime": started,
        "time": duration_ms,
        "request": harfile.Request(
            method=str(request.get("method") or ""),
            url=url,
            httpVersion="HTTP/1.1",
            headers=_records((request.get("headers") or {}).items()),
            queryString=_records(_query(url)),
            postData=post,
            bodySize=sent_bytes,
        ),
        "response": harfile.Response(
            status=status,
            statusText=_phrase(status) or str(response.get("failure") or ""),
            httpVersion="HTTP/1.1",
            headers=_records((response.get("headers") or {}).items()),
            content=content,
            redirectURL=_header(response, "location"),
            bodySize=received_bytes,
        ),
        "timings": harfile.Timings(send=0, wait=duration_ms, receive=0),
        "comment": comment,
    }


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:  # no URL at all
        return []


def _text(body: Any) -> str:
    return body if isinstance(body, str) else "" if body is None else json.dumps(body, ensure_ascii=False, default=str)


def _records(pairs: Any) -> list[harfile.Record]:
    return [harfile.Record(name=str(name), value=str(value)) for name, value in pairs]


def _header(told: dict[str, Any], wanted: str) -> str:
    return next((str(value) for name, value in (told.get("headers") or {}).items() if name.lower() == wanted), "")


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
