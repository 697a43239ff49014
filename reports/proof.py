"""A proof as tables: which kinds of faults were found in which sections, the score of each requirement, what survived.

Pure functions of the stored proof. Written as Markdown for people and JSON for machines.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from cdp.proof_results import ERROR, FOUND, INVALID, MISNAMED, SURVIVED, ProofRun, Trial
from reports.wording import one_line, plural, write_whole

SIGNS = {FOUND: "✓", MISNAMED: "≠", SURVIVED: "✗", ERROR: "!", INVALID: "·"}


@dataclass
class Score:
    """Mutants by what became of them; those whose fault never was one do not count."""

    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def counted(self) -> int:
        return self.outcomes.total() - self.outcomes[INVALID]

    @property
    def found(self) -> int:
        return self.outcomes[FOUND]

    @property
    def share(self) -> float:
        """From 0 to 1; 1 where nothing was tried."""
        return self.found / self.counted if self.counted else 1.0

    @property
    def in_words(self) -> str:
        return f"{self.found} of {self.counted} ({self.share:.1%})"


@dataclass(frozen=True)
class Summary:
    """A proof in numbers. `rightly`: of what was reported at all, the share that was reported by a requirement of its
    own on its own operation; `blamed`: found ones that other requirements were reported for on the same operation."""

    all: Score
    requirements: dict[str, Score]
    families: dict[str, Score]
    profiles: dict[str, Score]
    matrix: dict[tuple[str, str], Score]
    kinds: list[str]
    sections: list[str]
    missed: list[Trial]
    invalid: list[Trial]
    false_alarms: dict[str, list[str]]
    rightly: float
    blamed: int
    requests: float
    seconds: float


def summary(run: ProofRun) -> Summary:
    """The numbers of a proof."""
    by = {kind["name"]: kind["by"] for kind in run.header["kinds"]}
    whole, requirements, families, matrix = Score(), _scores(), _scores(), _scores_of_pairs()
    for trial in run.trials:
        whole.outcomes[trial.outcome] += 1
        matrix[trial.fault, trial.section].outcomes[trial.outcome] += 1
        for requirement in by[trial.fault]:
            requirements[requirement].outcomes[trial.outcome] += 1
        for family in {family_of(name) for name in by[trial.fault]}:
            families[family].outcomes[trial.outcome] += 1
    reported = whole.found + whole.outcomes[MISNAMED]
    number = max(1, len(run.trials))
    return Summary(
        whole,
        dict(sorted(requirements.items())),
        dict(sorted(families.items())),
        _by_profile(run),
        dict(matrix),
        sorted({trial.fault for trial in run.trials}),
        [name for name in run.header["sections"] if any(trial.section == name for trial in run.trials)],
        sorted((t for t in run.trials if t.outcome in (SURVIVED, MISNAMED, ERROR)), key=lambda t: t.name),
        sorted((t for t in run.trials if t.outcome == INVALID), key=lambda t: t.name),
        {seed: alarms for seed, alarms in run.header["clean"].items() if alarms},
        whole.found / reported if reported else 1.0,
        sum(t.outcome == FOUND and bool(t.strangers) for t in run.trials),
        sum(t.requests for t in run.trials) / number,
        sum(t.wall_s for t in run.trials) / number,
    )


def _by_profile(run: ProofRun) -> dict[str, Score]:
    """Of each profile that was asked: the mutants that it has to find, found by it or by a quicker one."""
    profiles = list(run.header["profiles"])
    least = {kind["name"]: kind["profile"] for kind in run.header["kinds"]}
    scores = {name: Score() for name in profiles}
    for trial in run.trials:
        for place, name in enumerate(profiles):
            if least[trial.fault] in profiles[place + 1 :]:
                continue
            early = trial.outcome != FOUND or not trial.profile or profiles.index(trial.profile) <= place
            scores[name].outcomes[trial.outcome if early else SURVIVED] += 1
    return scores


def family_of(name: str) -> str:
    """`PAGE` of PAGE-03, `audit` of audit:lost."""
    return name.partition("-")[0].partition(":")[0]


def _scores() -> defaultdict[str, Score]:
    return defaultdict(Score)


def _scores_of_pairs() -> defaultdict[tuple[str, str], Score]:
    return defaultdict(Score)


def command(run: ProofRun, trial: Trial) -> str:
    """The command that shows a mutant again."""
    if trial.profile == "load":
        return f"cdp prove --load --seed {run.header['seed']}"
    profile = trial.profile or run.header["profiles"][-1]
    return f"cdp prove --profile {profile} --seed {run.header['seed']} --only {trial.name}"


def explained(trial: Trial) -> str:
    """Why a mutant was not found, in a few words."""
    if trial.why:
        return one_line(trial.why)
    if trial.outcome == MISNAMED:
        return "reported by " + ", ".join([*trial.strangers, *trial.elsewhere][:4])
    return f"{trial.changed} answers were changed, none was noticed"


def markdown(run: ProofRun) -> str:
    """The whole proof as Markdown."""
    found = summary(run)
    header = run.header
    lines = [
        f"# Proof, {' and '.join(header['profiles'])}, seed {header['seed']}",
        "",
        f"Found: **{found.all.in_words}** mutants of {len(found.kinds)} kinds of faults in {len(found.sections)} "
        f"sections; {found.rightly:.1%} of what was reported bore the right name and place. "
        f"Clean instance: {_clean(run)}. {found.requests:,.0f} requests and {found.seconds:.1f} s a mutant.",
        *([] if run.complete else ["", "**The proof was cut off.**"]),
        *_profiles(found),
        "",
        "## Families and requirements",
        "",
        "| family | found | requirements |",
        "|---|---:|---|",
    ]
    for family, score in found.families.items():
        own = [
            f"{n.removeprefix(family)[1:]} {s.found}/{s.counted}"
            for n, s in found.requirements.items()
            if family_of(n) == family
        ]
        lines.append(f"| {family} | {score.in_words} | {', '.join(own)} |")
    lines += ["", "## Not found", ""]
    lines += [f"- `{t.name}`: {explained(t)}. `{command(run, t)}`" for t in found.missed] or ["Nothing."]
    if found.invalid:
        lines += ["", "## No mutants after all", ""]
        lines += [f"- `{t.name}`: {explained(t)}" for t in found.invalid]
    lines += ["", "## Kinds × sections", "", *_matrix(found)]
    return "\n".join(lines) + "\n"


def _profiles(found: Summary) -> list[str]:
    if len(found.profiles) < 2:
        return []
    scores = "; ".join(f"{name} {score.in_words}" for name, score in found.profiles.items())
    return ["", f"By profile, of the kinds that each has to find: {scores}. What survived one was tried with the next."]


def _clean(run: ProofRun) -> str:
    """A run is one profile with one seed."""
    runs: dict[str, list[str]] = run.header["clean"]
    return f"{plural(sum(map(len, runs.values())), 'false alarm')} in {plural(len(runs), 'run')}"


def _matrix(found: Summary) -> Iterable[str]:
    numbers = {name: str(place) for place, name in enumerate(found.sections, start=1)}
    yield " · ".join(f"{number} {name}" for name, number in numbers.items())
    yield ""
    yield f"| kind | {' | '.join(numbers.values())} |"
    yield "|---|" + ":-:|" * len(numbers)
    for kind in found.kinds:
        cells = [_cell(found.matrix.get((kind, section))) for section in found.sections]
        yield f"| {kind} | {' | '.join(cells)} |"


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    worst = max(score.outcomes, key=[INVALID, FOUND, MISNAMED, SURVIVED, ERROR].index)
    return SIGNS[worst]


def as_json(run: ProofRun) -> dict[str, Any]:
    """The proof for machines: scores, survivors, every trial."""
    found = summary(run)
    return {
        "profiles": run.header["profiles"],
        "by_profile": {name: score.in_words for name, score in found.profiles.items()},
        "seed": run.header["seed"],
        "complete": run.complete,
        "mutants": found.all.counted,
        "found": found.all.found,
        "score": round(found.all.share, 4),
        "rightly_named": round(found.rightly, 4),
        "clean": run.header["clean"],
        "requests_per_mutant": round(found.requests, 1),
        "seconds_per_mutant": round(found.seconds, 2),
        "families": {name: dict(score.outcomes) for name, score in found.families.items()},
        "requirements": {name: dict(score.outcomes) for name, score in found.requirements.items()},
        "missed": [
            {"mutant": t.name, "outcome": t.outcome, "why": explained(t), "command": command(run, t)}
            for t in found.missed
        ],
        "trials": [trial.as_record() for trial in run.trials],
    }


def write_proof_reports(run: ProofRun, directory: str | os.PathLike[str]) -> list[Path]:
    """Write `proof.md` and `proof.json`. OSError when they cannot be written."""
    texts = {
        "proof.md": markdown(run).encode(),
        "proof.json": orjson.dumps(as_json(run), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
    }
    paths = []
    for name, text in texts.items():
        path = Path(directory) / name
        write_whole(path, text)
        paths.append(path)
    return paths
