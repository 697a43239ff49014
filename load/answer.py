"""What came back of a request that the load side sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Failure(StrEnum):
    """Why there is no whole answer; the value is what the failure table shows."""

    REFUSED = "connection refused"
    UNREACHABLE = "host not reachable"
    TLS = "TLS failed"
    RESET = "connection reset"
    CLOSED = "connection closed before the answer was complete"
    TIMEOUT = "no answer in time"
    MALFORMED = "answer is not HTTP"
    TOO_LARGE = "answer too large"
    NO_DESCRIPTOR = "no file descriptor left on this machine"
    NO_PORT = "no port left on this machine"
    ABANDONED = "the run ended before the answer"


@dataclass(slots=True)
class Answer:
    """One answer, or the failure that stands in its place.

    `status` is 0 when no whole answer came. `headers` are raw pairs, names as they came. `body` is decoded (gzip,
    deflate). `sent_ns`: when the first byte went to the kernel (0: never); `done_ns`: when the last byte had been
    read, or the failure was known. `indeterminate`: bytes of the request may have reached the target and no whole
    answer came, so that nobody knows whether it was carried out. `received_ns`: when the kernel had the last byte
    (0: not sampled).
    """

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    sent_ns: int = 0
    done_ns: int = 0
    failure: Failure | None = None
    detail: str = ""
    indeterminate: bool = False
    received_ns: int = 0

    def header(self, name: str) -> str:
        """The first header of this name, letter case aside; empty when there is none."""
        wanted = name.lower().encode("latin-1")
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), "")


Done: TypeAlias = Callable[[Answer], None]
