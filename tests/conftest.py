"""Locust without its patches, and the embedded instance: one server for the whole session, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import tests.locust_unpatched  # noqa: F401  # isort: skip

import pytest

from tests.running_instance import RunningInstance, start_instance, stop_instance


@pytest.fixture(scope="session")
def instance() -> Iterator[RunningInstance]:
    """The session's server with the default data."""
    running = start_instance()
    yield running
    stop_instance(running)
