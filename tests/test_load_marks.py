"""Marks of events: made, recognised, and never taken for whole when anything was changed."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.marks import MARK, SUM, TEXT, Corrupt, Mark, make, read_mark, verify

FIELDS = {
    "source_id": "web",
    "type": "page_view",
    "version": "1-0-0",
    "user_identifier": "ann@example.com",
    "event_time": "2024-05-17 08:30:00",
}
texts = st.text(st.characters(codec="utf-8"), max_size=30)
marks = st.builds(
    Mark,
    st.integers(0, 2**32 - 1).map(lambda number: f"cdp-{number:08x}"),
    st.integers(0, 999_999),
    st.integers(0, 10**18 - 1),
)
fields = st.fixed_dictionaries(dict.fromkeys(FIELDS, texts))


@given(marks, fields, texts)
def test_what_was_made_is_recognised(mark: Mark, own: dict[str, str], text: str) -> None:
    payload = make(mark, own, text)
    assert verify(payload, own) == mark
    assert read_mark(payload[MARK]) == mark
    reordered = dict(sorted(payload.items(), reverse=True))
    for written in (json.dumps(reordered, indent=2), json.dumps(reordered, ensure_ascii=False).encode()):
        assert verify(written, own) == mark


@given(marks, fields, texts, st.sampled_from(sorted(FIELDS)), texts)
def test_another_field_is_another_event(mark: Mark, own: dict[str, str], text: str, name: str, value: str) -> None:
    payload = make(mark, own, text)
    changed = {**own, name: value}
    assert isinstance(verify(payload, changed), Corrupt) == (value != own[name])


@given(marks, fields, texts, st.sampled_from([MARK, SUM, TEXT, "more"]), st.none() | st.integers() | texts)
def test_another_payload_is_corrupt(mark: Mark, own: dict[str, str], text: str, name: str, value: Any) -> None:
    payload: dict[str, Any] = make(mark, own, text)
    if value == payload.get(name, ...):
        return
    assert isinstance(verify({**payload, name: value}, own), Corrupt)
    assert isinstance(verify({key: kept for key, kept in payload.items() if key != SUM}, own), Corrupt)


@given(marks, marks, fields, texts)
def test_the_mark_of_another_event_is_corrupt(mark: Mark, other: Mark, own: dict[str, str], text: str) -> None:
    payload = make(mark, own, text)
    assert isinstance(verify({**payload, MARK: str(other)}, own), Corrupt) == (mark != other)


@pytest.mark.parametrize(
    "written",
    ["2024-05-17 08:30:00", "2024-05-17T08:30:00Z", "2024-05-17T08:30:00.123456", "2024-05-17 08:30:00.000000"],
)
def test_a_moment_may_be_written_in_any_of_the_ways_of_the_api(written: str) -> None:
    mark = Mark("cdp-0badcafe", 3, 14)
    assert verify(make(mark, FIELDS), {**FIELDS, "event_time": written}) == mark
    assert isinstance(verify(make(mark, FIELDS), {**FIELDS, "event_time": "2024-05-17 08:30:01"}), Corrupt)


def test_the_bytes_of_the_checksum() -> None:
    payload = make(Mark("cdp-0badcafe", 3, 14), FIELDS, "žluť")
    content = '{"cdp_mark":"cdp-0badcafe-3-14","text":"žluť"}'
    head = "20240517083000\x1fweb\x1fpage_view\x1fann@example.com\x1f1-0-0\x1f"
    assert payload[SUM] == f"{crc32((head + content).encode()):08x}"


@pytest.mark.parametrize(
    "payload",
    [
        None,
        3,
        "",
        "{",
        "[]",
        "3",
        {},
        {MARK: 3},
        {MARK: "cdp-0badcafe-3"},
        {MARK: "cdp-0BADCAFE-3-14"},
        {MARK: "cdp-0badcafe-3-14 "},
        {MARK: "cdp-0badcafe-٣-14"},
        {MARK: "cdp-0badcafe-3-14", "text": "\ud800"},
    ],
    ids=range(13),
)
def test_what_no_run_sent_is_corrupt(payload: Any) -> None:
    assert isinstance(verify(payload, FIELDS), Corrupt)


def test_fields_that_are_no_texts_are_corrupt() -> None:
    payload = make(Mark("cdp-0badcafe", 3, 14), FIELDS)
    assert isinstance(verify(payload, {**FIELDS, "version": None}), Corrupt)  # type: ignore[dict-item]
