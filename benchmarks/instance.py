"""How fast the embedded instance is: `python benchmarks/instance.py [--quick]`.

The server gets one core, this program the other. Requests go over one keep-alive connection without pipelining, as raw
bytes, so that the client costs next to nothing. Prints one figure per line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "benchmark"
EMAIL = "administrator@example.com"


class Connection:
    """One keep-alive connection that sends prepared requests and reads answers by their length."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = ""

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The bytes of a request."""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n"
        if body:
            head += "Content-Type: application/json\r\n"
        if self.token:
            head += f"X-Access-Token: {self.token}\r\n"
        return head.encode() + b"\r\n" + body

    def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read its answer: status and body."""
        self.socket.sendall(request)
        data = self.socket.recv(1 << 20)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.socket.recv(1 << 20)
        at = data.index(b"content-length: ") + 16
        length = int(data[at : data.index(b"\r\n", at)])
        parts = [data[end + 4 :]]
        size = len(parts[0])
        while size < length:
            part = self.socket.recv(1 << 20)
            parts.append(part)
            size += len(part)
        return int(data[9:12]), b"".join(parts)


@contextlib.contextmanager
def server(customers: int, events: int) -> Iterator[tuple[Connection, subprocess.Popen[str], float]]:
    """A server on the first core: a connection with a token, the process, and the seconds until it was ready."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "instance", "--exit-with-parent"]
    command += ["--customers", str(customers), "--events", str(events)]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "CDP_ADMIN_PASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]}),
    )
    assert process.stdout is not None
    base_url = process.stdout.readline().removeprefix("Base URL: ").strip()
    process.stdout.readline()
    ready = time.perf_counter() - started
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[1:]))
    try:
        connection = Connection(base_url)
        body = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
        status, answer = connection.send(connection.request("POST", "/api/users/login", body))
        assert status == 200, answer
        connection.token = json.loads(answer)["token"]
        yield connection, process, ready
    finally:
        process.terminate()
        process.wait()
        os.sched_setaffinity(0, set(cores))


def rate(connection: Connection, requests: list[bytes], seconds: float, expected: int = 200) -> float:
    """Requests per second, taking the prepared ones in turn."""
    count = 0
    started = time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        status, body = connection.send(requests[count % len(requests)])
        assert status == expected, body[:300]
        count += 1
    return count / passed


def times(connection: Connection, requests: list[bytes]) -> list[float]:
    """Seconds that each request took, sorted."""
    found = []
    for request in requests:
        started = time.perf_counter()
        status, body = connection.send(request)
        found.append(time.perf_counter() - started)
        assert status == 200, body[:300]
    return sorted(found)


def peak(process: subprocess.Popen[str]) -> float:
    """The most memory that the server has had, in MB."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmHWM")


def lists(connection: Connection, seconds: float) -> None:
    """Requests per second of single lists and of a mixture."""
    paths = {
        "list events": "/api/events?limit=20",
        "list users": "/api/users",
        "list emails": "/api/emails",
        "list attributes": "/api/attributes?order_by=name&order_dir=ASC",
        "list segments (counted)": "/api/segments",
        "list segments (full)": "/api/segments?load_full_structure=1",
        "list segments filtered": "/api/segments?name_filter=sale",
    }
    for name, path in paths.items():
        print(f"{name}: {rate(connection, [connection.request('GET', path)], seconds):,.0f} requests/s")
    mixed = [
        "/api/events",
        "/api/users",
        "/api/emails",
        "/api/tags",
        "/api/reports",
        "/api/segments",
        "/api/feeds?offset=20",
    ]
    requests = [connection.request("GET", path) for path in mixed]
    print(f"lists, mixed: {rate(connection, requests, seconds):,.0f} requests/s")


def searches(connection: Connection, count: int) -> None:
    """Latency of customer searches with words that stand in the values, and with some that do not."""
    rng = random.Random(1)
    words = ["ann", "smith", "nov", "example.com", "berlin", "golden", "zzzq", "müller", "xyz123", "an "]
    requests = []
    for _ in range(count):
        text = rng.choice(words) + rng.choice(["", "", "a", "e", "%25"])
        quoted = "".join(f"%{byte:02X}" for byte in text.encode())
        requests.append(connection.request("GET", f"/api/customers/fulltext_search?search_text={quoted}"))
    found = times(connection, requests)
    median, late = statistics.median(found) * 1000, found[int(len(found) * 0.99)] * 1000
    print(f"customer search: p50 {median:.2f} ms, p99 {late:.2f} ms")


def ingestion(connection: Connection, seconds: float) -> None:
    """Events per second in batches of 100, half of them for customers that are new."""
    status, answer = connection.send(connection.request("GET", "/api/events?limit=20"))
    assert status == 200
    kinds = [(each["source_id"], each["type"], each["version"]) for each in json.loads(answer)["events"]]
    rng = random.Random(2)
    requests = []
    for batch in range(60):
        events = []
        for number in range(100):
            source, kind, version = rng.choice(kinds)
            event = {"source_id": source, "type": kind, "version": version, "event_time": "2025-06-01 12:00:00"}
            event |= {
                "user_identifier": f"bench-{rng.randrange(3000)}",
                "payload": {"n": batch * 100 + number, "a": "b"},
            }
            events.append(event)
        body = json.dumps({"customer_events": events}).encode()
        requests.append(connection.request("POST", "/api/customer_events/", body))
    print(f"events in batches of 100: {rate(connection, requests, seconds, 201) * 100:,.0f} events/s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, and with 10,000 customers only")
    quick = parser.parse_args().quick
    seconds = 0.5 if quick else 3.0
    with server(2000, 20000) as (connection, process, ready):
        print(f"ready with the default data: {ready:.2f} s")
        lists(connection, seconds)
        ingestion(connection, seconds)
        print(f"peak memory, default data: {peak(process):.0f} MB")
    many = 10_000 if quick else 100_000
    with server(many, 20000) as (connection, process, ready):
        print(f"ready with {many:,} customers: {ready:.2f} s")
        searches(connection, 300 if quick else 2000)
        ingestion(connection, seconds)
        print(f"peak memory, {many:,} customers: {peak(process):.0f} MB")


if __name__ == "__main__":
    main()
