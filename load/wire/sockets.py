"""What a connection needs of the system's sockets: opening one, what its errors mean, when the kernel had its bytes."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from time import monotonic_ns

from gevent import monkey

from load.answer import Failure
from load.wire.origin import Address

_SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it
_TIMESPEC = struct.Struct("@qq")
_FAILURES = {
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ECONNRESET: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.ECONNABORTED: Failure.RESET,
    errno.EMFILE: Failure.NO_DESCRIPTOR,
    errno.ENFILE: Failure.NO_DESCRIPTOR,
    errno.ENOBUFS: Failure.NO_DESCRIPTOR,
    errno.ENOMEM: Failure.NO_DESCRIPTOR,
    errno.EADDRNOTAVAIL: Failure.NO_PORT,
    errno.EADDRINUSE: Failure.NO_PORT,
}

# Under Locust the module's own class is gevent's, whose methods would switch.
_Socket: type[socket.socket] = monkey.get_original("socket", "socket")


def dial(address: Address, *, stamped: bool) -> socket.socket:
    """A non-blocking socket that has begun to connect. `stamped`: the kernel notes when it has received bytes. Raises
    OSError when the system refuses at once."""
    family, where = address
    opened = _Socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if stamped:
            opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        code = opened.connect_ex(where)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
    except OSError:
        opened.close()
        raise
    return opened


def refusal(connecting: socket.socket) -> int:
    """Why a socket that has ended connecting is not connected, as an error number; 0 where it is."""
    code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return code or (errno.ECONNREFUSED if _connected_to_itself(connecting) else 0)


def _connected_to_itself(connected: socket.socket) -> bool:
    """On one machine, a port that nobody listens on may be drawn as one's own (TCP's simultaneous open)."""
    try:
        return bool(connected.getsockname() == connected.getpeername())
    except OSError:
        return False  # it ended already; reading will say so


def silent(connected: socket.socket) -> bool:
    """Whether nothing waits to be read, not even an end."""
    try:
        connected.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def recv_stamped(connected: socket.socket, size: int) -> tuple[bytes, int]:
    """Like `recv`, and by the monotonic clock when the kernel had the bytes; 0 where it does not say. Linux stamps by
    the wall clock."""
    data, notes, _, _ = connected.recvmsg(size, 256)
    for level, kind, value in notes:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(value) >= _TIMESPEC.size:
            seconds, rest = _TIMESPEC.unpack_from(value)
            behind = time.time_ns() - (seconds * 1_000_000_000 + rest)
            return data, monotonic_ns() - max(behind, 0)
    return data, 0


def failure_of(code: int) -> tuple[Failure, str]:
    """What an error number of the system means."""
    return _FAILURES.get(code, Failure.UNREACHABLE), os.strerror(code)
