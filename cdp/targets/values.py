"""The values of targets.toml: each reader takes what stands there and returns what it means, or raises Wrong."""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cdp.targets.model import Peak, TargetError

_PEAK = {item.name for item in fields(Peak)}
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


class Wrong(Exception):
    """A value does not fit; the message says how, its key is known to whoever catches it."""


@dataclass(frozen=True)
class Variable:
    """The name of an environment variable that holds a value."""

    name: str


def text(value: Any) -> str:
    """A text of one line, without the blanks around it."""
    if not isinstance(value, str) or not value.strip():
        raise Wrong("must be a text")
    if not value.isprintable():
        raise Wrong("holds a line break or another odd character")
    return value.strip()


def texts(value: Any) -> list[str]:
    """A list of such texts."""
    if not isinstance(value, list):
        raise Wrong("must be a list of texts")
    return [text(item) for item in value]


def number(value: Any, least: float, most: float) -> float:
    """A number between two others, both included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Wrong("must be a number")
    if not least <= value <= most:
        raise Wrong(f"must be between {least:g} and {most:g}")
    return float(value)


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def peak(value: Any) -> Peak:
    """A table like `{scenario = "mixed", rate = 50, time = "60s", slo = "p99<500ms"}`; only the rate is needed. What
    the texts say is read where they are used."""
    if not isinstance(value, dict):
        raise Wrong('must be a table like {rate = 50, slo = "p99<500ms"}')
    if unknown := sorted(set(value) - _PEAK):
        raise Wrong(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_PEAK))}")
    if "rate" not in value:
        raise Wrong("rate is missing")
    read: dict[str, Any] = {}
    for key, each in value.items():
        try:
            read[key] = number(each, 0.001, 1_000_000) if key == "rate" else text(each)
        except Wrong as error:
            raise Wrong(f"{key} {error}") from None
    return Peak(**read)


def variable_name(value: Any) -> Variable:
    """The name of a variable. What is not one may be a secret in the wrong place, and is not repeated."""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise Wrong("must be the name of an environment variable (capitals, digits, '_'), never a secret itself")
    return Variable(value)


def text_or_variable(value: Any) -> str | Variable:
    """A text, or `{env = "NAME"}` for one that stands in the environment."""
    if isinstance(value, dict):
        if set(value) != {"env"}:
            raise Wrong('must be a text or {env = "NAME"}')
        return variable_name(value["env"])
    return text(value)


def place(file: Path, target: str, key: str) -> str:
    """Where a value stands, for messages."""
    return f"{file}: target {target!r}: key {key!r}"


@contextmanager
def keyed(file: Path, target: str, key: str) -> Iterator[None]:
    """Whatever is wrong inside is told with the file, the target and the key."""
    try:
        yield
    except (Wrong, TargetError) as error:
        said = str(error)
        raise TargetError(said if said.startswith(f"{file}: ") else f"{place(file, target, key)}: {said}") from None


def unusable(path: str, error: Exception) -> str:
    """What is wrong with a file of certificates or keys."""
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "not PEM").replace("_", " ").lower()
        return f"{path} cannot be used: {reason}"
    return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"


def proxy(value: Any) -> str | Variable:
    """The URL of a proxy; one that holds credentials has to come from the environment."""
    given = text_or_variable(value)
    return given if isinstance(given, Variable) else proxy_url(given, credentials_allowed=False)


def proxy_url(url: str, *, credentials_allowed: bool) -> str:
    """The URL of a proxy, checked."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Wrong("is no URL") from None
    if (parts.username or parts.password) and not credentials_allowed:
        raise Wrong('secrets do not stand in this file; write {env = "NAME"} for a proxy with credentials')
    if parts.scheme not in ("http", "https") or not host:
        raise Wrong("must be a URL like http://proxy.example:3128")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Wrong("must be a URL without path, query and fragment")
    return url
