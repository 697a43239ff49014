"""The ledger: what it notes survives a kill, what is broken is said, and all ledgers together are what was sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load.answer import Answer, Failure
from load.audit.ledger import (
    ACKNOWLEDGED,
    FAILED,
    REFUSED,
    SENT,
    UNKNOWN,
    UNSENT,
    Ledger,
    LedgerError,
    read_ledger,
    state_of,
)
from load.audit.manifest import manifest_path, read_manifests
from load.audit.owners import Ways
from load.audit.sent import Part, Sent
from load.audit.tally import INTACT, Copy, Tally
from load.marks import Mark
from load.scenarios.batches import Batches
from load.scenarios.data import CHUNK, Sizes
from tests.load_scenes import CONTRACT
from tests.running_instance import ROOT

ANSWERS = [
    (Answer(status=201, sent_ns=1), ACKNOWLEDGED),
    (Answer(status=200, sent_ns=1), ACKNOWLEDGED),
    (Answer(status=302, sent_ns=1), REFUSED),
    (Answer(status=422, sent_ns=1), REFUSED),
    (Answer(status=429, sent_ns=1), REFUSED),
    (Answer(status=500, sent_ns=1), FAILED),
    (Answer(status=503, sent_ns=1), FAILED),
    (Answer(status=502, sent_ns=1), UNKNOWN),
    (Answer(status=504, sent_ns=1), UNKNOWN),
    (Answer(sent_ns=1, failure=Failure.TIMEOUT), UNKNOWN),
    (Answer(sent_ns=1, failure=Failure.ABANDONED), UNKNOWN),
    (Answer(failure=Failure.REFUSED), UNSENT),
]


@pytest.mark.parametrize(("answer", "state"), ANSWERS)
def test_what_an_answer_says_of_the_events(answer: Answer, state: int) -> None:
    assert state_of(answer) == state


def test_what_was_noted_is_read_and_the_file_is_no_longer_than_that(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.begin(0, 3)
    ledger.begin(200_000, 2)
    ledger.begin(200_002, 700)
    ledger.note(200_000, 2, ACKNOWLEDGED)
    ledger.note(200_002, 700, UNSENT)
    ledger.flush()
    ledger.close()
    ledger.close()
    states = read_ledger(tmp_path / "ledger")
    assert (tmp_path / "ledger").stat().st_size == len(states) == 200_002
    assert states[:4].tolist() == [SENT, SENT, SENT, UNSENT]
    assert states[-2:].tolist() == [ACKNOWLEDGED] * 2


KILLED = """
import os, signal, sys
from pathlib import Path
from load.audit.ledger import ACKNOWLEDGED, Ledger
ledger = Ledger(Path(sys.argv[1]))
for slot in range(0, 300_000, 100):
    ledger.begin(slot, 100)
    ledger.note(slot, 100, ACKNOWLEDGED)
ledger.begin(300_000, 50)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_all_that_it_noted(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "ledger")], cwd=ROOT, check=False)
    assert done.returncode == -9
    states = read_ledger(tmp_path / "ledger")
    assert np.bincount(states).tolist() == [0, 50, 300_000]


FULL = """
import resource, signal, sys
from pathlib import Path
from load.audit.ledger import Ledger, LedgerError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
ledger = Ledger(Path(sys.argv[1]))
try:
    for slot in range(0, 1_000_000, 1000):
        ledger.begin(slot, 1000)
except LedgerError as error:
    print(error)
"""


def test_a_disk_without_room_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "ledger")]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cannot write the ledger ")
    assert np.bincount(read_ledger(tmp_path / "ledger")).tolist()[1] % 1000 == 0, "what was noted before is kept"


def test_a_ledger_is_not_written_over(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger").close()
    with pytest.raises(LedgerError, match="exists"):
        Ledger(tmp_path / "ledger")


def test_what_is_no_ledger_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"\x02\x63")
    with pytest.raises(LedgerError, match="is no ledger"):
        read_ledger(tmp_path / "ledger")
    with pytest.raises(LedgerError, match="cannot read"):
        read_ledger(tmp_path / "nothing")
    manifest_path(tmp_path, 0).write_bytes(b'{"run": 3}')
    with pytest.raises(LedgerError, match="is broken"):
        read_manifests(tmp_path)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.sampled_from(["1", "1-9", "zipf:40"]), st.integers(0, 2**40))
def test_slots_are_the_events_of_a_process_without_gaps(stripes: int, sizes: str, seed: int) -> None:
    for stripe in range(stripes):
        batches = Batches(seed, Sizes(sizes), 0.1, 20, stripe=stripe, stripes=stripes)
        expected = 0
        for arrival in range(stripe, 2 * CHUNK, stripes * 97):
            own = [batches[each].size for each in range(stripe, arrival, stripes)] if arrival < 500 else None
            batch = batches[arrival]
            assert own is None or batch.slot == sum(own)
            assert batch.slot >= expected
            expected = batch.slot + batch.size


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**40))
def test_columns_are_the_batches(stripes: int, seed: int) -> None:
    batches = Batches(seed, Sizes("1-9"), 0.3, 20, lambda chunk: np.arange(CHUNK) % 3 != chunk, 0, stripes)
    columns = batches.columns(1)
    for place in range(0, CHUNK, 131):
        batch = batches[CHUNK + place]
        assert columns.places[place] == CHUNK + place
        found = (int(columns.firsts[place]), int(columns.sizes[place]), bool(columns.uploads[place]))
        assert found == (batch.first, batch.size, batch.upload)


def two_batches() -> Sent:
    """Three events in a batch of process 0, two in an upload of process 1, the first of which was never sent."""
    states = np.array([2, 2, 2, 0, 2], np.uint8)
    part = Part(0, states, np.array([0, 3]), np.array([4, 5]), np.array([False, True]), None, 2)
    return Sent("cdp-0badcafe", [part], {}, 0.0, True)


def test_marks_of_nobody_have_no_event() -> None:
    sent = two_batches()
    marks = [(0, 2), (1, 2), (1, 3), (1, 5)]
    assert [sent.index_of(Mark("cdp-0badcafe", *mark)) for mark in marks] == [2, -1, 3, -1]
    assert [str(sent.mark_of(index)) for index in (2, 4)] == ["cdp-0badcafe-0-2", "cdp-0badcafe-1-4"]
    assert sent.batches_of(np.arange(5)).tolist() == [0, 0, 0, -1, -1]


def test_a_record_of_customers_that_were_joined_is_one_record() -> None:
    tally = Tally(two_batches(), Ways(CONTRACT))
    first, other = (Copy(1, INTACT, "", "", id=id) for id in ("a", "b"))
    tally.count([first])
    tally.count([first])
    assert tally.copies.tolist() == [0, 1, 0, 0, 0]
    tally.count([first, other])
    assert tally.copies.tolist() == [0, 2, 0, 0, 0]
    tally.count([first._replace(id="")])
    assert tally.copies.tolist() == [0, 3, 0, 0, 0], "without an id nothing tells them apart"
    assert tally.records == 3
