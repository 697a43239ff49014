"""ORDER: newest to oldest, and the orders that can be asked for."""

from contracts.conventions.order import newest, ordering

__all__ = ["newest", "ordering"]
