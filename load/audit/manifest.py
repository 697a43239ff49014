"""What an audit has to know of each process, beside its ledger: all that its events were made of. No secrets."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from load.audit.ledger import LedgerError

_FORM = "audit-{worker}.{kind}"
_NAMED = re.compile(r"audit-(\d{1,6})\.json", re.ASCII)


class Manifest(msgspec.Struct, frozen=True):
    """One process of a run. `run`: the prefix of all that it wrote; `worker`: its number, of `workers`; `day`: when its
    events are said to have happened; `options`: those of the run, as a record; `customers`, `identifiers` and
    `definitions`: what it read from the target before it began, as in `Known`; `started`: seconds of the epoch by its
    machine's clock."""

    run: str
    worker: int
    workers: int
    open_loop: bool
    day: date
    options: dict[str, Any]
    customers: list[str]
    identifiers: list[str]
    definitions: list[dict[str, str]]
    started: float


def ledger_path(directory: Path, worker: int) -> Path:
    """Where the ledger of a process stands."""
    return directory / _FORM.format(worker=worker, kind="ledger")


def manifest_path(directory: Path, worker: int) -> Path:
    """Where the manifest of a process stands."""
    return directory / _FORM.format(worker=worker, kind="json")


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write it whole or not at all. Raises LedgerError in one line."""
    path = manifest_path(directory, manifest.worker)
    part = path.with_suffix(".part")
    try:
        part.write_bytes(msgspec.json.encode(manifest))
        os.replace(part, path)
    except OSError as error:
        raise LedgerError(f"cannot write {path}: {error.strerror}") from None


def read_manifests(directory: Path) -> list[Manifest]:
    """Those of a run, by the numbers of its processes. Raises LedgerError when one is broken or they do not belong
    together."""
    found = []
    for path in sorted(directory.glob("audit-*.json"), key=lambda each: (len(each.name), each.name)):
        if not _NAMED.fullmatch(path.name):
            continue
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Manifest))
        except OSError as error:
            raise LedgerError(f"cannot read {path}: {error.strerror}") from None
        except msgspec.MsgspecError as error:
            raise LedgerError(f"{path} is broken: {error}") from None
    if len({(each.run, each.workers, each.open_loop, each.day) for each in found}) > 1:
        raise LedgerError(f"{directory} holds the ledgers of different runs")
    return found
