"""Awkward but conforming: everything that the documents allow and that lazy clients trip over.

Nothing in the server knows of it. Each kind is a module; a middleware puts the chosen ones around the application, some
lay data into a new store, and two work on the wire below.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from instance.app import Application
from instance.awkward.absent import Absent
from instance.awkward.big import Big
from instance.awkward.browsers import Browsers
from instance.awkward.busy import Busy
from instance.awkward.charset import Charset
from instance.awkward.choosy import Choosy, Unique
from instance.awkward.chunked import Chunked
from instance.awkward.close import Close
from instance.awkward.codes import Codes
from instance.awkward.cold import Cold
from instance.awkward.companions import Companions
from instance.awkward.deflate import Deflate
from instance.awkward.edits import Edits
from instance.awkward.empty import Empty
from instance.awkward.error_texts import ErrorTexts
from instance.awkward.escapes import Escapes
from instance.awkward.extra_headers import ExtraHeaders
from instance.awkward.few import Bare, Single
from instance.awkward.fields import Fields
from instance.awkward.fractions import Fractions
from instance.awkward.gzip_answers import GzipAnswers
from instance.awkward.in_place import InPlace
from instance.awkward.jwt import Jwt
from instance.awkward.key_order import KeyOrder
from instance.awkward.kind import Kind, Settings, World
from instance.awkward.large_ids import FIRST, LargeIds
from instance.awkward.latency import Latency
from instance.awkward.limit_cap import LimitCap
from instance.awkward.many_headers import ManyHeaders
from instance.awkward.middleware import Middleware
from instance.awkward.not_acceptable import NotAcceptable
from instance.awkward.offsets import Offsets
from instance.awkward.others import Others
from instance.awkward.problems import Problems
from instance.awkward.random_ids import RandomIds
from instance.awkward.roles import Roles
from instance.awkward.signed import Signed
from instance.awkward.skew import Skew
from instance.awkward.texts import Texts
from instance.awkward.ties import Ties
from instance.awkward.tokens import Tokens
from instance.awkward.whitespace import Whitespace
from instance.awkward.wire import ON_THE_WIRE, Fragments, HeaderCase, Idle, Interim, StatusLine, rewritten
from instance.routing import Router
from instance.store import Store

ALL = "all"
LIST = "list"
# In the order in which they act: first on data and requests, then on what an answer says, then on how it is written.
KINDS: dict[str, type[Kind]] = {
    kind.name: kind
    for kind in (
        *(LargeIds, RandomIds, Bare, Single, Empty, Texts, Roles, Big, Skew, Ties),
        *(Latency, Cold, Busy, NotAcceptable, Browsers, Codes, LimitCap, Choosy, Unique, Others, Edits, Tokens, Jwt),
        *(Companions, Fields, Problems, ErrorTexts, Absent, Offsets, Fractions),
        *(InPlace, Signed, KeyOrder, Whitespace, Escapes),
        *(Charset, ExtraHeaders, ManyHeaders, Deflate, GzipAnswers, Chunked, Close),
        *(HeaderCase, StatusLine, Interim, Fragments, Idle),
    )
}
_TOGETHER = {"close_every": 4}  # where connections live long enough for the other kinds
_KEEP_ALIVE_S = 75


class UnknownKind(Exception):
    """What was asked for is no kind and no setting; the text is one line for people."""


@dataclass
class Awkwardness:
    """The chosen kinds, what is set of them, and the seed of all that is random."""

    names: tuple[str, ...]
    settings: Settings
    seed: int = 1

    @property
    def first_id(self) -> int:
        """The id after which those of a new store come."""
        return FIRST if LargeIds.name in self.names else 0

    @property
    def keep_alive_s(self) -> int:
        """Seconds after which an idle connection is closed."""
        return self.settings.idle_s if Idle.name in self.names else _KEEP_ALIVE_S

    def protocol(self, protocol: type[Any]) -> type[Any]:
        """The server's protocol with what works on the wire."""
        kinds = ON_THE_WIRE & set(self.names)
        return rewritten(protocol, kinds) if kinds else protocol

    def put_around(self, app: Application, store: Store, *, new: bool) -> Application:
        """The application with the kinds around it; a new store gets their data."""
        world = World(store, self.seed, self.settings)
        kinds: Sequence[Kind] = [KINDS[name](world) for name in self.names]
        for kind in kinds if new else ():
            kind.furnish(store)
        for kind in kinds:
            kind.start(store)
        return Middleware(app, Router(store.contract.operations.values()), kinds)


def chosen(text: str, seed: int) -> Awkwardness:
    """The kinds of a list such as `ties,latency,latency_ms=50`; settings alone stand for all kinds. Raises
    `UnknownKind`."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    named = [part for part in parts if "=" not in part]
    together = not named or ALL in named
    for part in named:
        if part not in KINDS and part != ALL:
            close = _close_to(part, KINDS)
            raise UnknownKind(f"there is no kind of awkwardness {part!r}{close}; --awkward=list shows all")
    values = _settings_of([part for part in parts if "=" in part])
    settings = replace(Settings(), **{**(_TOGETHER if together else {}), **values})
    kinds = tuple(name for name, kind in KINDS.items() if name in named or (together and not kind.alone))
    return Awkwardness(kinds, settings, seed)


def _settings_of(parts: list[str]) -> dict[str, int]:
    """Settings of the form `latency_ms=50`. Raises `UnknownKind`."""
    known = {field.name for field in dataclasses.fields(Settings)}
    values: dict[str, int] = {}
    for name, _, value in (part.partition("=") for part in parts):
        if name not in known:
            every = ", ".join(sorted(known))
            raise UnknownKind(f"there is no setting {name!r}{_close_to(name, known)}; they are {every}")
        least = 0 if name.endswith("_ms") else 1
        if not value.isascii() or not value.isdigit() or int(value) < least:
            raise UnknownKind(f"{name} takes a whole number from {least}, not {value!r}")
        values[name] = int(value)
    return values


def _close_to(name: str, known: Any) -> str:
    found = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {found[0]}?" if found else ""


def shown() -> str:
    """All kinds with their sentences, one a line."""
    width = max(map(len, KINDS))
    return "\n".join(f"{name:{width}}  {kind.sentence}" for name, kind in KINDS.items())
