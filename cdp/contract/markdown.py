"""Markdown as API Blueprint uses it: headings, and below them nested list items with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cdp.contract.document import ContractError

_HEADING = re.compile(r"^(#{1,6})\s*(.*?)\s*#*\s*$")
_ITEM = re.compile(r"^(\s*)[+*-]\s+(.*\S)\s*$")
_FENCE = re.compile(r"^\s*(```+|~~~+)")
_RAW = re.compile(r"^(Request|Response|Model|Body|Schema|Headers)\b", re.IGNORECASE)


@dataclass
class Item:
    """A list item with what stands below it."""

    text: str
    indent: int
    line: int
    children: list[Item] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def named(self, *names: str) -> Iterator[Item]:
        """The items below that start with one of the words."""
        return named(self.children, "|".join(names))


@dataclass
class Block:
    """A heading and what follows it."""

    level: int
    text: str
    line: int
    items: list[Item] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)


def named(items: Iterable[Item], pattern: str) -> Iterator[Item]:
    """The items that start with a word that fits the pattern."""
    return (item for item in items if re.match(rf"({pattern})\b", item.text, re.IGNORECASE))


def failure(path: Path, line: int, problem: str) -> ContractError:
    """What is wrong, with the file and the line."""
    return ContractError(f"{path}, line {line}: {problem}")


def read_blocks(path: Path, text: str) -> list[Block]:
    """The headings of a text, each with its list items and prose; the first block stands before any heading."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        reader.take(number, line.expandtabs(4).rstrip())
    if reader.fence:
        raise failure(path, reader.fenced_at, "the code block is not closed")
    return reader.blocks


class _Reader:
    """Takes lines one after the other. `fence`: the mark of the code block that is open, and the line it stands in."""

    def __init__(self) -> None:
        self.blocks = [Block(0, "", 0)]
        self.fence, self.fenced_at = "", 0
        self._stack: list[Item] = []  # the list items that the next line may belong to, the innermost last

    def take(self, number: int, line: str) -> None:
        if self._of_a_fence(number, line):
            return
        indent = len(line) - len(line.lstrip())
        if heading := _HEADING.match(line) if indent == 0 else None:
            self.blocks.append(Block(len(heading.group(1)), heading.group(2), number))
            self._stack = []
        elif (item := _ITEM.match(line)) and not self._of_a_body(indent):
            self._begin_item(Item(item.group(2), indent, number))
        elif self._stack and (indent or not line):
            self._stack[-1].lines.append(line)
        elif line:
            self._stack = []
            self.blocks[-1].prose.append(line)

    def _of_a_fence(self, number: int, line: str) -> bool:
        """Whether a line opens a code block, closes it, or stands in it."""
        mark = _FENCE.match(line)
        if mark and not self.fence:
            self.fence, self.fenced_at = mark.group(1), number
            return True
        if not self.fence:
            return False
        if mark and mark.group(1).startswith(self.fence):
            self.fence = ""
        elif self._stack:
            self._stack[-1].lines.append(line)
        return True

    def _of_a_body(self, indent: int) -> bool:
        """Whether a line stands so deep below an item that takes text as it is that it is no item itself."""
        return bool(self._stack and _RAW.match(self._stack[-1].text)) and indent >= self._stack[-1].indent + 8

    def _begin_item(self, item: Item) -> None:
        while self._stack and self._stack[-1].indent >= item.indent:
            self._stack.pop()
        (self._stack[-1].children if self._stack else self.blocks[-1].items).append(item)
        self._stack.append(item)
