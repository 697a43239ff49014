"""A server on a real socket that plays what a test says, byte by byte, and keeps connections open in between."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.wire_corpus import NONCE

LONGEST_S = 20.0  # nothing here goes on for longer, whoever listens
_PLAIN = b"HTTP/1.1 200 OK\r\nX-Nonce: " + NONCE + b"\r\nContent-Length: 8\r\n\r\n" + NONCE


@dataclass
class Exchange:
    """One request, whose body is not read yet, and the connection to answer on. The last part of its path is the
    nonce, the one before says what to play."""

    connection: socket.socket
    head: str
    begun: bytes
    stopped: threading.Event
    open: bool = True

    @property
    def method(self) -> str:
        return self.head.split(" ", 1)[0]

    @property
    def what(self) -> str:
        return self.head.split(" ", 2)[1].split("/")[1]

    @property
    def nonce(self) -> bytes:
        return self.head.split(" ", 2)[1].split("/")[2].encode()

    @property
    def length(self) -> int:
        lines = (line.partition(":") for line in self.head.split("\r\n"))
        return next((int(value) for name, _, value in lines if name.lower() == "content-length"), 0)

    def read_body(self) -> bytes:
        body = self.begun
        while len(body) < self.length:
            more = self.connection.recv(1 << 20)
            if not more:
                raise OSError("the request ended early")
            body += more
        self.begun = b""
        return body

    def send(self, *pieces: bytes) -> None:
        """Send each piece alone."""
        for piece in pieces:
            self.connection.sendall(piece)

    def mark(self, raw: bytes) -> bytes:
        """An answer with the request's nonce in its head."""
        return raw.replace(NONCE, self.nonce, 1)

    def plain(self) -> None:
        self.send(_PLAIN.replace(NONCE, self.nonce))

    def plain_and_close(self) -> None:
        """A plain answer and the end of the connection in one segment, without a word about it in the head."""
        self.connection.send(_PLAIN.replace(NONCE, self.nonce), socket.MSG_MORE)
        self.close()

    def wait(self, seconds: float = LONGEST_S) -> None:
        self.stopped.wait(seconds)

    def close(self) -> None:
        self.open = False
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def end_tls(self) -> None:
        """Say that nothing follows (close_notify), then close."""
        assert isinstance(self.connection, ssl.SSLSocket)
        with suppress(OSError):
            self.connection.settimeout(0.5)
            self.connection.unwrap()
        self.close()

    def reset(self) -> None:
        """Close in the rudest way (RST)."""
        self.open = False
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Play = Callable[[Exchange], None]


@dataclass
class ScriptedServer:
    """`asked`: methods and paths in the order in which they came; `connections`: how many there were."""

    url: str
    asked: list[str] = field(default_factory=list)
    connections: int = 0


@contextmanager
def scripted(play: Play, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Play this for every request; a connection stays open until the play closes it or the client does."""
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    server = ScriptedServer(f"http{'s' if tls else ''}://127.0.0.1:{port}")

    def serve(connection: socket.socket) -> None:
        with suppress(OSError, ValueError):
            connection.settimeout(LONGEST_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            rest = b""
            while not stopped.is_set():
                head, _, rest = _read_head(connection, rest)
                exchange = Exchange(connection, head, rest, stopped)
                server.asked.append(" ".join(head.split(" ", 2)[:2]))
                play(exchange)
                if not exchange.open:
                    return
                rest = exchange.begun
        connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        stopped.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _read_head(connection: socket.socket, data: bytes) -> tuple[str, bytes, bytes]:
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise OSError("the client has gone")
        data += more
    head, end, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), end, rest


def pieces_of(raw: bytes, ends: Iterable[int]) -> list[bytes]:
    """Bytes cut at these places."""
    places = sorted({end for end in ends if 0 < end < len(raw)})
    return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]
