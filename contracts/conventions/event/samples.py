"""What is sent in events: payloads, moments and texts that stores get wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_EXACT = 2**53  # JSON numbers are kept exactly up to here
# Letters of two bytes, some of which lie across the borders of any portion; 200 kB in so many events.
WIDE_TEXT = "Žluťoučký kůň " * 12
# A day that most years lack. No hour that clocks leave out in spring: whose clock a time without a zone is of is not
# documented.
ODD_MOMENTS = ("2024-02-29 23:59:59",)
# Before and after what a signed number of 32 bits holds of seconds since 1970.
FAR_MOMENTS = ("1969-12-31 23:59:58", "2038-01-19 03:14:09")
# Behind another customer's identifier: stores that cut names, or compare them by their start or without case, take the
# two for one, or the longer one for somebody else.
LONGER = ".Other-Customer-with+a_Name-longer-than-Hashes-are-by-far"
# Contents that stores get wrong: texts of many scripts, deep and empty ones, large numbers, names that mean something.
PAYLOADS: tuple[dict[str, Any], ...] = (
    {},
    {
        "text": "Žluťoučký kůň, 漢字, שלום \u202e, e\u0301, 👩‍👩‍👧, \u2028",
        "quotes": "\"'`\\ /",
        "markup": "<b>&amp;</b>",
    },
    {"largest": _EXACT - 1, "smallest": 1 - _EXACT, "fraction": 0.1, "zero": 0, "no": False, "none": None},
    {"inside": {"none": None, "no": False, "zero": 0, "": "", "list": [None, {}, [], {"none": None}]}},
    {"deep": [[[[{"a": [{"b": {}}, [], ""]}]]]], "": "", "id": "own", "payload": {"payload": "{}"}, "a.b": {"$c": 1}},
    {"lines": 'a,b\r\n"c";d\ttab\n', "blank": " ", "number as text": "007", "1": 1},
    # Texts that libraries take for times and numbers, and write anew.
    {"iso": "2024-05-17T10:00:00Z", "times": ["2024-05-17T12:00:00.000+02:00", "2024-05-17", "12:30"], "power": "1e5"},
    {"price": "12.50", "yes": "true", "address": "https://example.com/a%20b?c=1&d=%C5%BE", "base64": "Zm9v/+8="},
    {"long": "long text, " * 300},
    # Names that the fields around it have.
    {"source_id": "own", "type": "own", "version": "own", "user_identifier": "own", "event_time": "own", "created": ""},
    {"Case": 1, "case": 2, " blanks ": 3, "long fraction": 0.123456789, "a": {"b": {"c": {"d": "deep"}}}},
)
MANY_KEYS = {f"key {number}": number for number in range(120)}


def _texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


def drawn_payloads() -> st.SearchStrategy[dict[str, Any]]:
    whole = st.integers(1 - _EXACT, _EXACT - 1)
    fractions = st.floats(-1e9, 1e9, allow_subnormal=False).map(lambda number: round(number, 6))
    plain = st.none() | st.booleans() | whole | fractions | _texts()
    nested = st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts(), inner, max_size=3), max_leaves=8
    )
    return st.dictionaries(_texts(), nested, max_size=4)
