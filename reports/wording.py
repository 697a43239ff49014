"""How reports write numbers, times and text that came from a target."""

from __future__ import annotations

import json
import os
import re
import shlex
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdp.verdicts import Result, Verdict

if TYPE_CHECKING:
    from cdp.history import Since

SYMBOLS = {
    Verdict.NOT_APPLICABLE: "·",
    Verdict.PASS: "✓",
    Verdict.SKIP: "–",
    Verdict.UNCONFIRMED: "?",
    Verdict.WARN: "!",
    Verdict.FAIL: "✗",
    Verdict.ERROR: "E",
}
ASCII_SYMBOLS = {**SYMBOLS, Verdict.NOT_APPLICABLE: ".", Verdict.PASS: "+", Verdict.SKIP: "-", Verdict.FAIL: "x"}

MEANINGS = {
    Verdict.NOT_APPLICABLE: "the requirement says nothing about the operation",
    Verdict.PASS: "exercised and kept",
    Verdict.SKIP: "nothing could be exercised",
    Verdict.UNCONFIRMED: "only assumed to exist, and the target does not have it",
    Verdict.WARN: "a SHOULD is broken",
    Verdict.FAIL: "a MUST is broken",
    Verdict.ERROR: "the suite failed or the target could not be reached",
}


def label(verdict: Verdict) -> str:
    """A verdict's name as people read it."""
    return verdict.name.replace("_", " ")


# Cc control, Cf format (bidi overrides, zero width), Cs surrogates, Zl/Zp line separators: all of them can make a
# text look like something else, and some of them command a terminal.
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_PRINTABLE = re.compile(r"[\x20-\x7e\n\t]*")


def visible(text: str, keep: str = "\n\t") -> str:
    """The text with every control and format character shown as an escape, those in `keep` excepted.

    An emoji joiner (U+200D) is escaped too: here it matters more what was sent than how it looks.
    """
    if _PRINTABLE.fullmatch(text) and keep == "\n\t":
        return text
    return "".join(
        character if character in keep or unicodedata.category(character) not in _INVISIBLE else _escape(character)
        for character in text
    )


def one_line(text: str) -> str:
    """The text on one line, with everything that would break it shown as an escape."""
    return visible(text, keep="").strip()


def shortened(text: str, limit: int) -> str:
    """The text cut to `limit` characters, with a note of how long it was."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def _escape(character: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if short:
        return short
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(seconds: float) -> str:
    """A length of time in words of at most two units: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def plural(count: int, noun: str) -> str:
    """``1 cell``, ``2 cells``, ``1,234 cells``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def repeating(result: Result) -> str:
    """The command that judges a cell again as in the round that the result is of, on the same target. A cell that sent
    nothing itself judged what other cells of its operation were answered, and is repeated with them."""
    cell = result.cell
    what = ["--cell", cell.address] if result.requests else ["--operation", cell.operation]
    return shlex.join(["cdp", "contract", "--profile", "nightly", *what, "--seed", str(result.seed)])


def since_in_words(since: Since) -> str:
    """``new``, ``since 20270101T020000Z-staging (3 runs)``, ``since … or longer``: what the store knows no beginning
    of may be older."""
    if since.new:
        return "new in this run"
    if since.runs == 1:
        return "in this run; earlier ones did not judge it"
    longer = "" if since.known_before else " or longer"
    return f"since {one_line(since.run)}{longer} ({plural(since.runs, 'run')})"


def pretty_json(value: Any) -> str:
    """A stored exchange as indented text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a report so that a reader never meets half of one. OSError when it cannot be written."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
