"""PAGE: limit and offset, walks, pages under filters, and bounds."""

from contracts.conventions.page import bounds, default_page, equal_calls, filtering, pagination

__all__ = ["bounds", "default_page", "equal_calls", "filtering", "pagination"]
