"""The options of a load run: one table, for Locust's command line and web page and for `cdp load` alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

DIRECTORY_VARIABLE = "CDP_LOAD_DIRECTORY"  # where a run stores what it finds, if whoever starts it says so
QUIET_VARIABLE = "CDP_LOAD_QUIET"  # set: no progress
SCENARIOS = ("search", "ingest", "mixed")
SHAPES = ("steady", "ramp", "spike", "soak", "steps", "trace")
DEFAULT_TIME_S = 60
SOAK_TIME_S = 600
CAPACITY_TIME_S = 300
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


class OptionError(ValueError):
    """A value that cannot be used; the message is one line that says what can be."""


def span_s(text: str) -> int:
    """A time span in whole seconds: `90`, `90s`, `5m`, `1h30m`. Raises OptionError."""
    found = _SPAN.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not total:
        raise OptionError(f"{text!r} is no time span; write 90s, 5m or 1h30m")
    return total


def _span_or_none(text: str) -> int:
    return 0 if text.strip() in ("0", "0s") else span_s(text)


def positive(text: str) -> float:
    """A number above 0. Raises OptionError."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise OptionError(f"{text!r} is no number above 0")
    return number


def share(text: str) -> float:
    """A share from 0 to 1, also in per cent. Raises OptionError."""
    try:
        number = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise OptionError(f"{text!r} is no share; write 0.25 or 25%")
    return number


def count(text: str) -> int:
    """A whole number above 0. Raises OptionError."""
    if not text.isdecimal() or not int(text):
        raise OptionError(f"{text!r} is no whole number above 0")
    return int(text)


def one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in names:
            raise OptionError(f"{text!r} is not one of {', '.join(names)}")
        return text

    return chosen


def shape(text: str) -> str:
    """The name of a shape; `trace` with its file behind it, after a blank or a colon. Raises OptionError."""
    name, _, file = text.strip().replace(":", " ", 1).partition(" ")
    one_of(SHAPES)(name)
    if name == "trace" and not file.strip():
        raise OptionError("the shape trace needs a file: trace FILE")
    if name != "trace" and file.strip():
        raise OptionError(f"the shape {name} takes no file")
    return f"{name} {file.strip()}".strip()


@dataclass(frozen=True)
class Option:
    """One option. `read` turns the text into a value and raises OptionError in one line; `default` None: not given."""

    name: str
    read: Callable[[str], Any]
    default: Any
    metavar: str
    help: str
    flag: bool = False

    @property
    def dest(self) -> str:
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable that Locust reads the option from."""
        return f"CDP_LOAD_{self.dest.upper()}"


TABLE: tuple[Option, ...] = (
    Option("scenario", one_of(SCENARIOS), "mixed", "NAME", f"Scenario: {', '.join(SCENARIOS)}."),
    Option(
        "rate",
        positive,
        None,
        "N",
        "Open loop: requests a second, whether or not the target keeps up (for ingestion: batches a second). "
        "Without it users wait for their answers (closed loop).",
    ),
    Option(
        "shape",
        shape,
        "steady",
        "SHAPE",
        "Shape of the arrival rate: steady, ramp (up to the rate), spike (a tenth of the time at the rate, else a "
        "fifth of it), soak (steady, ten minutes unless told otherwise), steps (five of them, up to the rate), "
        "trace FILE (lines of time_s,rate_per_s).",
    ),
    Option(
        "arrivals",
        one_of(("poisson", "uniform")),
        "poisson",
        "KIND",
        "Arrival process: poisson (as independent callers do) or uniform (evenly, which overstates "
        "what a target sustains).",
    ),
    Option(
        "slo",
        str,
        "",
        "OBJECTIVES",
        "What has to hold, for example 'p99<300ms,errors<0.1%' or 'search:p99<300ms;ingest:p99@10s<1s'. "
        "Contract violations are never allowed.",
    ),
    Option("warm-up", _span_or_none, 0, "SPAN", "Time at the start that the objectives leave out."),
    Option("seed", int, 1, "N", "Seed of arrivals, texts, customers and payloads: the same seed, the same run."),
    Option("batch", str, "50", "SIZES", "Events per batch: 50, a range 1-200, or zipf:200 (mostly small ones)."),
    Option("uploads", share, 0.02, "SHARE", "Share of ingestion that is gzipped CSV uploads instead of JSON batches."),
    Option("searches", share, 0.5, "SHARE", "Of the mixed scenario, the share of customer search."),
    Option("ingestion", share, 0.3, "SHARE", "Of the mixed scenario, the share of event ingestion; the rest is lists."),
    Option("zipf", positive, 1.0, "EXPONENT", "How uneven the popularity of texts and customers is (Zipf's exponent)."),
    Option("misses", share, 0.2, "SHARE", "Share of searches for texts that nobody has."),
    Option("new-customers", share, 0.1, "SHARE", "Share of events whose customer the target does not know yet."),
    Option("check-every", count, 20, "N", "Check the conventions on every N-th answer; its shape is always checked."),
    Option(
        "connections",
        count,
        2000,
        "N",
        "Most connections per process; a request that finds none free waits, and that counts.",
    ),
    Option("answer-timeout", positive, 10.0, "SECONDS", "Seconds to wait for an answer."),
    Option("max-requests", count, 5_000_000, "N", "The run is refused when it would send more requests than this."),
    Option(
        "find-capacity",
        bool,
        False,
        "",
        "Search for the highest rate that the objectives hold at, in steps; the time is what all of it may take.",
        flag=True,
    ),
    Option("start", positive, None, "N", "Rate that the search begins at; without it a few requests find one."),
    Option("max-rate", positive, 20_000.0, "N", "Rate that the search does not go beyond."),
    Option("peak", positive, None, "N", "Required rate: the answer tells the headroom; exit code 1 if there is none."),
    Option("precision", share, 0.04, "SHARE", "How far apart the rates that hold and fail may be at the end."),
    Option("settle", _span_or_none, 2, "SPAN", "Time at the start of each step that is not judged."),
    Option(
        "step-time",
        span_s,
        None,
        "SPAN",
        "Longest time of a step; it ends sooner when all is clear. (15s, or 25 times the longest limit of a time)",
    ),
    Option("confirm", span_s, 30, "SPAN", "Time for which the rate that was found is confirmed."),
    Option("runs", str, "reports/runs", "DIRECTORY", "Where the run's directory is made."),
    Option("target", str, None, "NAME", "Target of targets.toml; else the host that is given."),
    Option("targets", str, None, "FILE", "Where the targets stand. (CDP_TARGETS, else targets.toml)"),
    Option("allow", str, "", "WORDS", "What may be done at a host that stands in no targets.toml: load,writes."),
    Option("i-know-this-is-production", bool, False, "", "Needed for a target that looks like production.", flag=True),
    Option("no-audit", bool, False, "", "Do not read back afterwards what was sent, and keep no ledger.", flag=True),
    Option("audit-sample", count, 1000, "N", "One in N acknowledged events is watched until it can be read."),
    Option(
        "audit-deadline",
        positive,
        30.0,
        "SECONDS",
        "How long an acknowledged event may take to be seen; after that it counts as lost.",
    ),
    Option("keep-going", bool, False, "", "Go on through a burst of server errors instead of stopping.", flag=True),
)


@dataclass(frozen=True)
class LoadOptions:
    """The options of a run, read and checked one by one. `time_s` and `processes` come from Locust's own options."""

    scenario: str = "mixed"
    rate: float | None = None
    shape: str = "steady"
    arrivals: str = "poisson"
    slo: str = ""
    warm_up: int = 0
    seed: int = 1
    batch: str = "50"
    uploads: float = 0.02
    searches: float = 0.5
    ingestion: float = 0.3
    zipf: float = 1.0
    misses: float = 0.2
    new_customers: float = 0.1
    check_every: int = 20
    connections: int = 2000
    answer_timeout: float = 10.0
    max_requests: int = 5_000_000
    runs: str = "reports/runs"
    target: str | None = None
    targets: str | None = None
    allow: str = ""
    i_know_this_is_production: bool = False
    no_audit: bool = False
    audit_sample: int = 1000
    audit_deadline: float = 30.0
    keep_going: bool = False
    find_capacity: bool = False
    start: float | None = None
    max_rate: float = 20_000.0
    peak: float | None = None
    precision: float = 0.04
    settle: int = 2
    step_time: int | None = None
    confirm: int = 30
    time_s: int | None = None

    @property
    def open_loop(self) -> bool:
        return self.rate is not None or self.shape.startswith("trace") or self.find_capacity

    @property
    def duration_s(self) -> int | None:
        """How long arrivals come; None: as long as the trace says, or until somebody stops it."""
        if self.find_capacity:
            return self.time_s or CAPACITY_TIME_S
        if self.time_s or self.shape.startswith("trace"):
            return self.time_s
        if not self.open_loop:
            return None
        return SOAK_TIME_S if self.shape == "soak" else DEFAULT_TIME_S

    def as_record(self) -> dict[str, Any]:
        """All of them as plain data, for the results."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def as_arguments(self) -> list[str]:
        """The options that differ from their defaults, as Locust's command line takes them."""
        given = []
        for option in TABLE:
            value = getattr(self, option.dest)
            if option.flag and value:
                given.append(f"--{option.name}")
            elif not option.flag and value is not None and value != option.default:
                given.append(f"--{option.name}={value}")
        return given


def read_options(values: Mapping[str, Any], time_s: int | None) -> LoadOptions:
    """Options by their names, as a parser left them: texts are read, values stay. Raises OptionError."""
    known: dict[str, Any] = {}
    for option in TABLE:
        value = values.get(option.dest, option.default)
        if isinstance(value, list):
            value = " ".join(map(str, value))
        if value in (None, "") and option.default is None:
            value = None
        elif isinstance(value, str) and not option.flag:
            value = option.read(value)
        known[option.dest] = value
    options = LoadOptions(**known, time_s=time_s or None)
    check_together(options)
    return options


def check_together(options: LoadOptions) -> None:
    """What no option can tell alone. Raises OptionError."""
    if options.find_capacity and (options.rate is not None or options.shape != "steady"):
        raise OptionError("a search for capacity chooses its own rates; --start says where it begins")
    if options.find_capacity and options.start and options.start > options.max_rate:
        raise OptionError(f"--start {options.start:g} is above --max-rate {options.max_rate:g}")
    if options.find_capacity and not 0.005 <= options.precision <= 0.5:
        raise OptionError("--precision is a share from 0.5% to 50%")
    if options.shape.startswith("trace") and options.rate is not None:
        raise OptionError("a trace says its own rate; leave --rate away")
    if not options.open_loop and options.shape not in ("steady", "soak"):
        raise OptionError(f"the shape {options.shape} is one of arrivals; give a --rate for it")
    if options.duration_s and options.warm_up >= options.duration_s:
        raise OptionError(f"a warm-up of {options.warm_up} s leaves nothing of a run of {options.duration_s} s")
    if options.searches + options.ingestion > 1:
        raise OptionError("--searches and --ingestion are shares of one whole and together above 1")
