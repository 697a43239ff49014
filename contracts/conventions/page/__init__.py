"""PAGE: limit and offset, walks, pages under filters, and bounds."""

from contracts.conventions.page import bounds, equal_calls, filtering, pagination

__all__ = ["bounds", "equal_calls", "filtering", "pagination"]
