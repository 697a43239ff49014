"""The conventions, one module per family. Importing the package registers every check."""

from contracts.conventions import (
    authentication,
    media_type,
    ordering,
    pagination,
    roles,
    shape,
    status_codes,
    structure,
)

__all__ = ["authentication", "media_type", "ordering", "pagination", "roles", "shape", "status_codes", "structure"]
