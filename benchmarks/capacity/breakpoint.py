"""What a k6 breakpoint test answers: the rate that its ramp had reached when the threshold failed."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.capacity.cases import Case
from benchmarks.load.contenders import k6_metrics
from cdp.contract import load_contract
from cdp.secrets import Secrets
from cdp.targets import Target
from load.admission import sign_in

RAMP_S = 150  # as long as a search may take
_BEYOND = 1.5  # times the true rate: where the ramp would end
_REFUSED = 0.5  # of the requests: no server of these refuses so many by itself
_MOST_RATE = 800.0  # where the ramp would end without a truth


def broken_by_k6(url: str, upstream: Target, case: Case) -> float | None:
    """Arrivals a second at the moment of the abort; None when it was not aborted."""
    most = _BEYOND * case.truth if case.truth else _MOST_RATE
    token = sign_in(upstream, load_contract(), Secrets())
    environment = {
        "BENCH_TOKEN": token,
        "BENCH_URL": f"{url}/customers/fulltext_search?search_text=ann",
        "BENCH_MOST": f"{most:.0f}",
        "BENCH_TIME": f"{RAMP_S}s",
        "BENCH_LIMIT_MS": f"{case.limit_ms:g}",
    }
    began = time.monotonic()
    metrics = k6_metrics(Path(__file__).parent / "breakpoint.js", environment, RAMP_S + 60)
    took_s = time.monotonic() - began
    if metrics is None:
        return None
    if took_s >= RAMP_S:
        return None
    if float(metrics["http_req_failed"]["value"]) > _REFUSED:
        raise SystemExit(f"k6 was aborted because {case.name} refused its requests, and not because it was slow")
    # Of a ramp from (nearly) 0 the requests so far are r t / 2: the rate at the end is twice the mean.
    sent = float(metrics["iterations"]["count"]) + float(metrics.get("dropped_iterations", {}).get("count", 0))
    return float((2 * sent * most / RAMP_S) ** 0.5)
