"""What a load run has to hold: service level objectives, read from one line of text.

    p99<300ms,errors<0.1%                              for everything together
    search:p99<300ms; ingest:errors<1%,p99.9<2s        for one scenario each
    p99@10s<500ms                                      over any ten seconds of the run

=====================  =============================================================================================
``p99<300ms``          a percentile of the latency, from the intended start; also ``max`` and ``mean``; us, ms, s, m
``service.p99<300ms``  the same of the service time, from the send
``visible.p99<2s``     the time until an acknowledged event can be read, of the audit's sample
``errors<0.1%``        arrivals without a good answer: failed, unanswered, never sent; per cent, or a whole number
``indeterminate<1%``   requests that nobody knows of whether they were carried out
``violations=0``       answers that break the contract; always an objective
``rate>=95%``          good answers, of what was offered; or ``rate>=190/s``
=====================  =============================================================================================

Two objectives hold without being named: ``violations=0``, and ``errors<1%`` where nothing is said of errors. Otherwise
a target that refuses quickly would meet any latency.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

NS_OF = {"us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9}
DEFAULT_ERRORS = "errors<1%"
DEFAULT_VIOLATIONS = "violations=0"


class ObjectiveError(ValueError):
    """An objective cannot be read; the message is one line that points at the place."""


class Kind(StrEnum):
    """What an objective is about."""

    PERCENTILE = "percentile"
    MEAN = "mean"
    ERRORS = "errors"
    INDETERMINATE = "indeterminate"
    VIOLATIONS = "violations"
    RATE = "rate"


@dataclass(frozen=True)
class Objective:
    """One objective. `limit` is in ns for times, a share from 0 to 1 where `share`, else a count or a rate a second.
    `percentile` is 100 for the maximum. `window_s` 0: the whole run. `scenario` empty: everything together."""

    text: str
    kind: Kind
    operator: str
    limit: float
    scenario: str = ""
    percentile: float = 0.0
    service: bool = False
    visible: bool = False
    share: bool = False
    window_s: float = 0.0
    implied: bool = False

    @property
    def of_time(self) -> bool:
        """Whether it limits a time."""
        return self.kind in (Kind.PERCENTILE, Kind.MEAN)

    @property
    def of_answers(self) -> bool:
        """Whether it limits how long answers take."""
        return self.of_time and not self.visible

    @property
    def needed(self) -> int:
        """Requests without which a percentile says nothing: 1/(1-p), so that at least one lies beyond it.

        With fewer the nearest rank of p99 is the largest value itself: the percentile of a larger sample would
        be something else (Hyndman and Fan, 1996, type 1). 100 for p99, 1,000 for p99.9; 1 for everything else.
        """
        if self.kind is not Kind.PERCENTILE or self.percentile >= 100:
            return 1
        return max(1, -int(-round(100 / (100 - self.percentile), 6) // 1))

    def holds(self, value: float) -> bool:
        """Whether a value (in the unit of the limit) is within the limit."""
        return {
            "<": value < self.limit,
            "<=": value <= self.limit,
            "=": value == self.limit,
            ">": value > self.limit,
            ">=": value >= self.limit,
        }[self.operator]


_METRIC = re.compile(r"(?P<of>(?:service|visible)\.)?(?P<name>[A-Za-z]+)(?P<number>[0-9.]*)(?:@(?P<window>[^<>=]*))?")
_OPERATOR = re.compile(r"<=|>=|==|<|>|=|≤|≥")
_VALUE = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>\S*)")
_SCENARIO = re.compile(r"\s*(?P<name>[A-Za-z_][\w -]*?)\s*:")
_OPERATORS = {"==": "=", "≤": "<=", "≥": ">="}
_NAMES = "p99 (or another percentile), max, mean, errors, indeterminate, violations, rate"


def parse_objectives(text: str, scenarios: Iterable[str] = ()) -> list[Objective]:
    """The objectives of a text, in its order, the implied ones behind them. `scenarios`: the names that a scenario may
    have here; none: any name.

    Raises ObjectiveError in one line that says what is wrong, where, and what can be written.
    """
    reader = _Reader(text, tuple(scenarios))
    given = reader.read()
    return given + _implied(given, reader.scenarios)


def _implied(given: list[Objective], scenarios: tuple[str, ...]) -> list[Objective]:
    whole = [each for each in given if not each.window_s]
    spoken = {each.scenario for each in whole if each.kind is Kind.ERRORS}
    found: list[Objective] = []
    if not spoken:
        found.append(parse_one(DEFAULT_ERRORS))
    elif "" not in spoken:  # what a scenario says of its own errors is not the default for the others
        others = {*scenarios, *(each.scenario for each in given)} - spoken - {""}
        found += [replace(parse_one(DEFAULT_ERRORS), scenario=name) for name in sorted(others)]
    if not any(each.kind is Kind.VIOLATIONS and not each.scenario for each in whole):
        found.append(parse_one(DEFAULT_VIOLATIONS))
    return [replace(each, implied=True) for each in found]


def parse_one(text: str) -> Objective:
    """A single objective. Raises ObjectiveError as `parse_objectives` does."""
    (objective,) = _Reader(text, ()).read()
    return objective


class _Reader:
    """Reads a text from left to right; `at` is where it is."""

    def __init__(self, text: str, scenarios: tuple[str, ...]) -> None:
        self.text = text
        self.scenarios = scenarios

    def read(self) -> list[Objective]:
        found: list[Objective] = []
        start = 0
        for group in self.text.split(";"):
            found += self._group(group, start)
            start += len(group) + 1
        seen: dict[tuple[object, ...], Objective] = {}
        for each in found:
            of = (each.kind, each.percentile, each.service, each.visible, each.window_s)
            key = (each.scenario, *of, each.operator[0], each.share)
            if key in seen:
                raise ObjectiveError(f"objectives {self.text!r}: {seen[key].text} and {each.text} limit the same")
            seen[key] = each
        return found

    def _group(self, group: str, start: int) -> list[Objective]:
        if not group.strip():
            return []
        scenario, offset = "", 0
        if found := _SCENARIO.match(group):
            scenario, offset = found["name"], found.end()
            if self.scenarios and scenario not in self.scenarios:
                place = start + found.start("name")
                raise self._error(place, f"there is no scenario {scenario!r} here; {', '.join(self.scenarios)}")
        objectives = []
        for part in group[offset:].split(","):
            blank = len(part) - len(part.lstrip())
            if part.strip():
                objectives.append(self._objective(part.strip(), start + offset + blank, scenario))
            elif len(group[offset:].split(",")) > 1 or scenario:
                raise self._error(start + offset, "an objective is missing; for example p99<300ms")
            offset += len(part) + 1
        return objectives

    def _objective(self, part: str, place: int, scenario: str) -> Objective:
        metric = _METRIC.match(part)
        if metric is None:
            raise self._error(place, f"no objective begins like this; {_NAMES}")
        operator = _OPERATOR.match(part, _skip(part, metric.end()))
        if operator is None:
            raise self._error(place + metric.end(), "a comparison is missing here: <, <=, >, >= or =")
        base = self._metric(metric, place)
        sign = _OPERATORS.get(operator[0], operator[0])
        self._check_operator(base.kind, sign, place + operator.start())
        at = _skip(part, operator.end())
        value = _VALUE.fullmatch(part, at)
        if value is None:
            missing = "is no value, such as 300ms, 0.1% or 190/s; a comma parts objectives"
            raise self._error(place + at, f"{part[at:]!r} {missing}" if part[at:] else "a value is missing")
        limit, share = self._limit(base.kind, value, place)
        return replace(base, text=part, operator=sign, limit=limit, share=share, scenario=scenario)

    def _metric(self, found: re.Match[str], place: int) -> Objective:
        name, number = found["name"].lower(), found["number"]
        window_s = self._window(found["window"], place + found.start("window")) if found["window"] is not None else 0.0
        visible = found["of"] == "visible."
        if visible and window_s:
            raise self._error(place, "the time until events can be read is that of a sample, too few for windows")
        base = Objective(
            "", Kind.PERCENTILE, "", 0, service=found["of"] == "service.", visible=visible, window_s=window_s
        )
        if name == "p" and number:
            try:
                percentile = float(number)
            except ValueError:
                percentile = 0.0
            if not 0 < percentile < 100:
                raise self._error(place + found.start("number"), f"{number} is no percentile; above 0 and below 100")
            return replace(base, percentile=percentile)
        if number or (found["of"] and name not in ("max", "mean")):
            raise self._error(place, f"{found[0].partition('@')[0]!r} is nothing that can be limited; {_NAMES}")
        if name == "max":
            return replace(base, percentile=100.0)
        if name not in set(Kind) - {Kind.PERCENTILE}:
            raise self._error(place, f"{name!r} is nothing that can be limited; {_NAMES}")
        return replace(base, kind=Kind(name))

    def _window(self, text: str, place: int) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text.strip())
        seconds = float(found[1]) * NS_OF[found[2]] / 1e9 if found else 0.0
        if seconds < 1:
            raise self._error(place, f"{text.strip()!r} is no window; a second at least, such as 10s or 1m")
        return seconds

    def _check_operator(self, kind: Kind, sign: str, place: int) -> None:
        if kind is Kind.RATE and sign not in (">", ">="):
            raise self._error(place, "a rate has to be reached: rate>=95% or rate>=190/s")
        if kind is not Kind.RATE and sign in (">", ">="):
            raise self._error(place, "this has to stay below a limit: use < or <=")
        if sign == "=" and kind not in (Kind.VIOLATIONS, Kind.ERRORS, Kind.INDETERMINATE):
            raise self._error(place, "times never are just so long: use < or <=")

    def _limit(self, kind: Kind, value: re.Match[str], place: int) -> tuple[float, bool]:
        number, unit = float(value["number"]), value["unit"]
        at = place + value.start("unit")
        if kind in (Kind.PERCENTILE, Kind.MEAN):
            if unit not in NS_OF:
                raise self._error(at, f"a time needs a unit: {value['number']}ms, or us, s, m")
            return number * NS_OF[unit], False
        if unit == "%" and kind is not Kind.VIOLATIONS:
            if number > 100:
                raise self._error(place + value.start(), f"{value['number']} % is more than all")
            return number / 100, True
        if kind is Kind.RATE:
            if unit != "/s":
                raise self._error(at, f"a rate needs a unit: {value['number']}/s, or {value['number']}% of the offered")
            return number, False
        if kind is Kind.VIOLATIONS and (unit or number):
            raise self._error(place + value.start(), "a contract is kept or broken: violations=0")
        if unit:
            raise self._error(at, f"{unit!r} does not fit here; a whole number, or a share with its %")
        if not number.is_integer():
            raise self._error(at, f"a count is a whole number; a share needs its sign: {value['number']}%")
        return number, False

    def _error(self, place: int, message: str) -> ObjectiveError:
        at = self.text[place : place + 20]
        where = f"at {at!r} (character {place + 1})" if at.strip() else "at its end"
        return ObjectiveError(f"objectives {self.text!r}, {where}: {message}")


def _skip(text: str, at: int) -> int:
    """The next place that is no blank."""
    return at + len(text[at:]) - len(text[at:].lstrip())
