"""Tokens that somebody makes of a valid one (AUTH-03): those that say of themselves that they need no signature
(CVE-2015-9235), and those that are another text and the same bytes (RFC 4648 section 3.5)."""

from __future__ import annotations

import base64
import binascii
import string

import orjson

UNSIGNED = "a valid token whose header says that it is not signed, without its signature"
RESPELLED = "a valid token with bits changed that decoders of base64 do not read"
_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_UNREAD = {2: 0b1111, 3: 0b11}  # bits of the last character that mean nothing, by the characters in the last four


def unsigned(token: str) -> list[tuple[str, str]]:
    """The token's claims under the header of an unsigned one; nothing where the token is no JSON Web Token."""
    head, *rest = token.split(".")
    if len(rest) != 2 or not all((head, *rest)):
        return []
    try:
        told = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return []
    if not isinstance(told, dict) or "alg" not in told:
        return []
    forged = base64.urlsafe_b64encode(orjson.dumps({**told, "alg": "none"})).decode().rstrip("=")
    return [(UNSIGNED, f"{forged}.{rest[0]}.")]


def is_web_token(token: str) -> bool:
    """Whether a token is a JSON Web Token (RFC 7519)."""
    return bool(unsigned(token))


def respelled(token: str) -> list[str]:
    """The token with the lowest of the bits changed that its last character, or that of one of its parts, has too many.
    Not in the signature of a JSON Web Token, which is compared as bytes: there decoders may overlook them."""
    parts = token.split(".")
    found = []
    for number, part in enumerate(parts[:-1] if is_web_token(token) else parts):
        if part and len(part) % 4 in _UNREAD and set(part) <= set(_LETTERS):
            other = part[:-1] + _LETTERS[_LETTERS.index(part[-1]) ^ 1]
            found.append(".".join((*parts[:number], other, *parts[number + 1 :])))
    return found


def decoded_alike(token: str, other: str) -> bool:
    """Whether decoders of base64 may take two tokens for the same bytes: by bits that they do not read, padding, and
    characters that they pass over (RFC 4648 sections 3.2, 3.3 and 3.5)."""
    return [_read(part) for part in token.split(".")] == [_read(part) for part in other.split(".")]


def _read(part: str) -> str:
    """What such a decoder reads of a text."""
    kept = "".join(c for c in part.replace("+", "-").replace("/", "_") if c in _LETTERS)
    unread = _UNREAD.get(len(kept) % 4, 0)
    return kept[:-1] + _LETTERS[_LETTERS.index(kept[-1]) & ~unread] if unread else kept
