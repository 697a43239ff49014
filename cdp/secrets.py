"""What must never be written down: tokens and passwords, and how they are taken out of anything that is."""

from __future__ import annotations

import secrets as _random

REDACTED = "<redacted>"


class Secrets:
    """The secrets of a run. `redact` replaces each of them wherever it stands in a text."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def add(self, secret: str) -> str:
        """Remember a secret and return it; texts shorter than six characters are too common to be replaced."""
        if len(secret) >= 6:
            self._known.add(secret)
        return secret

    def redact(self, text: str) -> str:
        for secret in sorted(self._known, key=len, reverse=True):
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text


def new_password() -> str:
    """A password nobody has to remember."""
    return _random.token_urlsafe(18)
