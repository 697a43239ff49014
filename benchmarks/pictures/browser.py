"""A headless Chromium that takes pictures of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = (390, 1280, 1920)
SCHEMES = ("light", "dark")
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DEADLINE_MS = 60_000


class NoBrowser(Exception):
    """There is no Chromium, or nothing that drives it; the message is one line."""


def program() -> str:
    """The path of Chromium: CHROMIUM, else the first on the path. Raises `NoBrowser`."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        raise NoBrowser("Chromium is missing: make browser installs it, or CHROMIUM=/path/to/it names one")
    if find_spec("playwright") is None:
        raise NoBrowser("Playwright, which drives Chromium, is missing: make browser installs it")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium from the system's packages, with a profile of its own that is thrown away. Raises `NoBrowser`."""
    path = program()
    from playwright.sync_api import Error, sync_playwright

    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *as_root])
        except Error as error:
            raise NoBrowser(f"{path} does not start: {error.message.splitlines()[0]}") from None
        yield running
        running.close()


@contextmanager
def page_of(
    browser: Browser, file: Path, width: int, height: int = 900, scheme: str = "light", scale: float = 1.0
) -> Iterator[Page]:
    """A file opened in a context of its own, so many CSS pixels wide and high, each `scale` pixels of a picture."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=scale,
        reduced_motion="reduce",
    )
    context.set_default_timeout(_DEADLINE_MS)
    page = context.new_page()
    try:
        page.goto(file.as_uri())
        yield page
    finally:
        context.close()


def first_screens(browser: Browser, file: Path, name: str, to: Path, widths: Sequence[int] = WIDTHS) -> list[Path]:
    """Pictures of a page's first screen at each width, light and dark: `to`/`name`-WIDTH-SCHEME.png."""
    made = []
    for width in widths:
        for scheme in SCHEMES:
            with page_of(browser, file, width, scheme=scheme) as page:
                made.append(to / f"{name}-{width}-{scheme}.png")
                page.screenshot(path=made[-1])
    return made
