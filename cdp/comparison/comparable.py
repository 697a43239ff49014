"""When two runs say nothing about each other: other questions were asked, or nobody could hear the answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cdp.load_results import LoadRun
from cdp.results import Run
from cdp.verdicts import CANNOT_TELL, decide

# What does not change what is asked or how hard; all other options that both runs know have to be equal.
_FREE_OPTIONS = {
    "seed",
    "runs",
    "target",
    "targets",
    "allow",
    "i_know_this_is_production",
    "keep_going",
    "max_requests",
    "scenario",
    "slo",
    "rate",
    "shape",
    "arrivals",
    "time_s",
    "audit_deadline",
    "start",
    "max_rate",
    "peak",
}
_MACHINE = ("processor", "cores", "memory_gb", "architecture")


def load_obstacles(before: LoadRun, after: LoadRun) -> list[str]:
    """Why two load runs cannot be compared, a line each; empty when they can."""
    both = (("first", before), ("second", after))
    found = [f"the {which} run {why}" for which, run in both if (why := unusable(run))]
    return found + load_differences(before, after)


def load_differences(before: LoadRun, after: LoadRun, objectives: bool = True) -> list[str]:
    """What another question, or another machine, makes different between two load runs, a line each. Read from their
    headers; other `objectives` change how a run is judged, but nothing of what it measures."""
    return [*_other_load(before, after, objectives), *_other_machine(before, after)]


def load_notes(before: LoadRun, after: LoadRun) -> list[str]:
    """What is different between two load runs and no obstacle."""
    notes = []
    if _of(before, "target") != _of(after, "target"):
        notes.append(f"other target: {_of(before, 'target')} and {_of(after, 'target')}")
    for name, one, two in (
        ("suite", _within(before, "versions", "suite"), _within(after, "versions", "suite")),
        ("system of the machine that sends", _within(before, "machine", "system"), _within(after, "machine", "system")),
    ):
        if one != two:
            notes.append(f"other {name}: {one} and {two}")
    return notes


def unusable(run: LoadRun) -> str:
    """Why the figures of a load run say nothing of its target; empty when they do."""
    health = run.health_judged
    if run.footer is None:
        return "was cut off before its end"
    if health is not None and health.inconclusive:
        return f"was limited by its generator: {health.reasons[0] if health.reasons else health.line}"
    if not run.complete:
        return "ended before its time"
    if run.books is not None and not run.books.balanced:
        return f"has books that do not balance: {run.books.detail}"
    if run.books is not None and not run.books.answered:
        return f"had no good answer: {run.decision.sentence}"
    return ""


def _other_load(before: LoadRun, after: LoadRun, objectives: bool) -> Iterator[str]:
    if before.scenario != after.scenario:
        yield f"other scenario: {before.scenario} and {after.scenario}"
        return
    for name in ("loop", "schedule", "objectives", "warm_up_s", "planned_s", "processes", "users"):
        one, two = before.header.get(name), after.header.get(name)
        if (one or two) and one != two and (objectives or name != "objectives"):
            words = "time" if name == "planned_s" else name.removesuffix("_s").replace("_", "-")
            shown = [_shown(each) + (" s" if each and name.endswith("_s") else "") for each in (one, two)]
            yield f"other {words}: {' and '.join(shown)}"
    one, two = _options(before), _options(after)
    for name in sorted(one.keys() & two.keys() - _FREE_OPTIONS):
        if one[name] != two[name] and name != "warm_up":
            yield f"other {name.replace('_', ' ')}: {_shown(one[name])} and {_shown(two[name])}"


def _other_machine(before: LoadRun, after: LoadRun) -> Iterator[str]:
    for name in _MACHINE:
        one, two = _within(before, "machine", name), _within(after, "machine", name)
        if name == "memory_gb" and isinstance(one, int | float) and isinstance(two, int | float):
            one, two = round(one), round(two)
        if one != two:
            yield f"other machine that sends: {name.removesuffix('_gb')} {_shown(one)} and {_shown(two)}"
            return
    if bool(before.header.get("shares_machine")) != bool(after.header.get("shares_machine")):
        yield "one run shared its machine with the target, the other did not"


def contract_obstacles(before: Run, after: Run) -> list[str]:
    """Why two contract runs cannot be compared, a line each; empty when they can."""
    found = []
    for which, run in (("first", before), ("second", after)):
        if run.obstacle or not run.complete:
            found.append(f"the {which} run judged nothing for sure: {decide(run).sentence}")
        elif decide(run).headline == CANNOT_TELL and not any(r.evidence for r in run.results):
            found.append(f"the {which} run exercised nothing")
    for name in ("profile", "strict"):
        one, two = before.header.get(name), after.header.get(name)
        if (one or two) and one != two:
            found.append(f"other {'strictness' if name == 'strict' else name}: {_shown(one)} and {_shown(two)}")
    if not found and not {r.cell for r in before.results} & {r.cell for r in after.results}:
        found.append("they have no cell in common")
    return found


def contract_notes(before: Run, after: Run) -> list[str]:
    """What is different between two contract runs and no obstacle."""
    notes = []
    for name in ("target", "contract_version", "suite_version", "allow", "seed"):
        one, two = before.header.get(name), after.header.get(name)
        if one != two:
            words = {"allow": "permissions"}.get(name, name.replace("_version", ""))
            notes.append(f"other {words}: {_shown(one)} and {_shown(two)}")
    return notes


def _options(run: LoadRun) -> dict[str, Any]:
    found = run.header.get("options")
    return found if isinstance(found, dict) else {}


def _of(run: LoadRun, name: str) -> str:
    return _shown(run.header.get(name))


def _within(run: LoadRun, name: str, key: str) -> Any:
    found = run.header.get(name)
    return found.get(key) if isinstance(found, dict) else None


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)
