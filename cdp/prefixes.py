"""The run's prefix: what every name that the suite writes starts with, so that it can be told apart for ever.

It is `cdp-` and eight hexadecimal digits. Where an id may hold letters only, the digits are written as consonants, with
two more that check them.
"""

from __future__ import annotations

import re
import secrets
import zlib
from typing import Any

PREFIX = re.compile(r"cdp-[0-9a-f]{8}")
_DIGITS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
_LETTERS = re.compile(r"cdp([bcdfghjklmnpqrst]{10})")


def new_prefix() -> str:
    """A prefix for a new run."""
    return "cdp-" + secrets.token_hex(4)


def letters_of(prefix: str) -> str:
    """A run's prefix for ids of small letters: `cdp`, eight letters for its digits and two that check them."""
    digits = prefix.removeprefix("cdp-")
    check = f"{zlib.crc32(digits.encode()) & 0xFF:02x}"
    return "cdp" + (digits + check).translate(_DIGITS)


def prefix_in(text: Any) -> str:
    """The run's prefix that a text starts with, in either form; empty when there is none."""
    if not isinstance(text, str):
        return ""
    if found := PREFIX.match(text):
        return found.group()
    if found := _LETTERS.match(text):
        digits = found.group(1).translate({v: k for k, v in _DIGITS.items()})
        prefix = "cdp-" + digits[:8]
        return prefix if letters_of(prefix) == found.group() else ""
    return ""
