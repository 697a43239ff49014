"""What self-contained pages share: one base template that escapes everything, and a policy that lets nothing else
run."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cdp.distribution import in_words
from cdp.load_results import FOUND, INCONCLUSIVE, MET, MISSED, SUSTAINED
from cdp.verdicts import CANNOT_TELL, GO, NO_GO, Verdict
from reports.exchanges import EXAMPLE_LIMIT, exchange_of, exchange_text
from reports.past import is_safe
from reports.wording import MEANINGS, SYMBOLS, duration, label, one_line, plural, repeating, shortened, visible

TEMPLATES = Path(__file__).parent / "templates"
TONES = {
    GO: "pass",
    NO_GO: "fail",
    CANNOT_TELL: "warn",
    MET: "pass",
    FOUND: "pass",
    SUSTAINED: "pass",
    MISSED: "fail",
    INCONCLUSIVE: "warn",
}
"""The colour of each headline that a page can have."""

_LINE_LIMIT = 300


@dataclass(frozen=True)
class Notice:
    """What a reader must not miss: in bold, the rest of the sentence, and the part of the page that has more, with the
    words of the link."""

    strong: str
    rest: str = ""
    anchor: str = ""
    link: str = "Which?"


@dataclass(frozen=True)
class Top:
    """What a reader is told first: the headline and its sentence, what it is about, and facts on one line. `notices`
    stand below the sentence, `reasons` as a list."""

    headline: str
    title: str
    sentence: str
    facts: Sequence[str] = ()
    notices: Sequence[Notice] = ()
    reasons: Sequence[str] = ()

    @property
    def tone(self) -> str:
        return TONES.get(self.headline, "warn")

    @property
    def more_reasons(self) -> list[str]:
        """The reasons that the sentence does not give already."""
        return [each for each in self.reasons if one_line(each) not in self.sentence]


@dataclass(frozen=True)
class Link:
    """A part of the page, for its table of contents."""

    anchor: str
    name: str
    count: int | None = field(default=None)


def render(template: str, top: Top, parts: Sequence[Link], **values: Any) -> str:
    """A page from a template that extends ``base.html``; `parts` are its table of contents."""
    style, script = asset("page.css") + asset("load.css"), asset("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            top=top,
            parts=parts,
            tones=TONES,
            style=Markup(style),
            script=Markup(script),
            style_hash=content_hash(style),
            script_hash=content_hash(script),
            **values,
        )
    )


def asset(name: str) -> str:
    """A style sheet or a script that is put into a page."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if re.search(r"</(style|script)", text, re.IGNORECASE):
        raise ValueError(f"{name} would end its own element")
    return text


def content_hash(text: str) -> str:
    """The source expression that lets exactly this inline text through the page's content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def moment(text: Any) -> str:
    """A time (ISO 8601) as people read it, ``2026-03-01 09:15 UTC``; any other text as it is."""
    try:
        found = datetime.fromisoformat(str(text or ""))
    except ValueError:
        return one_line(str(text))
    if found.tzinfo is None:
        return f"{found:%Y-%m-%d %H:%M}"
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def css(verdict: Verdict) -> str:
    """A verdict's name in the style sheet."""
    return verdict.name.lower().replace("_", "-")


def line(text: str) -> str:
    """A text from outside on one line of bearable length."""
    return shortened(one_line(text), _LINE_LIMIT)


@cache
def _environment() -> Environment:
    """Templates in which what is not defined is an error, and everything is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        {
            "css": css,
            "label": label,
            "meaning": MEANINGS.__getitem__,
            "sign": SYMBOLS.__getitem__,
            "one_line": one_line,
            "line": line,
            "visible": visible,
            "number": "{:,}".format,
            "plural": plural,
            "duration": duration,
            "moment": moment,
            "time": in_words,
            "repeating": repeating,
            "safe_link": is_safe,
            "exchange": exchange_of,
            "exchange_text": exchange_text,
            "example": lambda text: shortened(visible(text), EXAMPLE_LIMIT),
            "sentence_case": lambda text: text[:1].upper() + text[1:],
            "short_requirement": lambda name: name.rpartition("-")[2],
        }
    )
    return environment
