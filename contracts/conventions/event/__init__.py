"""EVENT: events taken in and read back."""

from contracts.conventions.event import events

__all__ = ["events"]
