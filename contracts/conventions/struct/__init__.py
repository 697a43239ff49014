"""STRUCT: plain and full responses."""

from contracts.conventions.struct import agreement, structure

__all__ = ["agreement", "structure"]
