"""A server on a real socket that answers as badly as it is told to; each way to answer is a function."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[["Conversation"], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LONGEST_S = 20.0  # nothing here goes on for longer, whoever listens


@dataclass
class Conversation:
    """One request and the connection to answer on."""

    connection: socket.socket
    head: str
    stopped: threading.Event
    began: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        return self.head.split(" ", 2)[1] if " " in self.head else ""

    @property
    def goes_on(self) -> bool:
        return not self.stopped.is_set() and time.monotonic() - self.began < LONGEST_S

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def pause(self, seconds: float) -> None:
        self.stopped.wait(seconds)


@dataclass
class HostileServer:
    """Where it listens, and what it was asked."""

    url: str
    requests: list[str]


@contextmanager
def hostile(answer: Answer) -> Iterator[HostileServer]:
    """Answer every request in this way, and close the connection after it."""
    stopped, asked = threading.Event(), list[str]()
    listener = socket.create_server(("127.0.0.1", 0), backlog=32)

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError, ValueError):
            connection.settimeout(LONGEST_S)
            head = _request(connection)
            if head:
                asked.append(head)
                answer(Conversation(connection, head, stopped))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield HostileServer(f"http://127.0.0.1:{listener.getsockname()[1]}/api", asked)
    finally:
        stopped.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _request(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return ""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = next(
        (int(v) for n, _, v in (line.partition(":") for line in text.split("\r\n")) if n == "Content-Length"), 0
    )
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return text


def whole(body: bytes, *more: str, status: str = "200 OK", media_type: str = "application/json") -> bytes:
    """A well-made answer."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def endless_body(c: Conversation) -> None:
    c.send(HEAD + b"\r\n")
    while c.goes_on:
        c.send(b"[1, 2, 3, 4, 5]," * 4096)


def endless_chunks(c: Conversation) -> None:
    c.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while c.goes_on:
        c.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def dripping_body(c: Conversation) -> None:
    c.send(HEAD + b"Content-Length: 100000\r\n\r\n")
    while c.goes_on:
        c.send(b" ")
        c.pause(0.05)


def dripping_head(c: Conversation) -> None:
    c.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while c.goes_on:
        c.send(b"x")
        c.pause(0.05)


def endless_continue(c: Conversation) -> None:
    while c.goes_on:
        c.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
        c.pause(0.01)


def silence(c: Conversation) -> None:
    c.pause(LONGEST_S)


def _bomb() -> bytes:
    layer = gzip.compress(bytes(8 * 1024 * 1024), 9)
    return layer * 64  # 512 MiB of zeros in members


BOMB = _bomb()


def gzip_bomb(c: Conversation) -> None:
    c.send(whole(BOMB, "Content-Encoding: gzip"))


def nested_gzip_bomb(c: Conversation) -> None:
    c.send(whole(gzip.compress(BOMB, 9), "Content-Encoding: gzip, gzip"))


def broken_gzip(c: Conversation) -> None:
    c.send(whole(b"this is no gzip at all", "Content-Encoding: gzip"))


def length_too_long(c: Conversation) -> None:
    c.send(HEAD + b'Content-Length: 5000\r\n\r\n{"tags": []}')


def length_too_short(c: Conversation) -> None:
    c.send(HEAD + b'Content-Length: 5\r\n\r\n{"tags": []}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')


def negative_length(c: Conversation) -> None:
    c.send(HEAD + b"Content-Length: -5\r\n\r\n{}")


def reset_at_once(c: Conversation) -> None:
    _reset(c.connection)


def reset_in_the_head(c: Conversation) -> None:
    c.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    c.pause(0.05)
    _reset(c.connection)


def reset_in_the_body(c: Conversation) -> None:
    c.send(HEAD + b'Content-Length: 5000\r\n\r\n{"tags": [')
    c.pause(0.05)
    _reset(c.connection)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def redirect_to(place: str) -> Answer:
    return lambda c: c.send(whole(b"{}", f"Location: {place}", status="302 Found"))


def redirect_loop(c: Conversation) -> None:
    c.send(whole(b"{}", f"Location: {c.path}", status="307 Temporary Redirect"))


def deep_json(c: Conversation) -> None:
    c.send(whole(b'{"tags": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"))


def many_values(c: Conversation) -> None:
    c.send(whole(b"[" + b"[]," * 3_000_000 + b"[]]"))


def invalid_utf8(c: Conversation) -> None:
    c.send(whole(b'{"tags": ["\xff\xfe\xc3\x28"]}'))


def two_types(c: Conversation) -> None:
    c.send(whole(b"{}", "Content-Type: text/html"))


def two_lengths(c: Conversation) -> None:
    c.send(whole(b"{}", "Content-Length: 700"))


def many_headers(c: Conversation) -> None:
    c.send(whole(b"{}", *(f"X-Flood-{n}: {n}" for n in range(5000))))


def long_header(c: Conversation) -> None:
    c.send(whole(b"{}", "X-Long: " + "x" * 200_000))


def endless_headers(c: Conversation) -> None:
    c.send(HEAD)
    while c.goes_on:
        c.send(b"X-Flood: " + b"x" * 1000 + b"\r\n")


def body_on_204(c: Conversation) -> None:
    c.send(whole(b'{"surprise": true}', status="204 No Content"))


def bad_chunks(c: Conversation) -> None:
    c.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a length\r\n{}\r\n0\r\n\r\n")


def huge_chunk(c: Conversation) -> None:
    c.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n{}")


def no_http(c: Conversation) -> None:
    c.send(b"220 mail.example ESMTP ready\r\n\r\n")


def nothing(c: Conversation) -> None:
    """Close without a word."""
