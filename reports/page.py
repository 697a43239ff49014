"""What self-contained pages share: templates that escape everything, and a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def asset(name: str) -> str:
    """A style sheet or a script that is put into a page."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if re.search(r"</(style|script)", text, re.IGNORECASE):
        raise ValueError(f"{name} would end its own element")
    return text


def content_hash(text: str) -> str:
    """The source expression that lets exactly this inline text through the page's content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def make_environment(filters: dict[str, Any]) -> Environment:
    """Templates with these filters; what is not defined is an error, and everything is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment
