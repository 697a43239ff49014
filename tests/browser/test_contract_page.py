"""What a reader does with the page of a contract run: filter, go to a finding, copy its curl line, use the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.opened import Opened, opened
from tests.sample_pages import BUGS

pytestmark = pytest.mark.browser
SHOWN = ":not([hidden])"
ALL_SECTIONS = len(dict.fromkeys(section for _, section, _ in BUGS)) + 2


@pytest.fixture
def found(browser: Browser, files: dict[str, Path]) -> Iterator[Opened]:
    with opened(browser, files["contract"], permissions=["clipboard-read", "clipboard-write"]) as page:
        yield page
        assert page.misdeeds == []


def shown_findings(found: Opened) -> int:
    return found.page.locator(f".finding{SHOWN}").count()


def test_filters_leave_what_fits(found: Opened) -> None:
    page = found.page
    everything = shown_findings(found)
    page.locator(".choice.fail input").check()
    fails = shown_findings(found)
    assert fails == page.locator(".finding.fail").count()
    assert 0 < fails < everything
    page.get_by_label("Family").select_option("CODE")
    codes = page.locator(f".finding{SHOWN}").evaluate_all("(all) => all.map((each) => each.dataset.v + each.dataset.f)")
    assert set(codes) == {"FCODE"}
    assert page.locator(".matrix thead th:not([hidden])").all_inner_texts() == ["Section", "Known from", "CODE"]
    assert page.locator(f".matrix tbody tr{SHOWN}").count() < ALL_SECTIONS
    assert f"of {ALL_SECTIONS} sections and {len(codes)} of {everything} findings" in (
        page.locator("[data-filter=count]").inner_text()
    )
    page.get_by_role("button", name="Show all").click()
    assert shown_findings(found) == everything
    assert page.locator(f".matrix tbody tr{SHOWN}").count() == ALL_SECTIONS


def test_a_text_finds_operations_and_words(found: Opened) -> None:
    page = found.page
    page.get_by_label("Text").fill("list_thing_7")
    assert page.locator(f".matrix tbody tr{SHOWN} th").all_inner_texts() == ["Trash"]
    section = page.locator("details.section:not([hidden])").filter(has_text="list_thing_7")
    section.first.locator("summary").click()
    assert section.first.locator(f"tbody tr{SHOWN} code").all_inner_texts() == ["list_thing_7"]
    page.get_by_label("Text").fill("stack trace")
    assert page.locator(f".finding{SHOWN}").evaluate_all("(all) => all.map((each) => each.dataset.f)") == ["CODE"]


def test_provenance_is_a_filter(found: Opened) -> None:
    page = found.page
    page.get_by_label("Known from").select_option("observed")
    kinds = page.locator(f".finding{SHOWN}").evaluate_all("(all) => all.map((each) => each.dataset.p)")
    assert kinds and all("observed" in each.split() for each in kinds)
    assert len(kinds) < page.locator(".finding").count()


def test_from_the_matrix_to_the_finding(found: Opened) -> None:
    page = found.page
    page.get_by_role("link", name="Channels, CODE:").click()
    operation = page.locator("details.section[open] tbody tr").filter(has_text="create_channels_10")
    expect(operation).to_be_visible()
    operation.get_by_role("link", name="01").click()
    finding = page.locator(":target")
    expect(finding).to_be_visible()
    expect(finding.locator("h3")).to_contain_text("a request got 500")
    finding.get_by_text("Request and response of").click()
    assert finding.locator("mark").all_inner_texts() == ["HTTP 500"]


def test_a_link_to_what_is_filtered_away_shows_it_again(found: Opened) -> None:
    page = found.page
    page.get_by_label("Text").fill("stack trace")
    page.locator(".card a").first.click()
    expect(page.locator(":target")).to_be_visible()
    assert page.get_by_label("Text").input_value() == ""


def test_one_cause_on_forty_operations_is_one_finding(found: Opened) -> None:
    finding = found.page.locator(".finding").filter(has_text="‹operation› answered 500")
    assert finding.count() == 1
    assert "40 operations" in finding.inner_text()


def test_the_curl_line_is_copied(found: Opened) -> None:
    page = found.page
    copy = page.locator(".finding .copy").first
    copy.get_by_role("button").click()
    expect(copy.get_by_role("button")).to_have_text("Copied")
    expect(page.locator("#said")).to_have_text("The curl line was copied.")
    assert page.evaluate("navigator.clipboard.readText()") == copy.locator("pre").text_content()


def test_the_counts_show_at_the_pointer_and_at_the_focus(found: Opened) -> None:
    page = found.page
    links = page.locator(".matrix tbody td a")
    tip = page.locator("#tip")
    links.first.hover()
    expect(tip).to_have_text(links.first.get_attribute("aria-label") or "")
    links.first.focus()
    page.keyboard.press("ArrowRight")
    focused = page.locator(":focus")
    assert focused.get_attribute("aria-label") != links.first.get_attribute("aria-label")
    expect(tip).to_have_text(focused.get_attribute("aria-label") or "")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator(":target")).to_be_visible()


def test_hostile_texts_are_shown_as_texts(found: Opened) -> None:
    shown = found.page.locator("main").inner_text()
    assert "<script>window.ran = true</script>" in shown
    assert "\\x1b[31mred" in shown
    assert found.page.locator("main img, main script, main a[href^=javascript]").count() == 0
