"""``python -m reports RUN_DIR``: render a run's reports again from its results file."""

from __future__ import annotations

import sys
from pathlib import Path

from cdp.load_results import read_load_results
from cdp.records import RESULTS_FILE, ResultsError, read_records
from cdp.results import read_results
from reports import write_reports
from reports.load_terminal import print_load_run
from reports.terminal import make_console, print_run


def main(arguments: list[str]) -> int:
    """Render and print one run. 0 when it was rendered, 2 when it could not be; the run's own exit code is its own."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m reports RUN_DIR (a directory with a results.jsonl, or such a file)", file=sys.stderr)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    path = Path(arguments[0])
    if path.is_dir():
        path /= RESULTS_FILE
    try:
        written = write_reports(path)
        if read_records(path).of_load:
            print_load_run(read_load_results(path), make_console())
        else:
            print_run(read_results(path), make_console())
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
