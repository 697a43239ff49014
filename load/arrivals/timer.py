"""A timer for points in time, in the gevent hub.

On Linux it is a timerfd on the monotonic clock (timerfd_create(2)) that the hub's event loop watches like a socket: it
wakes some hundredths of a millisecond after its time. Elsewhere the loop's own timer serves. Where libev waits with
epoll that is half a millisecond late in the middle, because epoll_wait(2) counts in whole milliseconds
(`python -m benchmarks.arrivals` measures both).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent

_TFD_TIMER_ABSTIME = 1
_READ = 1  # of libev
_ITIMERSPEC = struct.Struct("@llll")  # interval and value, each in seconds and nanoseconds


class Timer(Protocol):
    """Calls back once at the time that was set last. It is the callback's to set the next time, or `rest`."""

    def at(self, when_ns: int) -> None: ...

    def rest(self) -> None: ...

    def close(self) -> None: ...


class _Timerfd:
    """A timerfd by way of libc, for a Python that has none in `os` (before 3.13). Raises OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        # TFD_NONBLOCK and TFD_CLOEXEC are O_NONBLOCK and O_CLOEXEC (timerfd_create(2)).
        self.descriptor = self._checked(self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        self._spec = ctypes.create_string_buffer(_ITIMERSPEC.size)
        self._settime = self._libc.timerfd_settime

    def set(self, when_ns: int) -> None:
        _ITIMERSPEC.pack_into(self._spec, 0, 0, 0, when_ns // 1_000_000_000, when_ns % 1_000_000_000)
        self._checked(self._settime(self.descriptor, _TFD_TIMER_ABSTIME, self._spec, None))

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result


if sys.version_info >= (3, 13):

    class _PythonTimerfd:
        """A timerfd by way of `os`. Raises OSError."""

        def __init__(self) -> None:
            self.descriptor = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

        def set(self, when_ns: int) -> None:
            os.timerfd_settime_ns(self.descriptor, flags=os.TFD_TIMER_ABSTIME, initial=when_ns)

    _make_timerfd = _PythonTimerfd if hasattr(os, "timerfd_create") else _Timerfd
else:
    _make_timerfd = _Timerfd


class DescriptorTimer:
    """A timerfd. Raises OSError where the system has none, or no descriptor is left."""

    def __init__(self, callback: Callable[[], None]) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError("this system has no timerfd")
        self._timer = _make_timerfd()
        self._watcher: Any = gevent.get_hub().loop.io(self._timer.descriptor, _READ)
        self._watcher.start(callback)  # whatever sets a timerfd makes it silent again, so that nobody has to read it

    def at(self, when_ns: int) -> None:
        """Set the time, on the monotonic clock; one that has passed fires at once."""
        self._timer.set(max(1, when_ns))  # 0 would disarm it

    def rest(self) -> None:
        """No time is set any more."""
        self._timer.set(0)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
            os.close(self._timer.descriptor)


class LoopTimer:
    """The event loop's own timer, for systems without timerfd."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._watcher: Any = None

    def at(self, when_ns: int) -> None:
        self.close()
        self._watcher = gevent.get_hub().loop.timer(max(0.0, (when_ns - time.monotonic_ns()) / 1e9))
        self._watcher.start(self._fired, update=True)  # from now, not from when the loop last looked at the clock

    def rest(self) -> None:
        """No time is set any more."""
        self.close()

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def _fired(self) -> None:
        self.close()
        self._callback()


def make_timer(callback: Callable[[], None]) -> Timer:
    """The best timer that this system has."""
    try:
        return DescriptorTimer(callback)
    except (OSError, AttributeError):
        return LoopTimer(callback)
