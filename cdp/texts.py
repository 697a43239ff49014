"""How texts of the API are read: moments, and what a search may leave open."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
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


def as_sent(value: Any, sent: Collection[datetime | None]) -> datetime | None:
    """The moment of a time that comes back of some that were sent without a zone: nothing says whose clock such a time
    is of, so it may come with any zone, by the same clock or as the same moment."""
    moment = timestamp(value)
    by_its_clock = moment.replace(tzinfo=UTC) if moment else None
    return by_its_clock if moment not in sent and by_its_clock in sent else moment


def same_time(sent: Any, got: Any) -> bool:
    """Whether a time came back as it was sent, in whatever form."""
    moment = timestamp(sent)
    return moment is not None and moment == (timestamp(got) if _zoned(sent) else as_sent(got, (moment,)))


def _zoned(text: str) -> bool:
    """Whether a time says of which zone it is."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is not None


def folded(text: Any) -> str:
    """A text without what a search may leave open: case, accents, and the form in which letters are composed."""
    if isinstance(text, str) and text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", str(text)).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", decomposed) if not unicodedata.combining(c))
