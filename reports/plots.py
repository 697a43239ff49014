"""Line charts as inline SVG, without any library in the page: light and dark by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from reports.wording import one_line

WIDTH, HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 26, 30, 40
_COLOURS = 6


@dataclass(frozen=True)
class Series:
    """One line: its name, and points in rising x; None where there is nothing to draw."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Axis:
    """One axis: its name, where it goes from and to, and its ticks with their labels."""

    name: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value is between the ends, from 0 to 1."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0


def linear_axis(name: str, values: Sequence[float], form: Callable[[float], str] = "{:,.10g}".format) -> Axis:
    """An axis from 0 to a round number above all values, with four to six ticks."""
    high = max((value for value in values if math.isfinite(value)), default=0.0) or 1.0
    step = 10 ** math.floor(math.log10(high / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if high / (step * factor) <= 5)
    count = math.ceil(high / step - 1e-9)
    return Axis(name, 0.0, step * count, [(step * i, form(round(step * i, 12))) for i in range(count + 1)])


def log_axis(name: str, values: Sequence[float], form: Callable[[float], str] = "{:,.10g}".format) -> Axis:
    """A logarithmic axis over all values above 0, with ticks at 1, 2 and 5 (at whole powers of ten when it is long)."""
    found = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    factors = (1, 2, 5) if math.log10(max(found) / min(found)) < 3 else (1,)
    powers = range(math.floor(math.log10(min(found))), math.ceil(math.log10(max(found))) + 2)
    marks = [factor * 10.0**power for power in powers for factor in factors]
    least, most = min(found) * (1 + 1e-9), max(found) * (1 - 1e-9)  # a mark that is missed by rounding is met
    low = max((mark for mark in marks if mark <= least), default=marks[0])
    high = min((mark for mark in marks if mark >= most and mark > low), default=marks[-1])
    return Axis(name, low, high, [(mark, form(mark)) for mark in marks if low <= mark <= high], log=True)


def line_chart(
    title: str, series: Sequence[Series], x: Axis, y: Axis, shaded: tuple[float, float, str] | None = None
) -> Markup:
    """A chart with its title above and a legend. `shaded`: from, to and name of a part of x that is marked.

    Every name is escaped; a series without a point is in the legend only.
    """
    parts = [
        Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>').format(
            WIDTH, HEIGHT, one_line(title), one_line(title)
        )
    ]
    parts += _shade(x, shaded) if shaded else []
    parts += _grid(x, y)
    for number, each in enumerate(series):
        parts += _line(each, x, y, number % _COLOURS)
    parts.append(_legend(series))
    caption = Markup("<figure><figcaption>{}</figcaption>").format(one_line(title))
    return Markup("\n").join([caption, *parts, Markup("</svg></figure>")])


def _across(x: Axis, value: float) -> float:
    return _LEFT + x.share(value) * (WIDTH - _LEFT - _RIGHT)


def _down(y: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - y.share(value) * (HEIGHT - _TOP - _BOTTOM)


def _grid(x: Axis, y: Axis) -> list[Markup]:
    parts = []
    for value, label in y.ticks:
        at = _down(y, value)
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(_LEFT, at, WIDTH - _RIGHT))
        parts.append(Markup('<text class="y" x="{}" y="{:.1f}">{}</text>').format(_LEFT - 6, at + 3.5, label))
    bottom = HEIGHT - _BOTTOM
    for value, label in x.ticks:
        at = _across(x, value)
        parts.append(Markup('<path class="grid" d="M{:.1f} {}v4"/>').format(at, bottom))
        parts.append(Markup('<text class="x" x="{:.1f}" y="{}">{}</text>').format(at, bottom + 16, label))
    parts.append(Markup('<text class="x" x="{:.1f}" y="{}">{}</text>').format((_LEFT + WIDTH) / 2, HEIGHT - 6, x.name))
    parts.append(Markup('<text class="name" x="4" y="14">{}</text>').format(y.name))
    return parts


def _shade(x: Axis, shaded: tuple[float, float, str]) -> list[Markup]:
    from_x, to_x = _across(x, shaded[0]), _across(x, shaded[1])
    rectangle = Markup('<rect class="shade" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>')
    return [rectangle.format(from_x, _TOP, max(0.0, to_x - from_x), HEIGHT - _TOP - _BOTTOM, shaded[2])]


def _line(series: Series, x: Axis, y: Axis, colour: int) -> list[Markup]:
    """The line as a path, broken where there is nothing; a point that stands alone is a dot."""
    runs: list[list[str]] = [[]]
    for at, value in series.points:
        if value is None or (y.log and value <= 0):
            runs.append([])
        else:
            runs[-1].append(f"{_across(x, at):.1f} {_down(y, value):.1f}")
    path = "".join(f"M{run[0]}L{' '.join(run[1:] or run)}" for run in runs if run)
    if not path:
        return []
    line = Markup('<path class="line c{}" d="{}"><title>{}</title></path>')
    return [line.format(colour, path, one_line(series.name))]


def _legend(series: Sequence[Series]) -> Markup:
    parts, at = [], WIDTH - _RIGHT
    for number, each in reversed(list(enumerate(series))):
        name = one_line(each.name)
        name = name if len(name) <= 24 else f"{name[:23]}…"
        at -= 24 + 7 * len(name)
        if at < 90:  # no room: the tables and the titles of the lines have all names
            break
        parts.append(
            Markup('<path class="line c{}" d="M{} 10h12"/><text class="legend" x="{}" y="14">{}</text>').format(
                number % _COLOURS, at, at + 16, escape(name)
            )
        )
    return Markup("").join(parts)
