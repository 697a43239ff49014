"""LIFE: what becomes of records that are created, changed and deleted, compared with a model."""

from contracts.conventions.life import lifecycle, reading

__all__ = ["lifecycle", "reading"]
