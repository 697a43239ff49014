"""Runs made up for the tests of results and reports: small ones, and one of the size of a real run."""

from __future__ import annotations

import io
import random
from typing import Any

from rich.console import Console

from cdp.results import Run
from cdp.verdicts import Cell, Result, Verdict
from reports.terminal import print_run

FAMILIES = {"AUTH": 9, "ROLE": 8, "PAGE": 10, "ORDER": 6, "STRUCT": 5, "MEDIA": 6, "CODE": 7, "SHAPE": 3}
"""The families of a contract run with the number of requirements of each."""


HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "'; alert(1); '",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!--",
    "&lt;b&gt; &amp;",
    "\x00\x07\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe\u2066 \u200b\ufeff",
    "\ud800 half",
    "\ufffe\uffff",
]
"""Texts that a hostile target might put anywhere."""


def result(address: str = "PAGE-03/list_segments/admin", verdict: Verdict = Verdict.PASS, **fields: Any) -> Result:
    """A result with plausible values for everything that is not given."""
    cell = Cell.parse(address)
    values: dict[str, Any] = {
        "section": "Segments",
        "family": cell.requirement.partition("-")[0],
        "level": "MUST",
        "sentence": "3 pages compared with the walk",
        "evidence": 3,
        "requests": 4,
        "seed": 1,
        "statement": "page(limit=k, offset=o) equals walk[o:o+k], in order, for any k and o",
    }
    return Result(cell=cell, verdict=verdict, **{**values, **fields})


def run_of(*results: Result, finished: bool = True, header: dict[str, Any] | None = None, **footer: Any) -> Run:
    """A run of these results, with a footer unless it is not finished."""
    head = {"target": "embedded", "base_url": "http://127.0.0.1:8090/api", "seed": 1, "profile": "quick"}
    return Run(
        {**head, **(header or {})},
        list(results),
        {"wall_s": 12.5, "requests": 100, **footer} if finished else None,
    )


def broken(address: str, verdict: Verdict = Verdict.FAIL, **fields: Any) -> Result:
    """A result as a broken rule leaves it, with example, exchange and curl line."""
    path = Cell.parse(address).operation.removeprefix("list_")
    url = f"http://127.0.0.1:8090/api/{path}?limit=2&offset=1"
    values: dict[str, Any] = {
        "sentence": "the page holds a record that the walk does not have at this place",
        "example": "limit=2, offset=1: got ids [7, 9], the walk has [7, 8]",
        "curl": f"curl -sS -H \"X-Access-Token: $CDP_TOKEN\" '{url}'",
        "exchange": {
            "request": {"method": "GET", "url": url, "headers": {"X-Access-Token": "<redacted>"}},
            "response": {
                "status": 200,
                "headers": {"Content-Type": "application/json"},
                "body": {path: [{"id": 7, "name": "Žluťoučký kůň"}, {"id": 9, "name": "loyal"}]},
            },
        },
    }
    return result(address, verdict, **{**values, **fields})


def large_run(sections: list[str] | None = None, seed: int = 7, calm: bool = False) -> Run:
    """A run of about 6,000 cells on 67 sections with findings of every kind; `calm` has none that is broken."""
    draw = random.Random(seed)
    sections = sections or [f"Section number {number}" for number in range(1, 68)]
    results = []
    for section in sections:
        slug = section.lower().replace(" ", "_").replace("'", "").replace("/", "_")
        kinds = ("list", "read", "create", "update", "delete")[: draw.choice((0, 1, 3, 4, 5))]
        for kind in kinds:
            for family, count in FAMILIES.items():
                if family in ("PAGE", "ORDER", "STRUCT") and kind != "list":
                    continue
                for number in range(1, count + 1):
                    for role in ("admin", "segments/view") if family in ("ROLE", "PAGE") else ("",):
                        cell = Cell(f"{family}-{number:02d}", f"{kind}_{slug}", role)
                        results.append(_drawn(draw, cell, section, calm))
    header = {
        "sections": sections,
        "families": list(FAMILIES),
        "cells": len(results),
        "started": "2026-03-01T09:15:00Z",
        "contract_version": "1.0.0",
        "allow": ["writes", "destructive"],
    }
    return run_of(*results, header=header, wall_s=51.3, requests=14210)


def _drawn(draw: random.Random, cell: Cell, section: str, calm: bool) -> Result:
    level = "MUST" if int(cell.requirement[-2:]) < 5 else "SHOULD"
    common: dict[str, Any] = {"section": section, "level": level, "duration_s": 0.01}
    luck = draw.random()
    if luck < 0.06:
        sentence = f"{cell.operation} holds 1 record; 2 are needed; writes are off"
        return result(cell.address, Verdict.SKIP, **common, sentence=sentence, evidence=0, requests=1)
    if luck < 0.08:
        sentence = "the operation is assumed and the target answers 404 on its route"
        return result(cell.address, Verdict.UNCONFIRMED, **common, sentence=sentence, evidence=0, requests=1)
    if luck < 0.09:
        return result(cell.address, Verdict.NOT_APPLICABLE, **common, evidence=0, requests=0)
    if not calm and cell.requirement == "PAGE-04" and luck < 0.6:
        return broken(cell.address, **common, sentence="walking by 7 repeats 1 record and misses 1")
    if not calm and luck > 0.996:
        if level == "MUST":
            sentence = f"{cell.operation} answered 500 for limit={draw.randint(1, 3)}"
            return broken(cell.address, **common, sentence=sentence)
        return broken(cell.address, Verdict.WARN, **common, sentence="the error body is not a JSON object")
    if not calm and 0.0900 < luck < 0.0905:
        return result(cell.address, Verdict.ERROR, **common, sentence="no answer within 10 s", evidence=0)
    return result(cell.address, **common)


def printed(run: Run, width: int = 100) -> str:
    """The run as a terminal without colours shows it."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    print_run(run, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
