"""Running the program of a tool, within a deadline."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.contest import PeerError


def finished(
    name: str, command: Sequence[str], directory: Path, deadline_s: float, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without colours; `environment` is added to this process's. Its exit code says whether
    anything was found, so its report has to be looked at instead. Raises PeerError when it does not end."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=deadline_s,
            env={**os.environ, "NO_COLOR": "1", **environment},
            cwd=directory,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"{name} was not over after {deadline_s:.0f} s") from None
