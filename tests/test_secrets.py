"""Secrets appear nowhere: not in an artefact, a line of output, an exception or the process list, whatever the target
makes of them."""

from __future__ import annotations

import base64
import html
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from cdp.evidence import curl_line, describe
from cdp.http import Client
from cdp.ledger import Created, Intent, Ledger
from cdp.secrets import REDACTED, Secrets
from cdp.targets import Credentials, Target
from tests.hostile_server import Answer, Conversation, hostile, reset_in_the_body, whole
from tests.running_instance import ROOT

TOKEN = "S3cr3t/Tok+en.of~the=run-Żluť"
PLAIN_TOKEN = "S3cr3t/Tok+en.of~the=run-0123"  # as a header can carry it
PASSWORD = 'p&ss"w\\ord <9>/ž 100%'


def escaped(secret: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in secret)


def in_base64(secret: str, before: str = "") -> str:
    return base64.b64encode((before + secret + ":x").encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda s: json.dumps(s),
    "json with slashes": lambda s: json.dumps(s).replace("/", "\\/"),
    "json escapes": escaped,
    "percent": lambda s: quote(s, safe=""),
    "percent in small letters": lambda s: (
        quote(s, safe="").lower() if s == s.lower() else quote(s, safe="").replace("%2F", "%2f")
    ),
    "form": quote_plus,
    "percent twice": lambda s: quote(quote(s, safe=""), safe=""),
    "percent here and there": lambda s: f"%{ord(s[0]):02x}{s[1:4]}%{ord(s[4]):02X}" + quote(s[5:], safe="/+"),
    "html": html.escape,
    "base64": in_base64,
    "base64 after one": lambda s: in_base64(s, "a"),
    "base64 after two": lambda s: in_base64(s, "ab"),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "other case": str.swapcase,
}


def traces(secret: str) -> list[str]:
    """Pieces of a secret's forms that give it away."""
    pieces = [secret, secret[:12], secret[-12:]]
    for make in ENCODINGS.values():
        form = make(secret)
        pieces.append(form.strip('"')[5:-5])
    return [piece for piece in pieces if len(piece) >= 10]


def nothing_shows(text: str, *secrets: str) -> None:
    for secret in secrets:
        for piece in traces(secret):
            assert piece not in text, f"{piece!r} in {text[max(0, text.find(piece) - 80) :][:200]!r}"


@pytest.mark.parametrize("secret", [TOKEN, PASSWORD, PLAIN_TOKEN], ids=["token", "password", "plain token"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_form_is_taken_out(encoding: str, secret: str) -> None:
    secrets = Secrets()
    secrets.add(secret)
    text = f"before {ENCODINGS[encoding](secret)} after"
    redacted = secrets.redact(text)
    assert REDACTED in redacted
    nothing_shows(redacted, secret)


def test_what_is_no_secret_stays() -> None:
    secrets = Secrets()
    secrets.add(PLAIN_TOKEN)
    secrets.add("short")
    text = 'a short line, 100 % of it, "quoted\\u00e9" &amp; c2hvcnQ= https://host/a%20b'
    assert secrets.redact(text) == text


def answering(data: bytes, c: Conversation) -> None:
    c.send(data)


def test_a_secret_across_the_end_of_what_is_shown() -> None:
    """However much the redaction shortens a body, no half of a secret comes into view."""
    secrets = Secrets()
    secrets.add(PLAIN_TOKEN)
    for padding in range(0, 60, 7):
        body = ("x" * padding + (PLAIN_TOKEN + " ") * 2000).encode()
        with hostile(partial(answering, whole(body))) as server:
            client = Client(Target("echo", server.url, Credentials(token=PLAIN_TOKEN)), secrets)
            shown = json.dumps(describe(client.send("POST", server.url + "/tags"), secrets))
            client.close()
        nothing_shows(shown, PLAIN_TOKEN)


def test_the_ledger_takes_secrets_out(tmp_path: Path) -> None:
    secrets = Secrets()
    secrets.add(PLAIN_TOKEN)
    ledger = Ledger(tmp_path / "ledger.jsonl", secrets.redact)
    number = ledger.intend(Intent("create_tag", "/api/tags", "cdp-00000000 name"))
    ledger.created(number, Created("create_tag", PLAIN_TOKEN, "http://host/api/tags/" + quote(PLAIN_TOKEN, safe="")))
    ledger.close()
    nothing_shows((tmp_path / "ledger.jsonl").read_text(), PLAIN_TOKEN)


# --- a target that says them again -----------------------------------------------------------------------------------


def said_again(c: Conversation) -> str:
    """The secrets of a request's head, in every form."""
    token = next((line.partition(": ")[2] for line in c.head.split("\r\n") if line.startswith("X-Access-Token")), "")
    return " | ".join(make(token) for make in ENCODINGS.values()) if len(token) > 6 else "none"


def in_the_body(c: Conversation) -> None:
    c.send(whole(json.dumps({"message": f"refused: {said_again(c)}"}).encode(), status="500 Oops"))


def in_headers(c: Conversation) -> None:
    forms = said_again(c)
    c.send(whole(b'{"message": "no"}', f"X-Debug: {forms}", f"Set-Cookie: t={forms}", status="418 Teapot"))


def in_a_location(c: Conversation) -> None:
    c.send(whole(b"{}", f"Location: /login?token={said_again(c)}", status="302 Found"))


def in_the_media_type(c: Conversation) -> None:
    c.send(whole(b"<html>", media_type=f"text/{said_again(c)[:40]}"))


def in_the_status_line(c: Conversation) -> None:
    c.send(f"HTTP/1.1 {said_again(c)}\r\n\r\n".encode("latin-1", "replace"))


def in_a_record(c: Conversation) -> None:
    forms = said_again(c)
    record = {"id": forms, "name": forms, "created": forms}
    c.send(whole(json.dumps({"tag": record, "tags": [record], "selection_settings": {"limit": forms}}).encode()))


def run_at(answer: Answer, runs: Path, *, let_in: bool) -> tuple[str, int]:
    """A run on a server that echoes; all that it printed and wrote."""
    first: list[str] = []

    def welcome(c: Conversation) -> None:
        first.append(c.path.partition("?")[0])
        if let_in and c.path.partition("?")[0] == first[0]:
            c.send(whole(b'{"message": "nothing here"}'))
        else:
            answer(c)

    with hostile(welcome) as server:
        arguments = [
            "--url",
            server.url,
            "--section",
            "tags",
            "--runs",
            str(runs),
            "--allow",
            "writes,destructive",
            "--strict",
        ]
        result = subprocess.run(
            [sys.executable, "-m", "cdp", "contract", *arguments],
            cwd=ROOT,
            env={**os.environ, "CDP_TOKEN": PLAIN_TOKEN, "CDP_PASSWORD": "", "CDP_EMAIL": ""},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert "Traceback" not in result.stdout + result.stderr
    artefacts = [p.read_bytes().decode("utf-8", "replace") for p in runs.rglob("*") if p.is_file()]
    assert len(artefacts) >= 4  # results, ledger, page, JUnit
    return "\n".join([result.stdout, result.stderr, *artefacts]), result.returncode


@pytest.mark.parametrize("let_in", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["at once", "later"])
@pytest.mark.parametrize(
    "answer",
    [in_the_body]
    + [
        pytest.param(e, marks=pytest.mark.slow)
        for e in (in_a_record, in_headers, in_a_location, in_the_media_type, in_the_status_line)
    ],
    ids=lambda answer: answer.__name__,
)
def test_an_echo_leaves_no_trace_of_the_token(answer: Answer, let_in: bool, tmp_path: Path) -> None:
    text, code = run_at(answer, tmp_path, let_in=let_in)
    assert code in (1, 3)
    nothing_shows(text, PLAIN_TOKEN)


def test_a_refused_login_does_not_show_the_password(tmp_path: Path) -> None:
    def echo(c: Conversation) -> None:
        forms = " | ".join(make(PASSWORD) for make in ENCODINGS.values())
        c.send(whole(json.dumps({"message": forms}).encode(), "X-Why: " + quote(PASSWORD), status="401 Unauthorized"))

    with hostile(echo) as server:
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "cdp",
                "contract",
                "--url",
                server.url,
                "--runs",
                str(tmp_path),
                "--section",
                "tags",
            ],
            cwd=ROOT,
            env={**os.environ, "CDP_TOKEN": "", "CDP_EMAIL": "someone@example.com", "CDP_PASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert result.returncode == 3
    artefacts = [p.read_text(errors="replace") for p in tmp_path.rglob("*") if p.is_file()]
    nothing_shows("\n".join([result.stdout, result.stderr, *artefacts]), PASSWORD)


def test_details_and_curl_lines_are_clean() -> None:
    secrets = Secrets()

    def echo(c: Conversation) -> None:
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: " + said_again(c).encode("latin-1") + b", 5\r\n\r\n")

    for answer in (echo, in_the_status_line, reset_in_the_body):
        with hostile(answer) as server:
            client = Client(Target("echo", server.url, Credentials(token=PLAIN_TOKEN), timeout_s=1), secrets)
            headers = {"X-Access-Token": PLAIN_TOKEN, "X-Other": f"Bearer {PLAIN_TOKEN}"}
            url = f"{server.url}/tags?access_token={quote(PLAIN_TOKEN, safe='')}"
            exchange = client.send("POST", url, headers=headers, body=json.dumps({"t": PLAIN_TOKEN}).encode())
            client.close()
        text = exchange.detail + curl_line(exchange, secrets) + json.dumps(describe(exchange, secrets))
        nothing_shows(text, PLAIN_TOKEN)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no process list to look into")
def test_the_process_list_does_not_show_them(tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def wait(c: Conversation) -> None:
        asked.set()
        go_on.wait(20)

    with hostile(wait) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "cdp", "contract", "--url", server.url, "--runs", str(tmp_path)],
            cwd=ROOT,
            env={
                **os.environ,
                "CDP_TOKEN": PLAIN_TOKEN,
                "CDP_EMAIL": "a@example.com",
                "CDP_PASSWORD": "p4ssw0rd-of-it",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert asked.wait(30)
            lines = []
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    lines.append(path.read_bytes().decode("utf-8", "replace"))
                except OSError:
                    continue
        finally:
            go_on.set()
            process.kill()
            process.wait(10)
    assert any("contract" in line for line in lines)
    nothing_shows("\n".join(lines), PLAIN_TOKEN, "p4ssw0rd-of-it")
