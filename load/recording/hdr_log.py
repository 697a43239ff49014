"""The HdrHistogram V2 log of a run, for the tools that read it (HistogramLogAnalyzer, hdr-plot and others).

One line an operation, kind of time and interval, told apart by tags such as `latency:GET_/api/segments`. Values are in
units of 100 ns, which a comment at the top says, too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO

from cdp.distribution import Distribution
from cdp.load_figures import ChannelKey, Span
from cdp.load_results import LoadRun
from cdp.records import ResultsError
from load.recording.histogram import hdr_histogram

HDR_FILE = "histograms.hlog"
_MS = 10_000  # units of 100 ns
_KINDS = ("latency", "service", "lateness")


def write_hdr_log(run: LoadRun, path: Path, start_s: float) -> None:
    """Write the log of a run that began at `start_s` (seconds since 1970). Raises ResultsError when it cannot."""
    try:
        with path.open("w", encoding="ascii") as file:
            file.write("#[Histogram log format version 1.3]\n#[Values are in units of 100 ns]\n")
            file.write(
                f"#[StartTime: {start_s:.3f} (seconds since epoch)]\n#[BaseTime: {start_s:.3f} (seconds since epoch)]\n"
            )
            file.write('"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n')
            for span in run.spans:
                _write_span(file, span)
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error


def _write_span(file: TextIO, span: Span) -> None:
    for key, figures in span.channels.items():
        for kind in _KINDS:
            distribution: Distribution = getattr(figures, kind)
            if distribution.count:
                encoded = hdr_histogram(distribution).encode().decode("ascii")
                file.write(
                    f"Tag={_tag(kind, key)},{span.from_s:.3f},{span.to_s - span.from_s:.3f},"
                    f"{distribution.max_ns / 100 / _MS:.3f},{encoded}\n"
                )


def _tag(kind: str, key: ChannelKey) -> str:
    return re.sub(r"[^!-+\--~]", "_", f"{kind}:{key.method}_{key.name}")
