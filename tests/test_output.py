"""What a command prints may find no place: the disk is full, the reader has gone, the encoding lacks the signs. The
run, its verdict and its exit code are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_instance import RunningInstance
from tests.test_command_line import ROOT

FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`cdp` in a shell with pipefail."""
    known = {k: v for k, v in os.environ.items() if not k.startswith("CDP_")}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("cdp ", f"{sys.executable} -m cdp ", 1)],
        cwd=ROOT,
        env={**known, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def contract(instance: RunningInstance, runs: Path) -> str:
    """The shortest contract run there is."""
    return f"cdp contract --url {instance.base_url} --runs {runs} --operation list_tags --requirement PAGE-01"


def account(instance: RunningInstance) -> dict[str, str]:
    return {"CDP_EMAIL": instance.email, "CDP_PASSWORD": instance.password}


def test_a_reader_that_goes_does_not_change_the_verdict(instance: RunningInstance, tmp_path: Path) -> None:
    gone = shell(f"{contract(instance, tmp_path)} --details 2>&1 | true", **account(instance))
    assert (gone.returncode, gone.stderr) == (0, "")
    assert len(list(tmp_path.glob("*/report.html"))) == 1


@FULL
@pytest.mark.parametrize("how", ["", "--json"])
def test_an_answer_that_cannot_be_printed_is_none(instance: RunningInstance, tmp_path: Path, how: str) -> None:
    full = shell(f"{contract(instance, tmp_path)} {how} >/dev/full", **account(instance))
    assert full.returncode == 3
    assert "Traceback" not in full.stderr
    assert full.stderr.splitlines()[-1].startswith("cdp: standard output cannot be written: No space left on device")


@FULL
def test_nobody_needs_the_progress_and_help_is_told_from_silence(instance: RunningInstance, tmp_path: Path) -> None:
    assert shell(f"{contract(instance, tmp_path)} 2>/dev/full", **account(instance)).returncode == 0
    full = shell("cdp --help >/dev/full")
    assert (full.returncode, "Traceback" in full.stderr) == (3, False)


@FULL
def test_a_load_run_ends_though_nothing_can_be_printed(instance: RunningInstance, tmp_path: Path) -> None:
    run = f"cdp load search --url {instance.base_url} --allow load --rate 5 --time 1s --runs {tmp_path}"
    full = shell(f"{run} >/dev/full", **account(instance))
    assert "Traceback" not in full.stderr
    assert "standard output cannot be written: No space left on device" in full.stderr
    assert len(list(tmp_path.glob("*/report.html"))) == 1


def test_signs_that_the_encoding_lacks(instance: RunningInstance, tmp_path: Path) -> None:
    plain = shell(contract(instance, tmp_path), PYTHONIOENCODING="ascii", **account(instance))
    assert plain.returncode == 0, plain.stderr
    assert "Profile quick - Seed 1" in plain.stdout
    told = shell(f"cdp report last --json --runs {tmp_path}", PYTHONIOENCODING="ascii")
    assert json.loads(told.stdout)["kind"] == "contract"
