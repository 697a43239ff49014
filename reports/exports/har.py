"""The exchanges that show what is broken, as an HTTP Archive (HAR 1.2) that browsers and proxies open."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import harfile

from cdp import __version__
from cdp.cassette import entry_of
from cdp.load_results import LoadRun
from cdp.results import Run
from cdp.verdicts import Verdict
from reports.wording import one_line

_BROKEN = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)


def contract_har(run: Run) -> bytes:
    """The exchange of the smallest example of each broken cell."""
    broken = sorted((r for r in run.results if r.verdict in _BROKEN and r.exchange), key=lambda item: item.cell)
    found = ((r.exchange or {}, f"{r.verdict.name} {r.cell.address}: {r.sentence}") for r in broken)
    return _har(found, run.header.get("started"))


def load_har(run: LoadRun) -> bytes:
    """The first exchange of each way in which the contract was broken."""
    base_url = str(run.header.get("base_url") or "")
    found = (
        (_as_of_contract(f.exchange, base_url), f"{f.requirement} at {f.at_s:.1f} s: {f.sentence}")
        for f in run.findings
        if f.exchange
    )
    return _har(found, run.header.get("started"))


def _as_of_contract(exchange: dict[str, Any], base_url: str) -> dict[str, Any]:
    """A load run stores the head of a request as it was sent, and the headers of an answer as pairs."""
    request, response = exchange.get("request") or {}, exchange.get("response") or {}
    if "head" not in request:
        return exchange
    first, *lines = str(request["head"]).split("\r\n")
    method, _, rest = first.partition(" ")
    origin = base_url[: len(base_url) - len(urlsplit(base_url).path)] if base_url else ""
    headers = dict(_pair(line) for line in lines if line)
    pairs = response.get("headers") or []
    answered = dict(pairs) if isinstance(pairs, list) else pairs
    return {
        "request": {
            "method": method,
            "url": origin + rest.rpartition(" ")[0],
            "headers": headers,
            "body": request.get("body"),
        },
        "response": {**response, "headers": answered},
    }


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


def _har(exchanges: Iterable[tuple[dict[str, Any], str]], started: Any) -> bytes:
    """Results do not say when an exchange was; all bear the start of the run."""
    try:
        moment = datetime.fromisoformat(str(started))
    except ValueError:
        moment = datetime.fromtimestamp(0, UTC)
    file = io.StringIO()
    with harfile.HarFile(file, creator=harfile.Creator(name="cdp-suite", version=__version__)) as har:
        for told, comment in exchanges:
            har.add_entry(**entry_of(told, moment, one_line(comment)))
    return file.getvalue().encode("utf-8", "backslashreplace")
