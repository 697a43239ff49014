"""ROLE: what the features of the caller's role open, and what they do not."""

from contracts.conventions.role import roles

__all__ = ["roles"]
