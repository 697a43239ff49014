"""What a request of the wire client costs: `python -m benchmarks.wire [--requests N] [--rounds N]`.

nginx on the first core, this program on the second. CPU microseconds per request of this process (user and system), for
each kind of work over some interleaved rounds: minimum, median, maximum. Every answer is decoded and a field of it
checked. For comparison, the same request over one blocking socket that does nothing but send and receive.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.monkey
import locust  # first: it patches the standard library, as in every run
import msgspec
from locust.env import Environment

from cdp.ports import free_port
from load.answer import Answer, Failure
from load.wire import Pool, RequestTemplate
from load.wire.reporting import attach
from load.wire.tls import make_context
from load.wire.user import WireUser

CONNECTIONS = 32
HEADERS = {"X-Access-Token": "0123456789abcdef" * 2, "Accept": "application/json"}
EVENT = json.dumps({"customer": "0" * 32, "type": "page_view", "payload": {"price": 12.5, "tags": ["a", "b"]}}).encode()
_CONFIGURATION = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/errors; worker_cpu_affinity {mask};
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
  server {{
    listen 127.0.0.1:{port}; {tls}
    location / {{ root {home}/www; open_file_cache max=10; }}
    location /events {{ return 200 '{{"ok": true, "count": 1}}'; }}
  }}
}}
"""


class Checked(msgspec.Struct):
    """The field that is looked at."""

    ok: bool


@dataclass(frozen=True)
class Work:
    """One thing to measure: `run` makes so many requests and returns when all are answered."""

    name: str
    run: Callable[[int], None]


def write_answers(www: Path) -> None:
    """100 bytes, and a list of 5 KB."""
    www.mkdir()
    small = json.dumps({"ok": True, "name": ""})
    (www / "small").write_text(small.replace('""', '"' + "x" * (100 - len(small)) + '"'))
    entry = {"id": "0" * 32, "name": "x" * 40, "created": "2026-01-01T00:00:00Z", "tags": ["a", "b"], "count": 1}
    (www / "list").write_text(json.dumps({"ok": True, "entries": [entry] * 34}))


@contextmanager
def nginx(program: str, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """An nginx with one worker on the first core; its base URL."""
    first = sorted(os.sched_getaffinity(0))[0]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        write_answers(home / "www")
        certificate = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};" if tls else ""
        port = free_port()
        text = _CONFIGURATION.format(home=home, port=port, tls=certificate, mask=format(1 << first, "b"))
        (home / "nginx.conf").write_text(text.replace(f":{port};", f":{port} ssl;") if tls else text)
        process = subprocess.Popen([program, "-e", str(home / "errors"), "-c", str(home / "nginx.conf")])
        try:
            deadline = time.monotonic() + 10
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"nginx did not start: {(home / 'errors').read_text()[-500:]}")
                time.sleep(0.02)
            yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def pool_work(name: str, pool: Pool, method: str, path: str, body: bytes = b"") -> Work:
    """Requests over 32 connections, each begun in the callback of the one before."""
    media_type = "application/json" if body else ""
    request = RequestTemplate(pool.origin.authority, HEADERS).encode(method, path, body, media_type)
    decode = msgspec.json.Decoder(Checked).decode

    def run(count: int) -> None:
        over = gevent.event.Event()
        left = count
        answered = good = 0

        def done(answer: Answer) -> None:
            nonlocal left, answered, good
            answered += 1
            if answer.status == 200 and decode(answer.body).ok:
                good += 1
            if left:
                left -= 1
                pool.start(request, done)
            elif answered == count:
                over.set()

        for _ in range(min(CONNECTIONS, count)):
            left -= 1
            pool.start(request, done)
        if not over.wait(300) or good != count:
            raise SystemExit(f"{name}: {good} good answers of {count}")

    return Work(name, run)


class Batches:
    """Stands for a recorder: keeps the figures of successes in a list."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int]] = []
        self.failed = 0

    def channel(self, method: str, name: str, scenario: str) -> Batches:
        return self

    def add(self, intended_ns: int, sent_ns: int, done_ns: int, length: int, events: int = 0) -> None:
        self.rows.append((intended_ns, sent_ns, done_ns, length))

    def fail(self, *arguments: Any, indeterminate: bool = False, failure: Failure | None = None) -> None:
        self.failed += 1


def user_work(name: str, url: str, batches: Batches | None) -> Work:
    """32 users in greenlets of their own."""
    environment = Environment(host=url)
    environment.create_local_runner()
    attach(environment, batches)
    kind = type("Person", (WireUser,), {"host": url, "tasks": [print], "default_headers": HEADERS})
    users = [kind(environment) for _ in range(CONNECTIONS)]
    decode = msgspec.json.Decoder(Checked).decode

    def run(count: int) -> None:
        share = count // CONNECTIONS

        def work(user: WireUser) -> None:
            for _ in range(share):
                response = user.client.get("/small")
                if not decode(response.content or b"").ok:
                    raise SystemExit(f"{name}: a wrong answer")

        gevent.joinall([gevent.spawn(work, user) for user in users], timeout=300, raise_error=True)
        if batches is not None:
            batches.rows.clear()

    return Work(name, run)


def floor_work(url: str) -> Work:
    """One blocking socket, no parser."""
    pool_origin = url.partition("://")[2]
    host, _, port = pool_origin.partition(":")
    plain = gevent.monkey.get_original("socket", "socket")()
    plain.connect((host, int(port)))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = RequestTemplate(pool_origin, HEADERS).encode("GET", "/small")

    def run(count: int) -> None:
        for _ in range(count):
            plain.send(request)
            plain.recv(65536)

    return Work("blocking socket, nothing parsed", run)


def cpu_us() -> float:
    """CPU time of this process so far, user and system, in microseconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def measure(works: list[Work], rounds: int, requests: int) -> None:
    """Print a line per work: CPU microseconds per request, and requests per second at the median."""
    found: dict[str, list[tuple[float, float]]] = {work.name: [] for work in works}
    for work in works:
        work.run(CONNECTIONS * 20)
    for _ in range(rounds):
        for work in works:
            count = requests - requests % CONNECTIONS
            cpu, wall = cpu_us(), time.perf_counter()
            work.run(count)
            found[work.name].append(((cpu_us() - cpu) / count, count / (time.perf_counter() - wall)))
    print(f"{'CPU us per request':40} {'min':>7} {'median':>7} {'max':>7} {'requests/s':>11}")
    for name, figures in found.items():
        costs = [cost for cost, _ in figures]
        rate = statistics.median(rate for _, rate in figures)
        print(f"{name:40} {min(costs):7.1f} {statistics.median(costs):7.1f} {max(costs):7.1f} {rate:11,.0f}")


@contextmanager
def certified(home: Path) -> Iterator[tuple[tuple[Path, Path], ssl.SSLContext] | None]:
    """A certificate for 127.0.0.1 and a context that trusts it; None where trustme is not installed."""
    try:
        import trustme
    except ImportError:
        yield None
        return
    authority = trustme.CA()
    mine = authority.issue_cert("127.0.0.1")
    mine.cert_chain_pems[0].write_to_path(str(home / "cert.pem"))
    mine.private_key_pem.write_to_path(str(home / "key.pem"))
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    yield (home / "cert.pem", home / "key.pem"), make_context(str(home / "ca.pem"))


def main() -> int:
    """Measure every kind of work in interleaved rounds, and print a table. 0, or 3 without nginx."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--requests", type=int, default=50_000, help="requests per work and round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    program = shutil.which("nginx")
    if program is None:
        print("nginx is needed: apt install nginx-light (or the package of your system)", file=sys.stderr)
        return 3
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name, certified(Path(name)) as tls, nginx(program) as url:
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        pool = Pool(url, timeout_s=30, max_connections=CONNECTIONS)
        works = [
            floor_work(url),
            pool_work("pool, GET 100 B", pool, "GET", "/small"),
            pool_work("pool, GET 5 KB", pool, "GET", "/list"),
            pool_work("pool, POST of an event", pool, "POST", "/events", EVENT),
            user_work("WireUser, GET 100 B, batched", url, Batches()),
            user_work("WireUser, GET 100 B, events", url, None),
        ]
        if tls is None:
            measure(works, arguments.rounds, arguments.requests)
        else:
            with nginx(program, tls[0]) as secure:
                covered = Pool(secure, timeout_s=30, max_connections=CONNECTIONS, tls=tls[1])
                works.insert(4, pool_work("pool over TLS, GET 100 B", covered, "GET", "/small"))
                measure(works, arguments.rounds, arguments.requests)
    print(f"{len(cores)} cores, Locust {locust.__version__}, Python {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
