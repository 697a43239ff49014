"""A headless Chromium for the whole session, and one page of each kind as a file.

Where Playwright is not installed (`make browser` does it) nothing is collected, and pytest ends with 5: no tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from playwright.sync_api import Browser

    from benchmarks.pictures.browser import NoBrowser, chromium
    from tests.sample_pages import pages

    @pytest.fixture(scope="session")
    def browser() -> Iterator[Browser]:
        """Chromium from the system's packages, with a profile of its own that is thrown away."""
        try:
            with chromium() as running:
                yield running
        except NoBrowser as error:
            pytest.exit(str(error), 1)

    @pytest.fixture(scope="session")
    def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
        """The pages' files by kind."""
        directory = tmp_path_factory.mktemp("pages")
        found = {}
        for kind, text in pages(directory).items():
            found[kind] = directory / f"{kind}.html"
            found[kind].write_text(text, encoding="utf-8")
        return found

    @pytest.fixture(scope="session")
    def screenshots() -> Path:
        """Where pictures of the pages are left: SCREENSHOTS, else build/screenshots of the checkout."""
        default = Path(__file__).parents[2] / "build" / "screenshots"
        directory = Path(os.environ.get("SCREENSHOTS") or default)
        directory.mkdir(parents=True, exist_ok=True)
        return directory
