"""PAGE: limit and offset, walks, and pages under filters."""

from contracts.conventions.page import default_page, equal_calls, filtering, pagination

__all__ = ["default_page", "equal_calls", "filtering", "pagination"]
