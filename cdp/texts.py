"""How texts of the API are read: moments, and what a search may leave open."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any


def timestamp(value: Any) -> datetime | None:
    """A datetime in any of the forms that the API writes; None when it is none. Without a zone it is taken as UTC."""
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def folded(text: Any) -> str:
    """A text without what a search may leave open: case, accents, and the form in which letters are composed."""
    if isinstance(text, str) and text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", str(text)).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", decomposed) if not unicodedata.combining(c))
