"""A contract run for GitLab's code quality widget, which shows what is new and what is mended in a merge request.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
from typing import Any

from cdp.results import Run
from cdp.verdicts import Verdict
from reports.wording import one_line, shortened

CONTRACT_FILE = "contracts/openapi/openapi.yaml"
_SEVERITIES = {Verdict.FAIL: "critical", Verdict.WARN: "minor", Verdict.ERROR: "major"}
_LIMIT = 500


def code_quality(run: Run) -> list[dict[str, Any]]:
    """One entry for each broken cell. The fingerprint is the cell's, so that the widget can tell new from known."""
    return [
        {
            "description": f"{one_line(result.cell.address)}: {shortened(one_line(result.sentence), _LIMIT)}",
            "check_name": one_line(result.cell.requirement),
            "fingerprint": fingerprint(result.cell.address),
            "severity": _SEVERITIES[result.verdict],
            "location": {"path": CONTRACT_FILE, "lines": {"begin": 1}},
        }
        for result in sorted(run.results, key=lambda item: item.cell)
        if result.verdict in _SEVERITIES
    ]


def fingerprint(address: str) -> str:
    """What tells a cell from all others, the same in every run."""
    return hashlib.sha256(address.encode("utf-8", "backslashreplace")).hexdigest()
