"""Brings in every module that registers handlers, so that the registry is complete before the first request."""

from __future__ import annotations

from importlib import import_module

MODULES = (
    "authentication",
    "users",
    "segments",
    "sharing",
    "sending",
    "campaigns",
    "settings",
    "notifications",
    "promotions",
    "fixtures",
    "customers",
)


def register() -> None:
    """Import all modules with handlers; doing it again changes nothing."""
    for name in MODULES:
        import_module(f"instance.{name}")
