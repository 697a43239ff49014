"""An exchange as evidence: as it is stored in results, and as a line that repeats it. No secret is in either."""

from __future__ import annotations

import shlex
from typing import Any

from cdp.http import Exchange
from cdp.secrets import REDACTED, Secrets
from cdp.targets import TOKEN_VARIABLE

_SHOWN_BYTES = 4_000
_SECRET_HEADERS = ("x-access-token", "authorization", "proxy-authorization", "cookie", "set-cookie")


def curl_line(exchange: Exchange, secrets: Secrets) -> str:
    """A command that repeats the request; the token stands as $CDP_TOKEN, so that the line can be shared."""
    words = ["curl", "-sS", "-i"]
    if exchange.method != "GET":
        words += ["-X", exchange.method]
    text = " ".join(shlex.quote(word) for word in words)
    for name, value in exchange.request_headers.items():
        shown = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if name.lower() in _SECRET_HEADERS and name.lower() not in exchange.extra_headers:
            text += (
                f' -H "{name}: ${TOKEN_VARIABLE}"'
                if _is_real(shown, secrets)
                else " -H " + shlex.quote(f"{name}: {_printable(shown)}")
            )
        else:
            text += " -H " + shlex.quote(f"{name}: {secrets.redact(shown)}")
    if exchange.request_body is not None:
        try:
            text += " --data-binary " + shlex.quote(secrets.redact(exchange.request_body.decode("utf-8")))
        except UnicodeDecodeError:
            text += " --data-binary @body.bin"
    return text + " " + shlex.quote(secrets.redact(exchange.url))


def _is_real(value: str, secrets: Secrets) -> bool:
    return secrets.redact(value) != value


def _printable(value: str) -> str:
    """A made-up token as it may be shown: the start is enough to tell which kind it was."""
    return "".join(c if c.isprintable() and ord(c) < 127 else "?" for c in value[:24])


def describe(exchange: Exchange, secrets: Secrets) -> dict[str, Any]:
    """The exchange as it is stored in results: redacted, and cut where it is long."""
    headers = {
        name: REDACTED
        if name.lower() in _SECRET_HEADERS
        else secrets.redact(value.decode("latin-1") if isinstance(value, bytes) else str(value))
        for name, value in exchange.request_headers.items()
    }
    return {
        "request": {
            "method": exchange.method,
            "url": secrets.redact(exchange.url),
            "headers": headers,
            "body": _shown(exchange.request_body, secrets) if exchange.request_body is not None else None,
        },
        "response": {
            "status": exchange.status,
            "failure": " ".join(filter(None, (exchange.failure, exchange.detail))),
            "headers": {
                n: REDACTED if n.lower() in _SECRET_HEADERS else secrets.redact(str(v))
                for n, v in exchange.headers.items()
            },
            "body": _shown(exchange.body, secrets),
            "duration_ms": round(exchange.duration_s * 1000, 1),
        },
    }


def _shown(body: bytes, secrets: Secrets) -> str:
    """The beginning of a body. More than that is read, so that a secret across the end is still found whole."""
    margin = _SHOWN_BYTES + secrets.longest
    text = body[: 2 * margin].decode("utf-8", "backslashreplace")
    if len(body) <= _SHOWN_BYTES:
        return secrets.redact(text)
    cut = len(text) if len(body) <= 2 * margin else max(0, len(text) - secrets.longest)
    redacted = secrets.redact(text)
    shown = redacted[: min(_SHOWN_BYTES, cut)]
    # What the redaction made shorter brings the end of the piece into view, where a secret may be cut in two.
    lost = max(0, len(text) - len(redacted))
    shown = shown if len(body) <= 2 * margin else shown[: max(0, cut - lost)]
    return f"{shown} … ({len(body)} bytes)"
