"""The conventions, one module per family. Importing the package registers every check."""

from contracts.conventions import (
    authentication,
    events,
    filtering,
    lifecycle,
    logging_in,
    media_type,
    newest,
    ordering,
    pagination,
    renewals,
    roles,
    search,
    shape,
    status_codes,
    structure,
    wrong_bodies,
)

__all__ = [
    "authentication",
    "events",
    "filtering",
    "lifecycle",
    "logging_in",
    "media_type",
    "newest",
    "ordering",
    "pagination",
    "renewals",
    "roles",
    "search",
    "shape",
    "status_codes",
    "structure",
    "wrong_bodies",
]
