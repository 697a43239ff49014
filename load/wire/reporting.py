"""How requests of users get into the statistics: as Locust's `request` events, and to a recorder that folds in batches.

An event costs more CPU than the request itself, so successes fire one only when somebody listens who is neither
Locust's statistics nor the recorder. Failures always do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from locust.env import Environment

from load.answer import Failure

if TYPE_CHECKING:
    from load.wire.response import WireResponse

_OF_LOCUST = "locust.runners"  # where the listener stands that fills Locust's statistics


class Channel(Protocol):
    """Takes the results of one method and name. Times in nanoseconds of the monotonic clock."""

    def add(self, intended_ns: int, sent_ns: int, done_ns: int, length: int, events: int = 0) -> None: ...

    def fail(
        self,
        intended_ns: int,
        sent_ns: int,
        done_ns: int,
        length: int,
        error: str,
        requirement: str = "",
        indeterminate: bool = False,
        failure: Failure | None = None,
    ) -> None: ...


class Recorder(Protocol):
    """Keeps results for itself and folds them into Locust's tables: successes only where nobody `others_listen`
    tells of listens, because Locust's own listener counts every event that is fired."""

    def channel(self, method: str, name: str, scenario: str) -> Channel: ...


def others_listen(environment: Environment, own: Iterable[Callable[..., Any]] = ()) -> bool:
    """Whether anybody but Locust's statistics and `own` listeners wants to hear of each request.

    Locust keeps no list of who is who: its own listener is known by the module it was defined in.
    """
    mine = list(own)
    handlers = environment.events.request._handlers
    return any(getattr(each, "__module__", "") != _OF_LOCUST and each not in mine for each in handlers)


class Reporter:
    """Reports the requests of one environment's users. Without a recorder all of them fire events."""

    def __init__(self, environment: Environment, recorder: Recorder | None, own: Iterable[Callable[..., Any]]) -> None:
        self._fire = environment.events.request.fire
        self._recorder = recorder
        self._channels: dict[tuple[str, str, str], Channel] = {}
        self.fires_all = recorder is None or others_listen(environment, own)

    def report(self, response: WireResponse, scenario: str, error: Exception | None) -> None:
        """A request is over; `error`: why it counts as failed."""
        if self._recorder is not None:
            self._record(response, scenario, error)
        if error is not None or self.fires_all:
            meta = response.request_meta
            meta["exception"] = error
            self._fire(**meta)

    def _record(self, response: WireResponse, scenario: str, error: Exception | None) -> None:
        key = (response.method, response.name, scenario)
        channel = self._channels.get(key)
        if channel is None:
            assert self._recorder is not None
            channel = self._channels[key] = self._recorder.channel(*key)
        answer = response.answer
        started_ns, done_ns, length = response.started_ns, response.done_ns, len(answer.body)
        if error is None:
            channel.add(started_ns, answer.sent_ns, done_ns, length)
        else:
            text = str(error) or type(error).__name__
            channel.fail(
                started_ns,
                answer.sent_ns,
                done_ns,
                length,
                text,
                getattr(error, "requirement", ""),
                answer.indeterminate or getattr(error, "indeterminate", False),
                answer.failure,
            )


_reporters: WeakKeyDictionary[Environment, Reporter] = WeakKeyDictionary()


def attach(environment: Environment, recorder: Recorder | None, own: Iterable[Callable[..., Any]] = ()) -> Reporter:
    """From now on the users of this environment report to a recorder. `own`: listeners of the recorder itself."""
    reporter = _reporters[environment] = Reporter(environment, recorder, own)
    return reporter


def reporter_of(environment: Environment) -> Reporter:
    """The reporter of an environment; one without a recorder when none was attached."""
    return _reporters.get(environment) or attach(environment, None)
