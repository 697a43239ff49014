"""SEARCH: customers found by a text."""

from contracts.conventions.search import search

__all__ = ["search"]
