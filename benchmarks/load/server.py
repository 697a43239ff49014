"""The server that all contenders ask: nginx on one core, answers from memory, over HTTP and TLS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from cdp.ports import free_port

_CONFIGURATION = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; tcp_nodelay on; default_type application/json;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi; root {directory}/pages;
  open_file_cache max=10 inactive=600s; client_max_body_size 10m;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    listen 127.0.0.1:{tls_port} ssl backlog=4096;
    ssl_certificate {directory}/server.pem; ssl_certificate_key {directory}/server.key; ssl_session_cache off;
    location = /small {{ return 200 '{small}'; }}
    location = /list {{ try_files /list.json =404; }}
    location = /events {{ return 201 '{created}'; }}
    location = /status {{ stub_status; }}
  }}
}}
"""
SMALL = json.dumps({"ok": True, "id": 4711, "name": "a customer of the shop", "created": "2026-01-01 00:00:00.000000"})
CREATED = json.dumps({"count": 1, "customer_events": [{"id": "0" * 32, "type": "order", "user_identifier": "someone"}]})
EVENT = json.dumps(
    {
        "customer_events": [
            {
                "source_id": "shop",
                "type": "order",
                "version": "1-0-0",
                "user_identifier": "someone@example.com",
                "event_time": "2026-01-01 00:00:00",
                "payload": {"order": 4711, "amount": 99.5, "currency": "EUR"},
            }
        ]
    }
)


def list_body(size: int = 5000) -> str:
    """A list of customers of about `size` bytes, as the API answers it."""
    customers: list[dict[str, str]] = []
    body = ""
    while len(body) < size:
        number = len(customers)
        customers.append(
            {
                "customer_entity_id": f"{number:032x}",
                "source_id": "shop",
                "attribute_id": "email",
                "value": f"customer{number}@example.com",
                "created": "2026-01-01 00:00:00",
            }
        )
        body = json.dumps({"customers": customers, "selection_settings": {"limit": 20, "offset": 0}})
    return body


class BenchError(Exception):
    """The benchmark cannot run here; the message is one line that says what to do."""


@dataclass
class Server:
    """nginx, pinned to a core, for as long as the context lasts."""

    core: int

    def __enter__(self) -> Self:
        binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if binary is None:
            raise BenchError("nginx is missing: install it (on Debian and Ubuntu: apt install nginx-light)")
        self.directory = Path(tempfile.mkdtemp(prefix="bench-"))
        self.port, self.tls_port = free_port(), free_port()
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(self.directory / "server.pem")
        certificate.private_key_pem.write_to_path(self.directory / "server.key")
        self.ca_file = self.directory / "authority.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        pages = self.directory / "pages"
        pages.mkdir()
        (pages / "list.json").write_text(list_body())
        self.directory.chmod(0o755)
        configuration = self.directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                directory=self.directory, port=self.port, tls_port=self.tls_port, small=SMALL, created=CREATED
            )
        )
        self.process = subprocess.Popen(
            [binary, "-p", str(self.directory), "-c", str(configuration)],
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.requests()
                return self
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.__exit__(None, None, None)
                    raise BenchError("nginx did not start; is another one of its files broken?") from None
                time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_origin(self) -> str:
        return f"https://127.0.0.1:{self.tls_port}"

    def requests(self) -> int:
        """How many requests it has answered so far, without the ones that ask this."""
        with urllib.request.urlopen(f"{self.origin}/status", timeout=5) as answer:
            counts = answer.read().decode().splitlines()[2].split()
        self._asked = getattr(self, "_asked", 0) + 1
        return int(counts[2]) - self._asked

    def workers(self) -> list[int]:
        """Process ids of the worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def freeze(self) -> None:
        """Let it stand still: connections stay open, nothing is answered."""
        for pid in self.workers():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        try:
            for pid in self.workers():
                os.kill(pid, signal.SIGCONT)
        except OSError:
            return  # it is gone
