"""What must never be written down: tokens and passwords, and how they are taken out of anything that is.

A target may say a secret again in other words: percent-encoded in a Location, escaped in JSON or HTML, in base64 within
an Authorization header. All of these are taken out as well.
"""

from __future__ import annotations

import base64
import html
import json
import re
import secrets as _random
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, unquote

REDACTED = "<redacted>"
_SHORTEST = 6  # shorter texts are too common to be replaced
_TELLING = 10  # so many first characters of a secret are taken out, too
_SHORTEST_CORE = 8  # of an encoded form whose ends depend on what stands beside it


class Secrets:
    """The secrets of a run. `redact` replaces each of them wherever it stands in a text, in whatever common form."""

    def __init__(self) -> None:
        self._added: set[str] = set()
        self._plain: Index = {}
        self._forms: Index = {}
        self.longest = 0  # form of a secret, in characters

    def add(self, secret: str) -> str:
        """Remember a secret and return it; texts shorter than six characters are too common to be replaced."""
        if len(secret) >= _SHORTEST and secret not in self._added:
            self._added.add(secret)
            _enter(self._plain, secret, _TELLING)
            for form in forms(secret):
                _enter(self._forms, form, max(_TELLING, len(form) * _TELLING // len(secret)))
                self.longest = max(self.longest, len(form))
        return secret

    def redact(self, text: str) -> str:
        """The text without its secrets, nor the beginnings that a shortened text ends in. One that holds a secret in a
        form that cannot be cut out is replaced whole."""
        if not self._added or len(text) < _SHORTEST:
            return text
        text = _without(text, self._forms)
        for decode in _DECODERS:
            decoded = decode(text)
            if decoded != text and _without(decoded, self._plain) != decoded:
                return REDACTED
        return text


Index = dict[str, list[tuple[str, int]]]


def _enter(index: Index, form: str, telling: int) -> None:
    """Keep a form under its first characters, the longest forms first, with how much of it is enough."""
    known = index.setdefault(form[:_SHORTEST], [])
    entry = (form, min(telling, len(form)))
    if entry not in known:
        known.append(entry)
        known.sort(key=lambda entry: -len(entry[0]))


def _without(text: str, index: Index) -> str:
    # Every body that is kept goes through here: whether anything stands at a place at all is asked in one go.
    places = [at for at in range(len(text) - _SHORTEST + 1) if text[at : at + _SHORTEST] in index]
    parts: list[str] = []
    start = 0
    for place in places:
        if place < start:
            continue  # within what is taken out already
        known = index[text[place : place + _SHORTEST]]
        length = max(_shared(text, place, form, telling) for form, telling in known)
        if length:
            parts += [text[start:place], REDACTED]
            start = place + length
    return "".join([*parts, text[start:]]) if parts else text


def _shared(text: str, position: int, form: str, telling: int) -> int:
    """How many characters of a form stand at a position; 0 when they are too few to tell anything."""
    if text.startswith(form, position):
        return len(form)
    if not text.startswith(form[:telling], position):
        return 0
    length = telling
    while position + length < len(text) and text[position + length] == form[length]:
        length += 1
    return length


def forms(secret: str) -> Iterator[str]:
    """A secret as it is, and as it looks after the common encodings."""
    yield from (secret, secret.swapcase(), secret.upper(), secret.lower())
    for name in (secret, secret.encode("utf-8", "replace").decode("latin-1")):
        yield from (json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1])
        yield from (json.dumps(name)[1:-1].replace("/", "\\/"), name.encode("unicode_escape").decode())
    units = [ord(c) for c in secret if ord(c) < 0x10000]
    for pattern in ("\\u{:04x}", "\\u{:04X}", "\\x{:02x}", "&#{};", "&#x{:x};", "&#x{:X};"):
        yield "".join(pattern.format(unit) for unit in units)
    data = secret.encode("utf-8", "replace")
    for escaped in (quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")):
        yield from (escaped, _lower_escapes(escaped), quote(escaped, safe=""))
    yield quote(secret, errors="replace")
    every = "".join(f"%{byte:02X}" for byte in data)
    yield from (every, every.lower(), html.escape(secret), data.hex(), data.hex().upper())
    for shift in range(3):
        yield from (core for core in _base64_cores(data, shift) if len(core) >= _SHORTEST_CORE)


def _lower_escapes(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), text)


def _base64_cores(data: bytes, shift: int) -> Iterator[str]:
    """What base64 makes of the data after so many other bytes, without the characters that depend on its neighbours."""
    padded = b"\0" * shift + data
    text = base64.b64encode(padded).decode().rstrip("=")
    first = (0, 2, 3)[shift]
    last = len(padded) * 8 // 6
    core = text[first:last]
    yield core
    yield core.replace("+", "-").replace("/", "_")


def _unescaped(text: str) -> str:
    """JSON's escapes undone, wherever they stand."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found.group(1), 16)), text).replace("\\/", "/")


_DECODERS: tuple[Callable[[str], str], ...] = (
    unquote,
    lambda text: unquote(unquote(text)),
    html.unescape,
    _unescaped,
    lambda text: _unescaped(text.replace("\\\\", "\\")),
    lambda text: unquote(_unescaped(text)),
)


def new_password() -> str:
    """A password nobody has to remember, with characters of the four kinds that servers ask for."""
    return _random.token_urlsafe(15) + "aA1!"
