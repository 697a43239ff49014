"""``python -m reports RUN_DIR``: render the reports of a run, or of a gate, again from what it stored."""

from __future__ import annotations

import sys
from pathlib import Path

from cdp.gate.record import GATE_FILE
from cdp.records import RESULTS_FILE, ResultsError
from reports.exports import read_stored
from reports.rendering import render


def main(arguments: list[str]) -> int:
    """Render and print one run. 0 when it was rendered, 2 when it could not be; the run's own exit code is its own."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(
            "usage: python -m reports RUN_DIR (a directory with a results.jsonl or a gate.json, or such a file)",
            file=sys.stderr,
        )
        return 0 if arguments in (["-h"], ["--help"]) else 2
    path = Path(arguments[0])
    if path.is_dir():
        path /= GATE_FILE if (path / GATE_FILE).is_file() else RESULTS_FILE
    try:
        written = render(read_stored(path))
    except ResultsError as error:
        print(error, file=sys.stderr)
        return 2
    for report in written:
        print(report)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # the reader (head, less) has gone
        sys.stderr.close()
        sys.exit(0)
