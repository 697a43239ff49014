"""EVENT: events taken in and read back."""

from contracts.conventions.event import events, uploads

__all__ = ["events", "uploads"]
