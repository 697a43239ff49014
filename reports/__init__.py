"""Reports: pure functions of a run's stored results.

`write_reports` renders every file that belongs to a run, of whichever kind it is; ``python -m reports RUN_DIR`` does it
again at any time. What other programs read is in `reports.exports`.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_reports(results_path: str | os.PathLike[str]) -> list[Path]:
    """Render the reports of a run beside its results file and return their paths: the HTML page, the Markdown, and the
    JUnit file of a contract run or the figures of a load run.

    ``ResultsError`` (one line) when the results cannot be read or a report cannot be written.
    """
    from reports.exports import read_stored  # all formats with what they are made of: most parts of reports need none
    from reports.writing import write_reports_of

    return write_reports_of(read_stored(Path(results_path)))
