"""The conventions, one module per family. Importing the package registers every check."""

from contracts.conventions import (
    authentication,
    below,
    events,
    filtering,
    lifecycle,
    logging_in,
    media_type,
    newest,
    ordering,
    pagination,
    roles,
    search,
    shape,
    status_codes,
    structure,
)

__all__ = [
    "authentication",
    "below",
    "events",
    "filtering",
    "lifecycle",
    "logging_in",
    "media_type",
    "newest",
    "ordering",
    "pagination",
    "roles",
    "search",
    "shape",
    "status_codes",
    "structure",
]
