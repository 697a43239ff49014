"""A timer for points in time, in the gevent hub.

On Linux it is a timerfd on the monotonic clock (timerfd_create(2)) that the hub's event loop watches like a socket: it
wakes some hundredths of a millisecond after its time. Elsewhere the loop's own timer serves, which libev rounds to
about a millisecond.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent

_CLOCK_MONOTONIC = 1
_TFD_FLAGS = 0o2004000  # TFD_NONBLOCK | TFD_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_READ = 1  # of libev


class Timer(Protocol):
    """Calls back once at the time that was set last."""

    def at(self, when_ns: int) -> None: ...

    def close(self) -> None: ...


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class DescriptorTimer:
    """A timerfd. Raises OSError where the system has none."""

    def __init__(self, callback: Callable[[], None]) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError("this system has no timerfd")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._spec = _Itimerspec()
        self._reference = ctypes.byref(self._spec)
        self._callback = callback
        self._watcher: Any = gevent.get_hub().loop.io(self._descriptor, _READ)
        self._watcher.start(self._fired)

    def at(self, when_ns: int) -> None:
        """Set the time, on the monotonic clock; one that has passed fires at once."""
        self._spec.it_value.tv_sec, self._spec.it_value.tv_nsec = divmod(max(1, when_ns), 1_000_000_000)
        self._libc.timerfd_settime(self._descriptor, _TFD_TIMER_ABSTIME, self._reference, None)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None
            os.close(self._descriptor)

    def _fired(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return  # it was set anew meanwhile
        self._callback()


class LoopTimer:
    """The event loop's own timer, for systems without timerfd."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._watcher: Any = None

    def at(self, when_ns: int) -> None:
        self.close()
        self._watcher = gevent.get_hub().loop.timer(max(0.0, (when_ns - time.monotonic_ns()) / 1e9))
        self._watcher.start(self._fired)

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
