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
    blocks = [Block(0, "", 0)]
    stack: list[Item] = []
    fence, opened = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.expandtabs(4).rstrip()
        mark = _FENCE.match(line)
        if fence or mark:
            if mark and not fence:
                fence, opened = mark.group(1), number
            elif mark and mark.group(1).startswith(fence):
                fence = ""
            elif stack:
                stack[-1].lines.append(line)
            continue
        indent = len(line) - len(line.lstrip())
        heading = _HEADING.match(line) if indent == 0 else None
        if heading:
            blocks.append(Block(len(heading.group(1)), heading.group(2), number))
            stack = []
            continue
        item = _ITEM.match(line)
        raw_below = stack and _RAW.match(stack[-1].text) and indent >= stack[-1].indent + 8
        if item and not raw_below:
            while stack and stack[-1].indent >= indent:
                stack.pop()
            new = Item(item.group(2), indent, number)
            (stack[-1].children if stack else blocks[-1].items).append(new)
            stack.append(new)
        elif stack and (indent or not line):
            stack[-1].lines.append(line)
        elif line:
            stack = []
            blocks[-1].prose.append(line)
    if fence:
        raise failure(path, opened, "the code block is not closed")
    return blocks
