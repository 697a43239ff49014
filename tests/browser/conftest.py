"""A headless Chromium for the whole session, and one page of each kind as a file.

Where Playwright is not installed (`make browser` does it) nothing is collected, and pytest ends with 5: no tests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from playwright.sync_api import Browser, sync_playwright

    from tests.sample_pages import pages

    _PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
    _ARGUMENTS = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]

    @pytest.fixture(scope="session")
    def browser() -> Iterator[Browser]:
        """Chromium from the system's packages, with a profile of its own that is thrown away."""
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
        if program is None:
            pytest.exit("Chromium is missing: make browser installs it, or CHROMIUM=/path/to/it names one", 1)
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
        with sync_playwright() as playwright:
            running = playwright.chromium.launch(executable_path=program, args=[*_ARGUMENTS, *as_root])
            yield running
            running.close()

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
