"""SEARCH: customers found by a text, or held to conditions."""

from contracts.conventions.search import conditions, literal, results, search

__all__ = ["conditions", "literal", "results", "search"]
