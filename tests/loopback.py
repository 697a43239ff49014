"""Small servers on this machine that answer as a test says, and remember what they were asked; a proxy among them."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer; with status 0 there is none, and the connection is closed. `after`: sent behind it."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: bytes = b""


@dataclass
class Loopback:
    """A running server. `asked` are its requests in the order in which they came."""

    url: str
    asked: list[Asked]

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.asked]


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are written apart

    def log_message(self, *arguments: object) -> None:
        pass

    def take(self) -> Asked:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return Asked(self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, body)

    def give(self, reply: Reply) -> None:
        if not reply.status:
            self.close_connection = True
            return
        self.send_response_only(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body + reply.after)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up, or refuses the certificate, is what some tests are about


@contextmanager
def _running(handler: type[_Quiet], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(answer: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """A server that answers what the function says."""
    asked: list[Asked] = []

    class Handler(_Quiet):
        def _answer(self) -> None:
            request = self.take()
            asked.append(request)
            self.give(answer(request))

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_OPTIONS = _answer

    with _running(Handler, tls) as url:
        yield Loopback(url, asked)


def forwarding(origin: str) -> Callable[[Asked], Reply]:
    """Answers of another server."""
    local = threading.local()

    def answer(request: Asked) -> Reply:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
        headers = {n: v for n, v in request.headers.items() if n not in ("host", "content-length", "connection")}
        response = local.session.request(
            request.method, origin + request.path, headers=headers, data=request.body or None, timeout=30
        )
        kept = {n: response.headers[n] for n in ("Content-Type", "Allow", "Retry-After") if n in response.headers}
        return Reply(response.status_code, response.content, kept)

    return answer


@contextmanager
def proxying(authorization: str = "") -> Iterator[Loopback]:
    """A forward proxy; with `authorization` it wants this value under Proxy-Authorization."""
    asked: list[Asked] = []

    class Handler(_Quiet):
        def _admitted(self, request: Asked) -> bool:
            asked.append(request)
            if authorization and request.headers.get("proxy-authorization") != authorization:
                self.give(Reply(407, b"", {"Proxy-Authenticate": "Basic"}))
                return False
            return True

        def _forward(self) -> None:
            request = self.take()
            if not self._admitted(request):
                return
            parts = urlsplit(request.path)
            connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
            headers = {n: v for n, v in request.headers.items() if not n.startswith("proxy-")}
            connection.request(request.method, parts._replace(scheme="", netloc="").geturl(), request.body, headers)
            response = connection.getresponse()
            self.give(Reply(response.status, response.read(), {"Content-Type": response.headers["Content-Type"]}))
            connection.close()

        def do_CONNECT(self) -> None:
            if not self._admitted(Asked(self.command, self.path, dict(self.headers.items()), b"")):
                return
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=10) as beyond:
                self.send_response_only(200)
                self.end_headers()
                _tunnel(self.connection, beyond)
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _forward

    with _running(Handler) as url:
        yield Loopback(url, asked)


def _tunnel(one: socket.socket, other: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([one, other], [], [], 10)
        if not ready:
            return
        for end in ready:
            data = end.recv(65536)
            if not data:
                return
            (other if end is one else one).sendall(data)
