"""The tools that run on Node: installed once, in exact versions, into a directory of builds."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.program import finished
from cdp.embedded import ROOT


class Missing(Exception):
    """A tool cannot be had on this machine; the message is one line, and the others go on without it."""


VERSIONS: Mapping[str, str] = json.loads((Path(__file__).parent / "node_tools.json").read_text())
DIRECTORY = ROOT / "build" / "peers"
DEADLINE_S = 120.0
_INSTALL_S = 600.0


def installed(*packages: str) -> None:
    """Install these packages where they are not there yet. Raises Missing when Node or npm is missing or fails."""
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        raise Missing(f"{' and '.join(missing)} not found; it takes Node 20 or newer")
    wanted = [f"{name}@{VERSIONS[name]}" for name in packages if _version(name) != VERSIONS[name]]
    if not wanted:
        return
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--prefix", str(DIRECTORY), "--no-audit", "--no-fund", "--save-exact", *wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"npm was not over after {_INSTALL_S:.0f} s; is the registry within reach?") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Missing(f"npm cannot install {' '.join(wanted)}: {lines[0] if lines else done.returncode}")


def run(program: str, arguments: Sequence[str], directory: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program of an installed package and answer the last line that it wrote. Raises PeerError when it does not
    end."""
    command = [str(DIRECTORY / "node_modules" / ".bin" / program), *arguments]
    done = finished(program, command, directory, DEADLINE_S, {"NODE_NO_WARNINGS": "1", **(environment or {})})
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def _version(package: str) -> str:
    try:
        told = json.loads((DIRECTORY / "node_modules" / package / "package.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(told.get("version", ""))
