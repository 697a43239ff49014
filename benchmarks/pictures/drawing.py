"""A chart of a page as an SVG file of its own, which shows by itself and in light and dark."""

from __future__ import annotations

import re
from html import escape
from xml.etree import ElementTree

from reports.page import asset
from reports.plots import HEIGHT, WIDTH

_MARGIN, _TITLE, _ROW = 14, 22, 18
_KEY, _CHARACTER, _GAP = 30, 6.1, 16  # about how wide the parts of a legend are
_FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif'


def standalone(figure: str) -> str:
    """The chart of a page's `figure` with its title and legend. ValueError when there is no chart in it."""
    root = ElementTree.fromstring(figure)
    plot = root.find("svg[@class='plot']")
    if plot is None:
        raise ValueError("there is no chart in the figure")
    title = root.findtext("figcaption") or ""
    legend, down = _legend(root)
    plot.attrib |= {"x": str(_MARGIN), "y": str(down), "width": str(WIDTH), "height": str(HEIGHT)}
    width, height = WIDTH + 2 * _MARGIN, down + HEIGHT + _MARGIN // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">\n<style>{escape(_style(), quote=False)}</style>\n'
        f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>\n'
        f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 12}">{escape(title)}</text>\n'
        f"{legend}\n{ElementTree.tostring(plot, encoding='unicode')}\n</svg>\n"
    )


def _legend(root: ElementTree.Element) -> tuple[str, int]:
    """The legend in as many rows as it needs, and how far down it reaches."""
    parts, across, down = [], float(_MARGIN), _MARGIN + _TITLE
    for item in root.iterfind("ul[@class='legend']/li"):
        key = item.find("svg")
        text = ((key.tail if key is not None else item.text) or "").strip()
        wide = _KEY + len(text) * _CHARACTER + _GAP
        if across > _MARGIN and across + wide > WIDTH + _MARGIN:
            across, down = float(_MARGIN), down + _ROW
        if key is not None:
            key.attrib |= {"x": f"{across:.0f}", "y": str(down), "width": "24", "height": "10"}
            key.tail = None
            parts.append(ElementTree.tostring(key, encoding="unicode"))
        parts.append(f'<text class="key-name" x="{across + _KEY:.0f}" y="{down + 9}">{escape(text)}</text>')
        across += wide
    return "\n".join(parts), down + _ROW


def _style() -> str:
    """The page's own colours and rules of charts, and what a page would do around a chart."""
    colours = asset("page.css").partition("* {")[0]
    return (
        colours
        + re.sub(r"(?m)^\.(load|why|legend|charts|figure|figcaption).*\n|^fig.*\n", "", asset("load.css"))
        + ".card { fill: var(--card); stroke: var(--line); }\n"
        + f".title {{ font: 600 14px {_FONT}; fill: var(--ink); }}\n"
        + f".key-name {{ font: 11.5px {_FONT}; fill: var(--quiet); }}\n"
    )
