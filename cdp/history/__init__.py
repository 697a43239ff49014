"""The history of a target: a store of what its runs said, which outlives their directories.

`history.sqlite` stands in the directory of the runs. It is written when a run ends, catches up with whatever else
stands there when it is read, and can be made again from the runs at any time (`cdp history --rebuild`).
"""

from cdp.history.asking import known_of, last_contract_run, last_runs, opened, rebuild, record, since
from cdp.history.model import RunSummary, Since
from cdp.history.store import HISTORY_FILE, HistoryError, Store

__all__ = [
    "HISTORY_FILE",
    "HistoryError",
    "RunSummary",
    "Since",
    "Store",
    "known_of",
    "last_contract_run",
    "last_runs",
    "opened",
    "rebuild",
    "record",
    "since",
]
