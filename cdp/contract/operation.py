"""An operation of the contract and what belongs to it, as the conventions see them: they never look into raw YAML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

READ, WRITE, DESTRUCTIVE, SENDS = "read", "write", "destructive", "sends"
DOCUMENTED, OBSERVED, ASSUMED = "documented", "observed", "assumed"


@dataclass(frozen=True)
class Features:
    """Which features open an operation: one of `any_of`, or all of `all_of`; neither = no feature is needed, or none is
    known."""

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    unknown: bool = False

    @property
    def needed(self) -> bool:
        return bool(self.any_of or self.all_of)

    def allows(self, held: Iterable[str]) -> bool:
        """Whether a role holding these features may call the operation."""
        held = set(held)
        if self.any_of and not held.intersection(self.any_of):
            return False
        return held.issuperset(self.all_of)

    def minimal_sets(self) -> list[tuple[str, ...]]:
        """The smallest sets of features that open the operation."""
        if self.any_of:
            return [(feature, *self.all_of) for feature in self.any_of]
        return [self.all_of] if self.all_of else []

    def text(self) -> str:
        """Readable form, for listings: `one of a, b`, `all of a, b`, `none` or `not known`."""
        if self.any_of:
            return self.any_of[0] if len(self.any_of) == 1 else "one of " + ", ".join(self.any_of)
        if self.all_of:
            return "all of " + ", ".join(self.all_of)
        return "not known" if self.unknown else "none"


@dataclass(frozen=True)
class Searches:
    """What a text is looked for in: a field of the records that another read operation brings for one found record.
    `counted`: the operation that counts the records which have a value, under the same field."""

    operation: str
    field: str
    counted: str = ""


@dataclass(frozen=True)
class Parameter:
    """A path or query parameter. `entity` and `field`: the stored record, and its field, that a value has to come
    from."""

    name: str
    place: str
    required: bool
    schema: Mapping[str, Any]
    provenance: str
    entity: str = ""
    field: str = "id"
    samples: tuple[str, ...] = ()
    searches: Searches | None = None


@dataclass(frozen=True)
class Collection:
    """What a list operation answers: `key` (None = a bare array), whether it pages, and the timestamp it is ordered
    by."""

    key: str | None
    paging: bool
    timestamp: str | None
    timestamp_provenance: str
    cursor: str | None = None
    documented_order: str = ""


@dataclass(frozen=True)
class SubEntity:
    """A field that holds ids of another section's entity, and the key under which the full response brings its data."""

    field: str
    key: str
    section: str
    entity: str

    @property
    def in_place(self) -> bool:
        return self.key == self.field


@dataclass(frozen=True)
class UploadState:
    """How an upload tells what became of it: the field with its state, the states by kind, and what else it tells."""

    field: str
    open: tuple[str, ...]
    done: tuple[str, ...]
    failed: tuple[str, ...]
    count: str
    message: str


@dataclass(frozen=True)
class Ingestion:
    """How an operation takes events in, and where they are seen again.

    `rows`: the schema of one event; `key`: the list's key in body and answer, empty for a CSV; `identifier`, `payload`
    and `time`: fields of an event. `owner`: operation, parameter and pointer that tell the record that an identifier
    belongs to; `read_back`: lists that show events.
    """

    rows: str
    key: str
    count: str
    identifier: str
    payload: str
    time: str
    owner: tuple[str, str, str] | None
    read_back: tuple[str, ...]
    state: UploadState | None


@dataclass(frozen=True)
class Operation:
    """One operation of the contract."""

    id: str
    method: str
    path: str
    section: str
    base: str
    summary: str
    provenance: str
    source: str
    features: Features
    features_provenance: str
    auth: str
    safety: str
    entity: str
    action: str
    collection: Collection | None
    item_key: str | None
    answers_item: bool
    sub_entities: tuple[SubEntity, ...]
    observe: str | None
    observe_parameters: Mapping[str, str]
    path_parameters: tuple[Parameter, ...]
    query_parameters: tuple[Parameter, ...]
    body_media_type: str | None
    body_schema: Mapping[str, Any] | None
    body_required: bool
    responses: Mapping[int, Mapping[str, Any]]
    links: Mapping[str, Mapping[str, Any]]
    extra_access: str
    ingestion: Ingestion | None = None
    reflects: tuple[str, ...] = ()
    order: int = field(compare=False, default=0)

    @property
    def success_status(self) -> int:
        return min(status for status in self.responses if 200 <= status < 300)

    @property
    def open(self) -> bool:
        """Whether the operation answers without a token."""
        return self.auth != "token"

    @property
    def features_assumed(self) -> bool:
        """Whether no page says which features it needs."""
        return self.features_provenance == ASSUMED

    @property
    def template(self) -> str:
        """Path as it follows the origin, for instance `/api/segments/{segment_id}`."""
        return self.path if self.base == "origin" else "/api" + self.path

    def query(self, name: str) -> Parameter | None:
        return next((p for p in self.query_parameters if p.name == name), None)

    def response_schema(self, status: int) -> Mapping[str, Any] | None:
        """Schema of a JSON body with this status; None when the contract gives none."""
        content = self.responses.get(status, {}).get("content") or {}
        schema = (content.get("application/json") or {}).get("schema")
        return schema if isinstance(schema, Mapping) else None


def is_pattern(feature: str) -> bool:
    """Whether a feature's name holds a place for an id (its last part is in capitals)."""
    return bool(re.search(r"/[A-Z_]+$", feature))
