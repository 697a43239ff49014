"""What is drawn depends on the seed alone, whatever else the process has loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.running_instance import ROOT

_PROGRAM = """
import sys

import contracts.exploration
{more}
from hypothesis import Phase, given, seed, settings, strategies as st
drawn = []

@seed(7)
@settings(max_examples=200, database=None, phases=[Phase.generate], deadline=None)
@given(st.text(), st.integers())
def draw(text, number):
    drawn.append((text, number))

draw()
print(hash(tuple(drawn)))
"""


def drawn(more: str) -> str:
    """A hash of what a process draws that has loaded more."""
    command = [sys.executable, "-c", _PROGRAM.format(more=more)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_modules_change_nothing() -> None:
    assert drawn("") == drawn("import load.capacity.estimate, reports.load_page, instance.app")
