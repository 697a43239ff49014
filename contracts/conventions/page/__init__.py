"""PAGE: limit and offset, walks, and pages under filters."""

from contracts.conventions.page import equal_calls, filtering, pagination

__all__ = ["equal_calls", "filtering", "pagination"]
