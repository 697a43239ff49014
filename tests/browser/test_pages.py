"""Every page in light and dark: it does nothing but show itself, everybody can read it, and it fits any screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.opened import opened

pytestmark = pytest.mark.browser
KINDS = ("contract", "load", "capacity", "gate")
SCHEMES = ("light", "dark")
OPEN_ALL = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_only_shows_itself(browser: Browser, files: dict[str, Path], kind: str, scheme: str) -> None:
    with opened(browser, files[kind], scheme=scheme) as found:
        assert found.page.locator("h1").is_visible()
        found.page.evaluate(OPEN_ALL)
        # Handlers that a target may have smuggled in would run when something is pointed at or focused.
        for part in found.page.locator("article").all()[-20:]:
            part.hover(force=True)
        found.page.keyboard.press("Tab")
        assert found.misdeeds == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_everybody_can_read_it(browser: Browser, files: dict[str, Path], kind: str, scheme: str) -> None:
    with opened(browser, files[kind], scheme=scheme) as found:
        found.page.evaluate(OPEN_ALL)
        broken = Axe().run(found.page).response["violations"]
        told = [f"{each['id']}: {each['help']} ({node['html'][:200]})" for each in broken for node in each["nodes"][:3]]
        assert told == []


@pytest.mark.parametrize("width", (390, 1280, 1920))
@pytest.mark.parametrize("kind", KINDS)
def test_it_fits_the_screen(browser: Browser, files: dict[str, Path], screenshots: Path, kind: str, width: int) -> None:
    for scheme in SCHEMES:
        with opened(browser, files[kind], width, scheme) as found:
            assert found.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            found.page.screenshot(path=screenshots / f"{kind}-{width}-{scheme}.png")


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_screen_answers(browser: Browser, files: dict[str, Path], kind: str) -> None:
    with opened(browser, files[kind]) as found:
        for part in (".headline", "h1", ".sentence", "#broke", "#unjudged"):
            box = found.page.locator(part).bounding_box()
            assert box is not None and box["y"] < 900, part


@pytest.mark.parametrize("kind", KINDS)
def test_print_shows_what_is_closed_on_the_screen(browser: Browser, files: dict[str, Path], kind: str) -> None:
    with opened(browser, files[kind]) as found:
        found.page.emulate_media(media="print")
        found.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert found.page.locator("nav").is_hidden()
        assert found.page.locator("details:not([open])").count() == 0
        assert found.page.locator("h1").is_visible()


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_whole_without_its_script(browser: Browser, files: dict[str, Path], kind: str) -> None:
    with opened(browser, files[kind], java_script_enabled=False) as found:
        assert found.page.locator("h1").is_visible()
        assert found.page.locator(".filters").count() == 0 or found.page.locator(".filters").is_hidden()
        link = found.page.locator("nav a").last
        link.click()
        assert found.page.locator(f"[id='{(link.get_attribute('href') or '')[1:]}']").is_visible()
        assert found.requests == []
