"""SEARCH: customers found by a text, or held to conditions."""

from contracts.conventions.search import conditions, search

__all__ = ["conditions", "search"]
