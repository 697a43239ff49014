"""The cassette of drawn exchanges: HAR 1.2 at any moment, bounded, without secrets, and no burden when it fails."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cdp.cassette import CASSETTE_FILE, Cassette
from cdp.http import DROPPED, Exchange
from cdp.results import ResultsError
from cdp.secrets import Secrets
from tests.test_secrets import ENCODINGS, PLAIN_TOKEN, nothing_shows

ROOT = Path(__file__).parents[1]
# What the specification of HAR 1.2 does not call optional.
ENTRY = {"startedDateTime", "time", "request", "response", "cache", "timings"}
REQUEST = {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"}
RESPONSE = {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL"} | {
    "headersSize",
    "bodySize",
}


def exchange(number: int = 1, body: bytes = b'{"message": "OK"}', **fields: Any) -> Exchange:
    made = Exchange(
        "create_tag",
        "admin",
        "POST",
        f"http://127.0.0.1:1/api/tags?n={number}&empty=",
        {"X-Access-Token": PLAIN_TOKEN, "Content-Type": "application/json"},
        b'{"name": "n"}',
        201,
        duration_s=0.25,
    )
    made.headers["Content-Type"], made.body = "application/json", body
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def read(path: Path) -> list[dict[str, Any]]:
    log = json.loads(path.read_text())["log"]
    assert log["version"] == "1.2" and set(log["creator"]) >= {"name", "version"}
    entries: list[dict[str, Any]] = log["entries"]
    return entries


def test_an_entry_has_all_that_the_specification_asks_for(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path, Secrets())
    cassette.add(exchange())
    cassette.close()
    (entry,) = read(tmp_path / CASSETTE_FILE)
    assert set(entry) >= ENTRY and set(entry["request"]) >= REQUEST and set(entry["response"]) >= RESPONSE
    assert set(entry["response"]["content"]) >= {"size", "mimeType"}
    assert set(entry["timings"]) >= {"send", "wait", "receive"} and all(
        entry["timings"][n] >= 0 for n in ("send", "wait")
    )
    assert entry["time"] == 250.0 and entry["comment"] == "create_tag"
    assert entry["request"]["postData"] == {"mimeType": "application/json", "text": '{"name": "n"}'}
    assert entry["request"]["queryString"] == [{"name": "n", "value": "1"}, {"name": "empty", "value": ""}]
    assert (entry["response"]["status"], entry["response"]["statusText"]) == (201, "Created")


def test_it_is_whole_after_every_entry(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path, Secrets())
    for number in range(1, 6):
        cassette.add(exchange(number, "Žluťoučký kůň \ud800".encode("utf-8", "surrogatepass") * number))
        assert len(read(tmp_path / CASSETTE_FILE)) == number
    cassette.close()
    cassette.close()
    assert len(read(tmp_path / CASSETTE_FILE)) == 5


def test_without_an_exchange_there_is_no_file(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path, Secrets())
    cassette.check()
    cassette.close()
    assert list(tmp_path.iterdir()) == []


def test_what_got_no_answer_says_how(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path, Secrets())
    cassette.add(exchange(status=0, body=b"", failure=DROPPED, detail="reset", request_body=None))
    (entry,) = read(tmp_path / CASSETTE_FILE)
    assert (entry["response"]["status"], entry["response"]["statusText"]) == (0, "dropped reset")
    assert "postData" not in entry["request"]


def test_a_killed_process_leaves_a_whole_file(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tests.test_cassette import exchange; from cdp.cassette import Cassette\n"
        "from cdp.secrets import Secrets\n"
        "cassette = Cassette(pathlib.Path(sys.argv[1]), Secrets())\n"
        "for number in range(100000):\n"
        "    cassette.add(exchange(number)); print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 50:
            break
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert len(read(tmp_path / CASSETTE_FILE)) > 50


def test_secrets_are_taken_out_wherever_they_stand(tmp_path: Path) -> None:
    secrets = Secrets()
    secrets.add(PLAIN_TOKEN)
    forms = " | ".join(make(PLAIN_TOKEN) for make in ENCODINGS.values())
    echo = exchange(url=f"http://127.0.0.1:1/api/tags?t={PLAIN_TOKEN}", body=json.dumps({"t": forms}).encode())
    echo.headers["Set-Cookie"], echo.headers["Location"] = f"t={PLAIN_TOKEN}", f"/?t={PLAIN_TOKEN}"
    echo.headers["Content-Type"] = f"text/{PLAIN_TOKEN}"
    echo.request_headers["Authorization"], echo.request_headers["X-Other"] = f"Bearer {PLAIN_TOKEN}", PLAIN_TOKEN
    cassette = Cassette(tmp_path, secrets)
    cassette.add(echo)
    cassette.add(exchange(failure=DROPPED, detail=forms, status=0))
    cassette.close()
    assert len(read(tmp_path / CASSETTE_FILE)) == 2
    nothing_shows((tmp_path / CASSETTE_FILE).read_text(), PLAIN_TOKEN)


@pytest.mark.parametrize("body", [b"x" * 100_000, b"\x00\xff" * 50_000])
def test_long_bodies_and_long_files_are_cut(tmp_path: Path, body: bytes) -> None:
    cassette = Cassette(tmp_path, Secrets(), max_bytes=100_000)
    for number in range(100):
        cassette.add(exchange(number, body))
    cassette.close()
    path = tmp_path / CASSETTE_FILE
    entries = read(path)
    assert 2 < len(entries) < 50 and path.stat().st_size <= 100_000
    assert "later exchanges are left out" in entries[-1]["comment"]
    assert "later exchanges" not in entries[-2]["comment"]
    assert entries[0]["response"]["content"]["size"] == 100_000


def test_every_process_of_a_run_has_a_file_of_its_own(tmp_path: Path) -> None:
    several = [Cassette(tmp_path, Secrets()) for _ in range(3)]
    for cassette in several:
        cassette.add(exchange())
        cassette.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["drawn-2.har", "drawn-3.har", "drawn.har"]
    assert all(len(read(path)) == 1 for path in tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path, Secrets())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, hard))  # what a full disk does, for this process alone
    try:
        for number in range(10):
            cassette.add(exchange(number))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(ResultsError) as caught:
        cassette.check()
    assert str(caught.value) == f"cannot write the cassette to {tmp_path / CASSETTE_FILE}: File too large"
    entries = len(read(tmp_path / CASSETTE_FILE))
    assert 1 <= entries < 10
    cassette.add(exchange())
    cassette.close()
    assert len(read(tmp_path / CASSETTE_FILE)) == entries


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path / "gone", Secrets())
    cassette.add(exchange())
    with pytest.raises(ResultsError, match=r"cannot write the cassette to .*gone.*: No such file or directory"):
        cassette.check()


def test_nobody_else_may_read_more_than_the_results(tmp_path: Path) -> None:
    cassette = Cassette(tmp_path, Secrets())
    cassette.add(exchange())
    assert os.stat(tmp_path / CASSETTE_FILE).st_mode & 0o022 == 0
