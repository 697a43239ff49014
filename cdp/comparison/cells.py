"""Two contract runs compared cell by cell: what broke, what was mended, and what is no longer looked at."""

from __future__ import annotations

from collections.abc import Iterable

from cdp.comparison.comparable import contract_notes, contract_obstacles
from cdp.comparison.model import Comparison, Row, Told, counted, unknown
from cdp.known_failures import excused_of
from cdp.results import Run
from cdp.verdicts import Cell, Result, Verdict

_EXERCISED = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)


def compare_contract_runs(before: Run, after: Run, names: tuple[str, str] = ("the first", "the second")) -> Comparison:
    """What the second run shows that the first did not. `names` are the runs' own.

    Worse when a cell is broken that was not: FAIL (WARN, too, where the runs were strict), not MAY, and not known to
    fail. Errors where the first run had a verdict leave it open; they never hide a broken cell.
    """
    kind = f"contract/{after.header.get('profile') or 'quick'}"
    if reasons := contract_obstacles(before, after):
        return unknown(kind, *names, reasons)
    old, new = _by_cell(before), _by_cell(after)
    was_broken, is_broken = _broken(before), _broken(after)
    worse = [_row(cell, old.get(cell), new[cell], Told.WORSE) for cell in sorted(is_broken - was_broken)]
    mended = sorted(cell for cell in was_broken - is_broken if cell in new and new[cell].verdict in _EXERCISED)
    fixed = [_row(cell, old[cell], new[cell], Told.BETTER) for cell in mended]
    errors = [
        _row(cell, old[cell], new[cell], Told.UNKNOWN)
        for cell in sorted(old.keys() & new.keys())
        if new[cell].verdict is Verdict.ERROR and old[cell].verdict in _EXERCISED
    ]
    told = Told.WORSE if worse else Told.UNKNOWN if errors else Told.BETTER if fixed else Told.UNCHANGED
    still = len(was_broken & is_broken)
    notes = [*contract_notes(before, after), *_coverage(old, new, was_broken)]
    reasons = [f"{counted(len(errors), 'cell')} ended in an error that had a verdict before"] if errors else []
    return Comparison(
        kind, *names, told, _sentence(worse, fixed, errors, still), worse + fixed + errors, reasons, notes
    )


def _sentence(worse: list[Row], fixed: list[Row], errors: list[Row], still: int) -> str:
    parts = []
    if worse:
        parts.append(f"{counted(len(worse), 'cell')} broken that {'was' if len(worse) == 1 else 'were'} not")
    if fixed:
        parts.append(f"{counted(len(fixed), 'cell')} mended")
    if errors:
        parts.append(f"{counted(len(errors), 'cell')} now in error")
    rest = f"; {still:,} broken in both" if still else ""
    if worse or fixed:
        return ", ".join(parts) + rest
    if errors:
        return f"cannot tell: {parts[0]}{rest}"
    return f"no evidence of change: no cell broke and none was mended{rest}"


def _by_cell(run: Run) -> dict[Cell, Result]:
    return {result.cell: result for result in run.results}


def _broken(run: Run) -> set[Cell]:
    """Cells that decide a run's exit code."""
    verdicts = {Verdict.FAIL, Verdict.WARN} if run.header.get("strict") else {Verdict.FAIL}
    found = [result for result in run.results if result.level != "MAY" and result.verdict in verdicts]
    excused = {result.cell for result in excused_of(run, found)}
    return {result.cell for result in found} - excused


def _row(cell: Cell, old: Result | None, new: Result, told: Told) -> Row:
    before = old.verdict.name if old is not None else "not judged"
    sentence = " ".join(new.sentence.split())
    return Row(cell.address, "verdict", before, new.verdict.name, told, sentence)


def _coverage(old: dict[Cell, Result], new: dict[Cell, Result], was_broken: Iterable[Cell]) -> list[str]:
    """What the second run looked at less, or more, than the first."""
    shared = old.keys() & new.keys()
    lost = [cell for cell in shared if old[cell].verdict in _EXERCISED and new[cell].verdict not in _EXERCISED]
    lost = [cell for cell in lost if new[cell].verdict is not Verdict.ERROR]
    gained = [cell for cell in shared if old[cell].verdict not in _EXERCISED and new[cell].verdict in _EXERCISED]
    warned = [c for c in shared if new[c].verdict is Verdict.WARN and old[c].verdict is Verdict.PASS]
    unseen = [cell for cell in was_broken if cell in lost or cell not in new]
    counts = (
        (len(lost), "{} no longer exercised"),
        (len(gained), "{} exercised for the first time"),
        (len(warned), "{} of a SHOULD that broke (WARN)"),
        (len(old.keys() - new.keys()), "{} of the first run not in the second"),
        (len(new.keys() - old.keys()), "{} of the second run not in the first"),
        (len(unseen), "{} broken before and not judged now"),
    )
    return [words.format(counted(count, "cell")) for count, words in counts if count]
