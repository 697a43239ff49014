"""Pictures of runs: `python -m benchmarks.pictures [--all] [--runs DIR] [--to DIR]`.

Without options the pictures of the documents: the page of a contract run that finds nineteen faults, its matrix, the
same on a phone, and the curve of a search for capacity, all from runs made for it (two to three minutes). With --all
also the first screens of every kind of page at three widths, light and dark, in build/pictures: the last of thirty
nights of a target, and a load run with an overload.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pictures.browser import SCHEMES, NoBrowser, chromium, first_screens, page_of
from benchmarks.pictures.drawing import standalone
from benchmarks.pictures.nights import thirty_nights
from benchmarks.pictures.png import write_small
from benchmarks.pictures.runs import RunFailed, capacity_run, contract_run, load_run
from cdp.load_results import LoadRun
from cdp.records import RESULTS_FILE, ResultsError
from cdp.targets import TargetError
from reports.exports import read_stored
from reports.load_charts import charts
from reports.writing import HTML_FILE, write_reports_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DOCUMENTS = Path("docs") / "pictures"
EVERYTHING = Path("build") / "pictures"
_WIDTH, _MATRIX_WIDTH = 1000, 1110  # GitHub shows either in 830
_SCALE = 1.5  # for screens with more pixels
_PHONE = (390, 844)
_LARGEST = {".png": 150_000, ".svg": 60_000}  # bytes of a picture in the documents


def main() -> int:
    """Run, take pictures, and say where they are. 0 taken, 1 a run failed, 2 something is missing here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every kind of page at every width, in build/pictures")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="keep the runs there; those there are taken again")
    parser.add_argument("--to", type=Path, metavar="DIR", default=DOCUMENTS, help=f"instead of {DOCUMENTS}")
    given = parser.parse_args()
    try:
        with chromium() as browser, tempfile.TemporaryDirectory(prefix="cdp-pictures-") as scratch:
            runs = given.runs or Path(scratch)
            made = _of_documents(browser, runs, given.to)
            if given.all:
                made += _of_everything(browser, runs, EVERYTHING)
    except NoBrowser as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 2
    except (RunFailed, ResultsError, TargetError, OSError) as error:
        print(f"pictures: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pictures: stopped; no picture is half written", file=sys.stderr)
        return 130
    for path in made:
        print(f"{path.stat().st_size / 1000:6.0f} KB  {path}")
    large = [path.name for path in made if path.parent == given.to and path.stat().st_size > _LARGEST[path.suffix]]
    if large:
        print(f"pictures: too large for the documents: {', '.join(large)}", file=sys.stderr)
    return 1 if large else 0


def _of_documents(browser: Browser, runs: Path, to: Path) -> list[Path]:
    to.mkdir(parents=True, exist_ok=True)
    contract = _once(runs / "contract", contract_run)
    page = contract / HTML_FILE
    made = []
    for scheme in SCHEMES:
        suffix = "" if scheme == "light" else f"-{scheme}"
        for name, picture in _of_contract(browser, page, scheme).items():
            made.append(to / f"{name}{suffix}.png")
            write_small(browser, picture, made[-1])
    capacity = _once(runs / "capacity", capacity_run)
    made.append(to / "capacity.svg")
    made[-1].write_text(standalone(_curve(capacity)), encoding="utf-8")
    return made


def _of_contract(browser: Browser, page: Path, scheme: str) -> dict[str, bytes]:
    """The first screen as far as the filters, so that nothing is cut in the middle; the rows of the matrix in which
    something is broken; the first screen of a phone."""
    pictures = {}
    with page_of(browser, page, _WIDTH, 1200, scheme, _SCALE) as shown:
        end = shown.locator(".filters").bounding_box()
        assert end is not None
        pictures["page"] = shown.screenshot(clip={"x": 0, "y": 0, "width": _WIDTH, "height": end["y"]})
    with page_of(browser, page, _MATRIX_WIDTH, 1200, scheme, _SCALE) as shown:
        for verdict in ("fail", "warn"):
            shown.locator(f".choice.{verdict} input").check()
        pictures["matrix"] = shown.locator(".wide:has(> .matrix)").screenshot()
    with page_of(browser, page, *_PHONE, scheme=scheme, scale=2) as shown:
        pictures["phone"] = shown.screenshot()
    return pictures


def _of_everything(browser: Browser, runs: Path, to: Path) -> list[Path]:
    to.mkdir(parents=True, exist_ok=True)
    contract, capacity = _once(runs / "contract", contract_run), _once(runs / "capacity", capacity_run)
    shown = {"faults": contract, "search": capacity, "overload": _once(runs / "load", load_run)}
    with tempfile.TemporaryDirectory(prefix="cdp-nights-") as nights:
        for kind, last in thirty_nights(Path(nights), contract, capacity).items():
            write_reports_of(read_stored(last / RESULTS_FILE))
            shown[f"night-{kind}"] = last
        return [picture for name, run in shown.items() for picture in first_screens(browser, run / HTML_FILE, name, to)]


def _once(runs: Path, run: Callable[[Path], Path]) -> Path:
    """The run that stands in a directory, with its page as it is made now; else a new one."""
    runs.mkdir(parents=True, exist_ok=True)
    stored = sorted(path.parent for path in runs.glob(f"*/{RESULTS_FILE}"))
    if stored:
        write_reports_of(read_stored(stored[-1] / RESULTS_FILE))
        return stored[-1]
    print(f"pictures: a {runs.name} run ...", file=sys.stderr, flush=True)
    return run(runs)


def _curve(run: Path) -> str:
    """The curve of a search for capacity. Raises `RunFailed`."""
    found = read_stored(run / RESULTS_FILE).run
    drawn = charts(found)["capacity"] if isinstance(found, LoadRun) else []
    if not drawn:
        raise RunFailed("the search for capacity did not get so far as to have a curve")
    return str(drawn[0])


if __name__ == "__main__":
    sys.exit(main())
