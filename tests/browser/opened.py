"""A page opened in a browser, with everything noted that it should not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

DEADLINE_MS = 15_000


@dataclass
class Opened:
    """A page, and what it did: `requests` beside itself, what came to the `console`, `errors` of scripts, `dialogs`."""

    page: Page
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @property
    def misdeeds(self) -> list[str]:
        """All of it, and whether a script of a target ran."""
        ran = ["a script of the target ran"] if self.page.evaluate("window.ran !== undefined") else []
        return [*self.requests, *self.console, *self.errors, *self.dialogs, *ran]


@contextmanager
def opened(browser: Browser, path: Path, width: int = 1280, scheme: str = "light", **options: Any) -> Iterator[Opened]:
    """The page in a context of its own, `width` pixels wide, light or dark; `options` as for a browser context."""
    options |= {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    context = browser.new_context(**options)
    context.set_default_timeout(DEADLINE_MS)
    found = Opened(context.new_page())
    address = path.as_uri()

    def requested(request: Any) -> None:
        if request.url.partition("#")[0] != address:
            found.requests.append(request.url)

    def asked(dialog: Any) -> None:
        found.dialogs.append(dialog.message)
        dialog.dismiss()

    found.page.on("request", requested)
    found.page.on("console", lambda message: found.console.append(message.text))
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    found.page.on("dialog", asked)
    found.page.goto(address)
    try:
        yield found
    finally:
        context.close()
