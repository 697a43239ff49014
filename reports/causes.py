"""What kind of thing a sentence says, so that one cause on forty operations is one finding and not forty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cdp.verdicts import Cell

_UUID = r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
_PREFIX = r"\bcdp-[0-9a-f]{8}\b"
_HEX = r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"
_ID = re.compile(f"{_UUID}|{_PREFIX}|{_HEX}")
# What stands in quotes is a value, unless it looks like the name of a field: that is part of what is wrong.
_QUOTED = re.compile(r"""(?<!\w)(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")(?!\w)""")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z_]{0,39}")
# Another operation than the cell's own, such as the one that would show a change.
_OPERATION = re.compile(r"(?<![\w'\"/])(?:get|list|read|search)_[a-z0-9_]+(?![\w'\"])")
# A status tells one cause from another; any other number does not.
_NUMBER = re.compile(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?![\w-])")
_STATUS = re.compile(
    r"(?:\b(?:got|gets|answers|answered|status|error|with|of|or|than|refusal|instead of)) ([1-5]\d\d)(?![\w.])"
)
_PROSE = {"list", "lists", "token", "id", "all", "status", "valid", "with", "role", "record", "records", "body"}


def generalised(sentence: str, cell: Cell) -> list[str]:
    """The sentence with ever less of what only one place has: as it is, then without names of the cell, then without
    ids and values, and at last without numbers. Statuses stay. Sentences of one cause have the last in common."""
    levels = [sentence]
    sentence = _without(sentence, cell.operation, "‹operation›")
    sentence = _without(sentence, cell.role, "‹role›")
    for name in _own_names(cell.operation):
        sentence = _without(sentence, name, "‹name›")
    levels.append(sentence)
    sentence = _QUOTED.sub(_value, _ID.sub("‹id›", _OPERATION.sub("‹operation›", sentence)))
    levels.append(sentence)
    kept = {match.start(1) for match in _STATUS.finditer(sentence)}
    levels.append(_NUMBER.sub(lambda match: str(match.group()) if match.start() in kept else "‹n›", sentence))
    return levels


def in_common(sentences: Iterable[Sequence[str]]) -> str:
    """Of what `generalised` gave for sentences of one cause: the most telling form that all of them have."""
    levels: list[tuple[str, ...]] = list(zip(*sentences, strict=True))
    return next((level[0] for level in levels if len(set(level)) == 1), levels[-1][0])


def _without(sentence: str, name: str, stand_in: str) -> str:
    """A name of one or two letters is left alone: it would be found in any prose."""
    return _word(name).sub(stand_in, sentence) if len(name) > 2 and name in sentence else sentence


@lru_cache(maxsize=4096)
def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w/]){re.escape(name)}(?!\w)")


@lru_cache(maxsize=4096)
def _own_names(operation: str) -> tuple[str, ...]:
    """What an operation's records are called: ``promo_codes_lists``, ``codes_lists`` of ``list_promo_codes_lists``."""
    parts = operation.split("_")[1:]
    names = ("_".join(parts[number:]) for number in range(len(parts)))
    return tuple(name for name in names if len(name) > 2 and name not in _PROSE)


def _value(match: re.Match[str]) -> str:
    text = match.group(1) if match.group(1) is not None else match.group(2)
    return match.group() if _FIELD.fullmatch(text) else "‹value›"
