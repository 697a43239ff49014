"""Runs made up and stored, as commands find them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cdp.load_results import LoadRun
from cdp.results import ResultsWriter
from cdp.verdicts import Result
from load.results import LoadResultsWriter
from tests.sample_runs import result


def store_contract(directory: Path, *results: Result, **header: Any) -> Path:
    path = directory / "results.jsonl"
    results = (*(result(f"CODE-0{number}/read_tag") for number in range(1, 4)), *results)
    head = {"target": "staging", "profile": "release", "cells": len(results), **header}
    with ResultsWriter(path) as writer:
        writer.header(**head)
        for each in results:
            writer.add(each)
        writer.footer(wall_s=1.0)
    return path


def store_load(directory: Path, run: LoadRun, **header: Any) -> Path:
    path = directory / "results.jsonl"
    with LoadResultsWriter(path) as writer:
        writer.header(**{**run.header, "target": "staging", **header})
        for span in run.spans:
            writer.span(span)
        writer.footer(**(run.footer or {}))
    return path
