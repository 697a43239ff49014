"""SEARCH: customers are found by texts."""

from contracts.conventions.search import literal, results, search

__all__ = ["literal", "results", "search"]
