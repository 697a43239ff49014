"""Line charts as inline SVG, without any library in the page: light and dark by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.wording import one_line, shortened

WIDTH, HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 26, 24, 40
_COLOURS = 6
_NAME_LIMIT = 60


@dataclass(frozen=True)
class Series:
    """One line: its name, and points in rising x; None where there is nothing to draw.

    `marks`: of each point passed, failed or void (a dot, a cross, an empty ring), anything else = no mark. `band`: x
    with the ends of an interval. `joined`: whether the band is one area; else each interval is a bar.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    marks: Sequence[str] = ()
    band: Sequence[tuple[float, float, float]] = ()
    joined: bool = True


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
    """A chart with its title and legend above. `shaded`: from, to and name of a part of x that is marked.

    Every name is escaped; a series without a point is in the legend only. Lines differ in colour and in dashes.
    """
    parts = [
        Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>').format(
            WIDTH, HEIGHT, one_line(title), one_line(title)
        )
    ]
    parts += _shade(x, shaded) if shaded else []
    parts += _grid(x, y)
    for number, each in enumerate(series):
        parts += _band(each, x, y, number % _COLOURS)
    for number, each in enumerate(series):
        parts += _line(each, x, y, number % _COLOURS)
        parts += _marks(each, x, y, number % _COLOURS)
    caption = Markup("<figure><figcaption>{}</figcaption>{}").format(one_line(title), _legend(series, shaded))
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
        at = min(at, WIDTH - 4.6 * len(label))  # so that the last one stays whole
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


def _band(series: Series, x: Axis, y: Axis, colour: int) -> list[Markup]:
    ends = [(_across(x, at), _down(y, low), _down(y, high)) for at, low, high in series.band]
    if not ends:
        return []
    if not series.joined:
        bars = Markup('<path class="bar c{}" d="{}"/>')
        return [bars.format(colour, "".join(f"M{at:.1f} {low:.1f}V{high:.1f}" for at, low, high in ends))]
    path = " ".join(f"{at:.1f} {low:.1f}" for at, low, _ in ends)
    back = " ".join(f"{at:.1f} {high:.1f}" for at, _, high in reversed(ends))
    return [Markup('<path class="band f{}" d="M{}L{}Z"/>').format(colour, path, back)]


_SHAPES = {
    "passed": '<circle class="dot f{c}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{name}: passed</title></circle>',
    "failed": '<path class="cross c{c}" d="M{x0:.1f} {y0:.1f}l8 8m-8 0l8 -8"><title>{name}: failed</title></path>',
    "void": '<circle class="ring c{c}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{name}: void</title></circle>',
}


def _marks(series: Series, x: Axis, y: Axis, colour: int) -> list[Markup]:
    parts = []
    for (at, value), mark in zip(series.points, series.marks, strict=False):
        shape = _SHAPES.get(mark)
        if shape and value is not None:
            across, down = _across(x, at), _down(y, value)
            places = {"x": across, "y": down, "x0": across - 4, "y0": down - 4}
            parts.append(Markup(shape).format(c=colour, name=one_line(series.name), **places))
    return parts


def _legend(series: Sequence[Series], shaded: tuple[float, float, str] | None) -> Markup:
    """The names of the lines, of the marks on them, and of what is shaded."""
    key = Markup('<li><svg class="key" viewBox="0 0 24 10" aria-hidden="true">{}</svg>{}</li>')
    line = Markup('<path class="line c{}" d="M1 5h22"/>')
    items = [
        key.format(line.format(number % _COLOURS), shortened(one_line(each.name), _NAME_LIMIT))
        for number, each in enumerate(series)
    ]
    marked = {mark for each in series for mark in each.marks}
    places = {"x": 12, "y": 5, "x0": 8, "y0": 1, "c": 6, "name": "step"}
    items += [key.format(Markup(shape).format(**places), mark) for mark, shape in _SHAPES.items() if mark in marked]
    if shaded:
        items.append(key.format(Markup('<path class="shade" d="M0 0h24v10h-24z"/>'), one_line(shaded[2])))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))
