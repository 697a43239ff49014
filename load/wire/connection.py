"""One connection: a non-blocking socket, watched by the gevent hub, with at most one request in flight.

Nothing here blocks or switches greenlets: every method runs as a callback of the hub, or returns at once.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from load.answer import Answer, Done, Failure
from load.wire.coding import AnswerError
from load.wire.origin import Address
from load.wire.parser import AnswerParser
from load.wire.received import Received
from load.wire.sockets import dial, failure_of, recv_stamped, refusal, silent
from load.wire.tls import TlsLayer, tls_detail

if TYPE_CHECKING:
    from load.wire.pool import Pool

NEVER = 1 << 63  # later than any time of the clock
READ_SIZE = 65536
_READ, _WRITE = 1, 2  # events of libev
_ELSEWHERE = (Failure.REFUSED, Failure.UNREACHABLE)  # worth a try at the next address


class Connection:
    """A connection that is opened for its first request. `done` is None while it is idle."""

    __slots__ = (
        "_addresses",
        "_parser",
        "_pool",
        "_reading",
        "_received_ns",
        "_recv",
        "_request",
        "_socket",
        "_spent",
        "_tls",
        "_unsent",
        "_writing",
        "deadline_ns",
        "done",
        "freed_ns",
        "proven",
        "sent_ns",
    )

    def __init__(self, pool: Pool, request: bytes, done: Done, deadline_ns: int) -> None:
        self._pool = pool
        self._request = request
        self._unsent: bytes | memoryview = b""
        self._parser = AnswerParser(pool.max_body, pool.heads)
        self._socket: socket.socket | None = None
        self._reading: Any = None
        self._writing: Any = None
        self._tls: TlsLayer | None = None
        self._spent = False  # what was read last leaves no room for another answer
        self._received_ns = 0
        self._addresses: list[Address] = []
        self.done: Done | None = done
        self.deadline_ns = deadline_ns
        self.sent_ns = 0
        self.freed_ns = 0
        self.proven = False  # the server is known to keep it open after an answer

    # Opening

    def open(self) -> None:
        """Begin to connect. A failure is told from the hub, never from in here."""
        self._addresses = list(self._pool.addresses)
        problem = self._dial()
        if problem:
            self._pool.loop.run_callback(self.fail, *problem)

    def _dial(self) -> tuple[Failure, str] | None:
        """Begin to connect to the next address that does not refuse at once; None, or why there is none."""
        problem = (Failure.UNREACHABLE, "no address left")
        while self._addresses:
            try:
                self._socket = dialled = dial(self._addresses.pop(0), stamped=self._pool.sample_every > 0)
            except OSError as error:
                problem = failure_of(error.errno or errno.EIO)
                if problem[0] not in _ELSEWHERE:
                    break
                continue
            self._recv: Callable[[int], bytes] = dialled.recv
            self._writing = self._pool.loop.io(dialled.fileno(), _WRITE)
            self._writing.start(self._on_connected)
            return None
        return problem

    def _on_connected(self) -> None:
        """The connection is up, or refused."""
        assert self._socket is not None
        if code := refusal(self._socket):
            problem: tuple[Failure, str] | None = failure_of(code)
            self._drop_socket()
            if problem and problem[0] in _ELSEWHERE and self._addresses:
                problem = self._dial()
            if problem:
                self.fail(*problem)
            return
        self._writing.stop()
        self._pool.opened += 1
        self._reading = self._pool.loop.io(self._socket.fileno(), _READ)
        self._reading.start(self._on_readable)
        if self._pool.tls is None:
            self._begin(monotonic_ns())
        else:
            self._tls = TlsLayer(self._pool.tls, self._pool.origin.host)
            self._shake(self._tls, b"")

    def _shake(self, tls: TlsLayer, data: bytes) -> None:
        try:
            tls.shake(data)
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._push(tls.outgoing())  # the alert, so that the server knows
            self.fail(Failure.TLS, tls_detail(error))
            return
        self._push(tls.outgoing())
        if tls.established:
            self._begin(monotonic_ns())

    # Sending

    def send(self, request: bytes, done: Done, now_ns: int, deadline_ns: int) -> None:
        """Send a request over this idle connection."""
        self.done = done
        self.deadline_ns = deadline_ns
        self.proven = True
        self._request = request
        self._begin(now_ns)

    def _begin(self, now_ns: int) -> None:
        """The first bytes of the request go to the kernel."""
        request = self._request
        self._request = b""
        self._parser.expect(no_body=request.startswith(b"HEAD "))
        if self._pool.sample_every:
            self._recv = self._recv_stamped if self._pool.sampled() else self._socket.recv  # type: ignore[union-attr]
        if self._tls is not None:
            request = self._tls.encrypt(request)
        try:
            count = self._socket.send(request) if not self._unsent else 0  # type: ignore[union-attr]
        except BlockingIOError:
            count = 0
        except OSError as error:
            self.sent_ns = 0
            self._unsent = memoryview(request)
            self._pool.loop.run_callback(self._broken, error, self.done)
            return
        self.sent_ns = now_ns if count else 0
        if count < len(request):
            self._keep_for_later(request[count:])

    def _push(self, data: bytes) -> None:
        """Send what is TLS's own: handshake, alerts."""
        if data and self._socket is not None:
            count = 0
            if not self._unsent:
                with contextlib.suppress(OSError):  # reading will say what is wrong
                    count = self._socket.send(data)
            if count < len(data):
                self._keep_for_later(data[count:])

    def _keep_for_later(self, data: bytes) -> None:
        self._unsent = memoryview(bytes(self._unsent) + data)
        self._writing.start(self._on_writable)

    def _on_writable(self) -> None:
        try:
            count = self._socket.send(self._unsent)  # type: ignore[union-attr]
        except BlockingIOError:
            return
        except OSError as error:
            self._writing.stop()
            self._broken(error, self.done)
            return
        if not self.sent_ns and (self._tls is None or self._tls.established):
            self.sent_ns = monotonic_ns()
        self._unsent = self._unsent[count:]
        if not self._unsent:
            self._writing.stop()

    def _broken(self, error: OSError, done: Done | None) -> None:
        """A request could not be sent to its end. An answer may have come before that, and then it counts."""
        while self.done is done is not None and self._socket is not None:
            try:
                data = self._recv(READ_SIZE)
            except OSError:
                data = b""
            if not data:
                self.fail(*failure_of(error.errno or errno.EIO))
                return
            self._arrived(data, monotonic_ns())

    # Reading

    def _on_readable(self) -> None:
        try:
            data = self._recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            if self.done is None:
                self._dropped_idle()
            else:
                self.fail(*failure_of(error.errno or errno.EIO))
            return
        if self._tls is None and 0 < len(data) < READ_SIZE and self.done is not None:  # nearly always
            self._spent = False
            self._take(data, monotonic_ns())
        else:
            self._arrived(data, monotonic_ns())

    def _arrived(self, data: bytes, now_ns: int) -> None:
        """Bytes from the socket; none: the server has closed its side."""
        self._spent = len(data) == READ_SIZE and self._socket is not None and not silent(self._socket)
        if self._tls is not None:
            self._arrived_tls(self._tls, data, now_ns)
        elif data:
            self._take(data, now_ns)
        else:
            self._ended(now_ns)

    def _arrived_tls(self, tls: TlsLayer, data: bytes, now_ns: int) -> None:
        if not data:
            # Without TLS's own end (close_notify) the last bytes may have been cut off by anybody.
            if tls.established:
                self.fail(Failure.CLOSED)
            else:
                self.fail(Failure.TLS, "the server closed the connection in the handshake")
            self._dropped_idle()
            return
        if not tls.established:
            self._shake(tls, data)
            if not tls.established or self._socket is None:
                return
            data = b""
        try:
            data = tls.decrypt(data)
        except ssl.SSLError as error:
            self.fail(Failure.TLS, tls_detail(error))
            self.close()
            return
        self._push(tls.outgoing())
        self._spent = self._spent or tls.ended
        if data:
            self._take(data, now_ns)
        if tls.ended and self._socket is not None:
            self._ended(now_ns)

    def _take(self, data: bytes, now_ns: int) -> None:
        """Bytes of an answer."""
        if self.done is None:
            self._pool.refused_reuse += 1  # nobody asked for them
            self.close()
            return
        try:
            if self._parser.feed(data):
                self._finish(now_ns)
        except AnswerError as error:
            self.fail(error.failure, error.detail)

    def _ended(self, now_ns: int) -> None:
        """The server has closed the connection in good order."""
        self._spent = True
        if self.done is None:
            self._dropped_idle()
            return
        try:
            if self._parser.end():
                self._finish(now_ns)
                return
        except AnswerError as error:
            self.fail(error.failure, error.detail)
            return
        self.fail(Failure.CLOSED)

    def _dropped_idle(self) -> None:
        """The server has closed the connection, and nobody waits for an answer on it."""
        if self.freed_ns and self._socket is not None:
            self._pool.note_idle(monotonic_ns() - self.freed_ns)
        self.close()

    def look(self) -> bool:
        """Whether this idle connection is still good, when the hub may not have told yet that the server closed it."""
        assert self._socket is not None
        if not silent(self._socket):
            self._on_readable()
        return self._socket is not None

    def _recv_stamped(self, size: int) -> bytes:
        """Like `recv`, and notes when the kernel had the bytes."""
        assert self._socket is not None
        data, received_ns = recv_stamped(self._socket, size)
        if received_ns and received_ns >= self.sent_ns:  # else the wall clock was set meanwhile
            self._received_ns = received_ns
        return data

    # Ending

    def _finish(self, now_ns: int) -> None:
        """The answer is whole."""
        parser = self._parser
        pool = self._pool
        done = self.done
        assert done is not None
        answer = Received(parser.status, parser.head, parser.body, self.sent_ns, now_ns)
        if parser.coded:
            try:
                answer.body = parser.decoded()
            except AnswerError as error:
                answer.body, answer.failure, answer.detail = b"", error.failure, error.detail
        if self._received_ns:
            answer.received_ns, self._received_ns = self._received_ns, 0
        self.done = None
        if parser.reusable and not self._unsent and not self._spent and not pool.closed:
            self.deadline_ns = NEVER
            self.freed_ns = now_ns
            if self.proven:
                pool.idle_connections[self] = None
            else:
                pool.unproven_connections[self] = None
        else:
            if parser.surplus:
                pool.refused_reuse += 1
            self.close()
        pool.deliver(done, answer)

    def fail(self, failure: Failure, detail: str = "") -> None:
        """End the request in flight, and the connection with it. Does nothing when none is in flight."""
        done, sent_ns = self.done, self.sent_ns
        if done is None:
            return
        self.close()
        answer = Answer(0, (), b"", sent_ns, monotonic_ns(), failure, detail, indeterminate=sent_ns > 0)
        self._pool.deliver(done, answer)

    def close(self) -> None:
        """Let go of the socket; the pool forgets the connection. Whoever waits for an answer is not told."""
        self.done = None
        self.deadline_ns = NEVER
        self._drop_socket()
        self._pool.forget(self)

    def _drop_socket(self) -> None:
        for watcher in (self._reading, self._writing):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reading = self._writing = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
