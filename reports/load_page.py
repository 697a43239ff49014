"""A load run as one self-contained HTML page: no network, and nothing from a target can run in it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cdp.audit_results import CLEAN
from cdp.audit_results import ERROR as AUDIT_ERROR
from cdp.audit_results import FOUND as AUDIT_FOUND
from cdp.distribution import in_words
from cdp.load_figures import PERCENTILES
from cdp.load_results import FOUND, INCONCLUSIVE, SUSTAINED, Judged, LoadRun
from reports import audit, capacity, load_summary
from reports.load_charts import charts
from reports.page import Link, Notice, Top, moment, render
from reports.past import NOTHING, Past
from reports.wording import duration, one_line, plural, write_whole

_ERRORS_SHOWN = 50
_MOVED_SHOWN = 2
_JUDGED = {Judged.MET: "pass", Judged.MISSED: "fail", Judged.NOT_JUDGEABLE: "warn"}
_STEPS = {"passed": "pass", "failed": "fail"}


def write_load_page(run: LoadRun, path: str | os.PathLike[str], past: Past = NOTHING) -> None:
    """Write the run's page. OSError when the file cannot be written."""
    write_whole(path, load_page(run, past).encode("utf-8"))


def load_page(run: LoadRun, past: Past = NOTHING) -> str:
    """The run's page. It depends on nothing but the run, and on what earlier runs say where that is handed over."""
    return render(
        "load.html",
        _top(run, past),
        _contents(run, past),
        run=run,
        tiles=_tiles(run),
        not_judged=_not_judged(run),
        broke=_broke(run),
        facts=[(name, one_line(value)) for name, value in load_summary.facts(run)],
        loop_words=load_summary.loop_in_words(run),
        steps=[(step, capacity.row_of(step)) for step in run.steps],
        step_heads=capacity.HEADS,
        capacity_facts=[(name, one_line(value)) for name, value in capacity.facts_of(run)],
        verdict_css=_STEPS,
        objectives=run.objectives,
        judged_css=_JUDGED,
        operations=load_summary.operations(run),
        percentiles=PERCENTILES,
        errors=load_summary.errors(run)[:_ERRORS_SHOWN],
        violations=load_summary.violations(run),
        books=load_summary.books_in_words(run),
        audit=run.audit,
        audit_words=audit,
        health=run.health_judged,
        charts=charts(run),
        past=past,
    )


def _top(run: LoadRun, past: Past) -> Top:
    header, decision = run.header, run.decision
    target = one_line(str(header.get("target") or header.get("base_url") or "target"))
    facts = [
        f"Scenario {run.scenario}" if run.scenario else "",
        str(header.get("schedule") or ""),
        moment(header["started"]) if header.get("started") else "",
        f"took {duration(run.lasted_s)}" if run.lasted_s else "",
        f"seed {header['seed']}" if header.get("seed") is not None else "",
    ]
    notices = []
    if not run.complete:
        torn = "; its last record was cut in the middle and is left out" if run.torn else ""
        notices.append(
            Notice("This run is not complete.", f" What came until {run.lasted_s:.1f} s stands below{torn}.")
        )
    if not run.open_loop:
        notices.append(Notice(f"{load_summary.loop_in_words(run).capitalize()}."))
    missed = tuple(f"{each.objective} was" for each in run.objectives if each.judged is Judged.MISSED)
    if past.moved:
        moved = "; ".join(one_line(each) for each in past.moved[-_MOVED_SHOWN:])
        notices.append(Notice("It has moved", f": {moved}.", "history", "History"))
    kind = "Capacity of" if run.steps or run.finds_capacity else "Load on"
    return Top(
        decision.headline,
        f"{kind} {target}: {one_line(run.scenario)}",
        one_line(decision.sentence),
        [one_line(fact) for fact in facts if fact],
        notices,
        [reason for reason in decision.reasons if not reason.startswith(missed)] if missed else decision.reasons,
    )


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page. `css`: its colour, empty for none."""

    amount: str
    name: str
    meaning: str = ""
    css: str = "none"


def _tiles(run: LoadRun) -> list[Tile]:
    tiles = _capacity_tiles(run) if run.steps or run.finds_capacity else _rate_tiles(run)
    found = run.all
    if found.violations:
        tiles.append(Tile(f"{found.violations:,}", "contract violations", "answers that break a requirement", "fail"))
    if run.audit is not None and run.audit.verdict in (CLEAN, AUDIT_FOUND, AUDIT_ERROR):
        tiles.append(_audit_tile(run))
    health = run.health_judged
    if health is not None and not run.steps:  # of a search each step was judged by itself
        if health.inconclusive:
            tiles.append(Tile("!", "generator", "it was the limit: the figures say nothing of the target", "warn"))
        else:
            tiles.append(Tile("✓", "generator", "it was not the limit: the figures are the target's", "pass"))
    return tiles


def _rate_tiles(run: LoadRun) -> list[Tile]:
    found, lasted_s = run.all, run.lasted_s
    if not found.offered or not lasted_s:
        return []
    errors = found.bad / found.offered
    tiles = [
        Tile(
            f"{found.good / lasted_s:,.4g}/s",
            "answered well",
            f"of {found.offered / lasted_s:,.4g}/s {'offered' if run.open_loop else 'asked'}",
        )
    ]
    if found.latency.count:
        p50, p99 = (in_words(found.latency.percentile(each)) for each in (50, 99))
        # Figures of a run that the generator limited are not the target's, so that none is good or bad.
        limited = run.health_judged is not None and run.health_judged.inconclusive
        missed = [each.objective for each in run.objectives if each.judged is Judged.MISSED]
        late = not limited and any(each.startswith(("p99<", "p99@")) for each in missed)
        tiles.append(
            Tile(p99, "p99 latency", f"p50 {p50}, max {in_words(found.latency.max_ns)}", "fail" if late else "none")
        )
    tiles.append(
        Tile(
            f"{errors:.2%}", "not answered well", f"{found.bad:,} of {found.offered:,}", "warn" if found.bad else "none"
        )
    )
    return tiles


def _capacity_tiles(run: LoadRun) -> list[Tile]:
    found = run.capacity
    if found is None:
        return []
    tiles = []
    answered = run.decision.headline in (FOUND, SUSTAINED)
    if found.rate is not None and answered:
        line = found.method == "line" or not found.high
        how = "95 % between" if line else "between the steps"
        spread = f"{how} {found.low:,.4g} and {found.high:,.4g}" if found.low and found.high else ""
        tiles.append(Tile(f"{found.rate if line else found.low:,.4g}/s", "sustained", spread, "pass"))
    elif (held := found.held or found.rate) is not None:
        tiles.append(Tile(f"{held:,.4g}/s", "held", "the highest rate that did; how much more holds is not known"))
    if found.binding:
        tiles.append(Tile(found.binding, "breaks first", one_line(found.because)))
    if count := capacity.unrecovered(run):
        tiles.append(Tile(plural(count, "overload"), "it did not recover from", "while it was looked at", "warn"))
    elif found.recovery_s:
        tiles.append(Tile(f"{max(found.recovery_s):.1f} s", "to recover", "at most, after overload"))
    if found.peak:
        low = (found.headroom or 0) < 1
        tiles.append(
            Tile(
                f"{found.headroom or 0:.2f} ×",
                "headroom",
                f"over the peak of {found.peak:,.4g}/s",
                "warn" if low else "pass",
            )
        )
    if found.void:
        tiles.append(Tile(f"{found.void}", "void steps", "they say nothing of the target", "warn"))
    return tiles


def _audit_tile(run: LoadRun) -> Tile:
    assert run.audit is not None
    if run.audit.verdict == AUDIT_FOUND:
        count = sum(each.count for each in run.audit.findings)
        return Tile(
            f"{count:,}", f"events {', '.join(each.name for each in run.audit.findings)}", "by the audit", "fail"
        )
    if run.audit.verdict == AUDIT_ERROR:
        return Tile("?", "the audit", "could not be done", "warn")
    return Tile(f"{run.audit.of('acknowledged'):,}", "events read back", "each is there once, unchanged", "pass")


def _broke(run: LoadRun) -> list[tuple[str, str, str]]:
    """What broke, the gravest first: a badge, a sentence and the part of the page that has more."""
    limited = run.health_judged is not None and run.health_judged.inconclusive and not run.steps
    found = [
        (each.name, f"{plural(each.count, 'event')}: {each.sentence}", "audit")
        for each in (run.audit.findings if run.audit else [])
    ]
    found += [
        (error.requirement, f"{error.text}: {plural(count, 'answer')} of {', '.join(places)}", "violations")
        for error, count, places, _ in load_summary.violations(run)
    ]
    found += [
        (
            each.judged.value,
            f"{each.objective} was {each.value}"
            + (f", {each.detail}" if each.detail else "")
            + (", but it may not be the target" if limited else ""),
            "objectives",
        )
        for each in run.objectives
        if each.judged is Judged.MISSED
    ]
    return found


def _not_judged(run: LoadRun) -> list[tuple[str, str]]:
    """What the run says nothing about, and why."""
    found = [
        (each.objective, each.detail or "it could not be judged")
        for each in run.objectives
        if each.judged is Judged.NOT_JUDGEABLE
    ]
    health = run.health_judged
    if health is None:
        found.append(("everything", "the run did not get so far as to judge the objectives"))
    elif health.inconclusive and not run.steps:
        found.append(("the target", f"the generator was the limit: {'; '.join(health.reasons)}"))
    if run.steps and run.decision.headline == INCONCLUSIVE:
        found.append(("the capacity", "the search came to no answer"))
    unconfirmed = [each for each in run.decision.reasons if each.startswith("not confirmed")]
    if run.steps and run.decision.headline == FOUND and unconfirmed:
        found.append(("whether it holds for longer", one_line(unconfirmed[0])))
    void = [step for step in run.steps if step.verdict == "void"]
    if void:
        numbers = ", ".join(str(step.number) for step in void)
        found.append((f"step{'s' if len(void) > 1 else ''} {numbers}", void[0].reason or "void"))
    if run.audit is not None and run.audit.verdict not in (CLEAN, AUDIT_FOUND):
        found.append(("the events", audit.headline(run.audit)))
    if run.warm_up_s:
        found.append(("the warm-up", f"the first {duration(run.warm_up_s)} are left out by the objectives"))
    return found


def _contents(run: LoadRun, past: Past) -> list[Link]:
    violations, errors = len(load_summary.violations(run)), len(load_summary.errors(run)[:_ERRORS_SHOWN])
    return [
        *([Link("capacity", "Capacity")] if run.steps else []),
        Link("objectives", "Objectives"),
        Link("operations", "Operations"),
        Link("time", "Over time"),
        Link("curve", "Percentiles"),
        *([Link("violations", "Violations", violations)] if violations else []),
        *([Link("audit", "Audit")] if run.audit else []),
        *([Link("errors", "Errors", errors)] if errors else []),
        Link("generator", "The generator"),
        *([Link("history", "History")] if past.nights else []),
        Link("run", "The run"),
    ]
