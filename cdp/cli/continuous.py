"""What the command line does where it runs in GitHub Actions: a summary of the job, annotations, and a shield against
workflow commands that a target might slip into what is printed."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reports.exports import Stored

_TOKEN = "cdp.workflow-commands"
_MOST_BYTES = 900_000  # GitHub drops a step's summary of more than 1 MiB


def in_github() -> bool:
    """Whether this is a job of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def shielded(context: click.Context) -> Iterator[None]:
    """Until the end nothing that is printed is taken for a workflow command. Commands are read from both streams of a
    step; ours go to standard error, so that standard output is what was asked for."""
    from reports.exports.github import resuming, stopping

    token = secrets.token_hex(16)
    context.meta[_TOKEN] = token
    _say(stopping(token))
    try:
        yield
    finally:
        _say(resuming(token))


def announce(stored: Stored) -> None:
    """In GitHub Actions: append the summary of a run (of a gate with its parts) to the job's, and annotate."""
    if not in_github():
        return
    from reports.exports import markdown
    from reports.exports.github import annotated, resuming, stopping

    context = click.get_current_context(silent=True)
    token = context.meta.get(_TOKEN) if context else None
    if token:
        _say(resuming(token))
    for line in annotated(stored.run):
        _say(line)
    if token:
        _say(stopping(token))
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(Path(file), "\n".join(markdown(each) for each in (stored, *stored.parts)))


def _append(file: Path, text: str) -> None:
    content = text.encode("utf-8", "backslashreplace")
    try:
        if (file.stat().st_size if file.exists() else 0) + len(content) < _MOST_BYTES:
            with file.open("ab") as summary:
                summary.write(content)
    except OSError as error:
        click.echo(f"cdp: the job's summary {file} cannot be written: {error.strerror}", err=True)


def _say(line: str) -> None:
    sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
