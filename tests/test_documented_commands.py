"""Whatever the README and the documents tell a reader to type is a command, with options that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cdp.cli import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "contracts" / "openapi" / "README.md")
_FENCE = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`(cdp [^`\n]+)`")


def shown() -> list[tuple[str, str]]:
    """(page, command line) of everything that begins with the program's name, in blocks and in sentences."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in _FENCE.findall(text) for line in block.splitlines()]
        found += [(page.name, line) for line in lines if line.startswith("cdp ")]
        found += [(page.name, line) for line in _INLINE.findall(_FENCE.sub("", text))]
    return found


def options_of(command: click.Command) -> set[str]:
    return {o for p in command.params if isinstance(p, click.Option) for o in (*p.opts, *p.secondary_opts)} | {"--help"}


@pytest.mark.parametrize(("page", "line"), sorted(set(shown())))
def test_a_shown_command_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    known = options_of(cli)
    context = click.Context(cli)
    while words and isinstance(command, click.Group):
        if words[0].startswith("-") or words[0] == "COMMAND":
            break
        below = command.get_command(context, words.pop(0))
        assert below is not None, line
        command = below
        known |= options_of(command)
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in known or word[:2] in known, f"{page}: {word} in: {line}"


def test_there_is_something_to_check() -> None:
    assert len(shown()) > 60
