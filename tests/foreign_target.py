"""An instance as a target of a `targets.toml`, and `cdp contract` run against it as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdp.results import read_results
from cdp.targets import Target, load_target
from cdp.verdicts import Verdict
from tests.loopback import Asked, forwarding, serving
from tests.running_instance import RunningInstance
from tests.test_command_line import cdp

MINIMAL = 'base_url = "https://staging.example.com"\ntoken_env = "STAGING_TOKEN"\n'
ENVIRONMENT = {"STAGING_TOKEN": "the-token-of-staging", "VIEWER_TOKEN": "the-token-of-a-viewer", "EMPTY": " "}


def written(directory: Path, text: str, name: str = "staging") -> Path:
    file = directory / "targets.toml"
    file.write_text(f"[targets.{name}]\n{text}", encoding="utf-8")
    return file


def loaded(directory: Path, text: str, environment: dict[str, str] = ENVIRONMENT, name: str = "staging") -> Target:
    return load_target(name, written(directory, text, name), environment)


@contextmanager
def foreign(instance: RunningInstance, directory: Path, more: str = "") -> Iterator[tuple[Path, list[Asked]]]:
    """The instance as a target of a file, behind a server that remembers what was asked."""
    with serving(forwarding(instance.origin)) as server:
        yield written(directory, f"base_url = '{server.url}'\ntoken_env = 'T'\n{more}"), server.asked


def run(
    file: Path, instance: RunningInstance, *options: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    arguments = ("contract", "--target", "staging", "--targets", str(file), "--runs", str(file.parent / "runs"))
    return cdp(*arguments, *options, environment={"T": instance.token, **(environment or {})})


def verdicts(file: Path) -> dict[str, tuple[Verdict, str]]:
    found = read_results(next((file.parent / "runs").glob("*/results.jsonl")))
    return {r.cell.address: (r.verdict, r.sentence) for r in found.results}
