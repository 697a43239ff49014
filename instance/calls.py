"""What passes between the HTTP entry and the handlers: calls, replies and refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instance.contract import Operation
    from instance.store import Store


class Refusal(Exception):
    """A request that is refused; becomes an error answer `{"message", "detail"}` with the given status.

    `message` is one sentence for people. `detail` says what exactly was wrong (a field, a parameter, an id)
    and repeats the message where there is nothing more to say.
    """

    def __init__(
        self,
        status: int,
        message: str,
        detail: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail
        self.headers = headers


@dataclass(slots=True)
class Caller:
    """Who makes the call: the user behind the token and the features of the user's role."""

    user_id: int
    role_id: int
    features: frozenset[str]


@dataclass(slots=True)
class UploadedFile:
    """One file part of a multipart body."""

    filename: str
    content_type: str
    content: bytes


@dataclass(slots=True)
class Call:
    """One request after routing, authentication, authorization and validation.

    `query` holds typed values with the contract's defaults applied; `given` names the parameters the client sent.
    `body` is decoded JSON, bytes for an octet stream, a dict of `str | UploadedFile` for multipart, or None.
    """

    operation: Operation
    path: dict[str, str]
    query: dict[str, Any]
    body: Any
    caller: Caller | None
    store: Store
    client_ip: str = "127.0.0.1"
    given: frozenset[str] = frozenset()
    headers: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Reply:
    """An answer. A `bytes` body is JSON already encoded; None is an empty body."""

    status: int
    body: dict[str, Any] | list[Any] | bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
