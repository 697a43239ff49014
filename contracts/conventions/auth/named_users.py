"""A refusal for want of a token does not say whose the token was (AUTH-07): who holds one that was ended, found or
guessed learns nothing by it (CWE-200)."""

from __future__ import annotations

import re

from cdp.http import Exchange
from contracts.conventions.disclosure import what_was_sent
from contracts.subject import Subject

_ADDRESS = re.compile(r"[\w.+-]{1,100}@[\w-]{1,60}(?:\.[\w-]{1,60}){1,8}")
_LOOKED_THROUGH = 200_000  # bytes of an error: more than any message


def names_a_user(s: Subject, exchange: Exchange) -> str:
    """What a refusal says of one of the run's own users, or of the one whose token the run has, that was not sent to
    it; empty where it says nothing."""
    sent = what_was_sent(exchange).lower()
    own = {str(s.session.target.credentials.email or "").lower()} - {""}
    for found in _ADDRESS.findall(exchange.body[:_LOOKED_THROUGH].decode("utf-8", "replace").lower()):
        ours = found in own or s.session.prefix.lower() in found
        if ours and found not in sent:
            return "tells the e-mail address of a user"
    return ""
