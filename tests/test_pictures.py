"""What pictures are made of: nights that tell a story, charts as files of their own, PNG with a palette."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.pictures.__main__ import main
from benchmarks.pictures.drawing import standalone
from benchmarks.pictures.faulty_instance import CHOSEN
from benchmarks.pictures.nights import NIGHTS, broken_on, thirty_nights
from benchmarks.pictures.png import with_palette
from cdp.history import since
from cdp.load_results import LoadRun
from cdp.records import RESULTS_FILE
from cdp.results import Run
from instance.contract import Contract
from instance.faults import FAULTS
from reports.exports import read_stored
from reports.html import html
from reports.load_charts import charts
from reports.load_page import load_page
from tests.sample_pages import capacity_run
from tests.sample_runs import broken
from tests.stored_runs import store_contract, store_load


def test_every_chosen_fault_fits_its_operation() -> None:
    contract = Contract()
    misplaced = [(name, on) for on, name in CHOSEN.items() if on not in FAULTS[name].operations(contract)]
    assert misplaced == []
    assert len(CHOSEN) >= 15


def test_thirty_nights_tell_what_broke_when_and_what_was_mended(tmp_path: Path) -> None:
    (tmp_path / "now").mkdir()
    (tmp_path / "search").mkdir()
    cells = ["PAGE-03/list_users/admin", "MEDIA-03/update_tag", "ROLE-01/list_events/no-features", "AUTH-01/get_tag"]
    store_contract(tmp_path / "now", *(broken(cell) for cell in cells))
    store_load(tmp_path / "search", capacity_run())
    last = thirty_nights(tmp_path / "runs", tmp_path / "now", tmp_path / "search")
    runs = since(last["contract"])
    assert {cell: found.runs for cell, found in runs.items()} == {cells[1]: 6, cells[2]: 28, cells[3]: 1}
    assert runs[cells[3]].new
    assert [night for night in range(1, NIGHTS + 1) if broken_on("list_users", night)] == [12, 13, 14, 15, 16]
    load = read_stored(last["load"] / RESULTS_FILE)
    assert any(each.startswith("p99 latency +") and each.endswith("on 2027-01-23") for each in load.past.moved)
    assert isinstance(load.run, LoadRun)
    assert "It has moved" in load_page(load.run, load.past)
    contract = read_stored(last["contract"] / RESULTS_FILE)
    assert isinstance(contract.run, Run)
    assert "1 of 3 findings</strong> is new in this run: " in html(contract.run, contract.past)
    assert len(read_stored(last["capacity"] / RESULTS_FILE).past.nights) == 6


def test_a_chart_stands_by_itself() -> None:
    (first, _) = charts(capacity_run())["capacity"]
    root = ElementTree.fromstring(standalone(str(first)))
    names = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "key-name"]
    assert names[:4] == ["latency p50", "latency p99", "service p99", "passed"]
    style = root.findtext("{http://www.w3.org/2000/svg}style") or ""
    assert "prefers-color-scheme: dark" in style and "--c0" in style
    width, height = (float(root.get(name) or 0) for name in ("width", "height"))
    assert all(float(text.get("x") or 0) < width for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert height > 250
    with pytest.raises(ValueError, match="no chart"):
        standalone("<figure></figure>")


def test_a_palette_keeps_what_is_frequent_and_is_near_for_the_rest() -> None:
    draw = np.random.default_rng(1)
    pixels = np.full((40, 50, 3), 200, np.uint8)
    pixels[10:20] = (10, 90, 200)
    pixels[30] = draw.integers(0, 256, (50, 3))
    pixels[31:37] = draw.integers(190, 210, (6, 50, 3))
    made = with_palette(pixels)
    chunks, at = {}, 8
    while at < len(made):
        (length,) = struct.unpack(">I", made[at : at + 4])
        chunks[made[at + 4 : at + 8]] = made[at + 8 : at + 8 + length]
        at += 12 + length
    assert struct.unpack(">IIBB", chunks[b"IHDR"][:10]) == (50, 40, 8, 3)
    palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(40, 51)
    assert not rows[:, 0].any()
    shown = palette[rows[:, 1:]]
    assert np.array_equal(shown[:30], pixels[:30])
    assert np.abs(shown[31:37].astype(int) - pixels[31:37]).max() <= 20


def test_without_a_browser_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["pictures"])
    assert main() == 2
    assert capsys.readouterr().err.splitlines() == [
        "pictures: Chromium is missing: make browser installs it, or CHROMIUM=/path/to/it names one"
    ]
