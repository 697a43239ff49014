"""The open loop of one process: each arrival of its stripe is sent when it is due, whether or not answers came.

Everything here runs as callbacks of the gevent hub. Nothing blocks, and no greenlet is made for a request. An arrival
that finds every connection busy waits in the dispatcher's backlog; its latency counts from when it was due. What was
never sent, or not answered by the end, enters the latency at its age.

A request that finds that the token has run out is sent again with another one, once. It counts as one request, from
when it was due and first sent to its second answer: what a caller waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns

import gevent
from gevent.event import Event

from load.access import Access
from load.answer import Answer, Failure
from load.arrivals.dispatcher import Dispatcher
from load.health.sampler import HealthSampler
from load.recording.recorder import Channel, Recorder
from load.scenario import Outcome, Scenario, Shot
from load.wire.origin import WireError
from load.wire.pool import Pool
from load.witness import Witness

UNANSWERED = Outcome("no answer when the run ended")
GONE = (Failure.REFUSED, Failure.UNREACHABLE, Failure.RESET, Failure.CLOSED)
STOP_GRACE_S = 1.0  # for what is under way when a run is stopped
DRAIN_GRACE_S = 1.0  # beyond the timeout of an answer
_LEFT_AT_ONCE = 200
_ROOM_IN_S = 0.02  # until a connection is looked for again, for a request that had one already
_BURST_WINDOW_S = 5
_BURST_LEAST = 50


@dataclass(slots=True)
class Burst:
    """Watches for a burst of what says that the target is overwhelmed or gone (server errors, refused and broken
    connections): more than half of what came in five seconds, and at least fifty."""

    second: int = 0
    answers: int = 0
    errors: int = 0
    history: tuple[tuple[int, int], ...] = ()

    def take(self, now_ns: int, broken: bool) -> bool:
        """Count an answer, or what came instead; whether the burst is there."""
        second = now_ns // 1_000_000_000
        if second != self.second:
            self.history = (*self.history, (self.answers, self.errors))[-(_BURST_WINDOW_S - 1) :]
            self.second, self.answers, self.errors = second, 0, 0
        self.answers += 1
        if not broken:
            return False
        self.errors += 1
        errors = self.errors + sum(e for _, e in self.history)
        return errors >= _BURST_LEAST and 2 * errors > self.answers + sum(a for a, _ in self.history)


class OpenLoop:
    """Sends the arrivals of one stripe. `start` at a time, `stop` at any time; `ended` is set when nothing is left.

    `on_burst` is called once when failures come in a burst (see `Burst`); None: go on whatever comes.
    `access`: who gets another token when this one has run out; None: nobody.
    """

    def __init__(
        self,
        scenario: Scenario,
        pool: Pool,
        recorder: Recorder,
        sampler: HealthSampler,
        witness: Witness,
        *,
        on_burst: Callable[[], None] | None = None,
        access: Access | None = None,
    ) -> None:
        self.scenario = scenario
        self.pool = pool
        self.recorder = recorder
        self.sampler = sampler
        self.witness = witness
        self.ended = Event()
        self.unfollowed = 0  # uploads whose end was not seen
        self.follow_ups = 0  # requests beside the schedule that are recorded
        self._held: tuple[int, Shot] | None = None  # the arrival that found every connection busy
        self._channels: dict[tuple[str, str], Channel] = {}
        self._on_burst = on_burst
        self._burst = Burst()
        self._dispatcher: Dispatcher | None = None
        self._timers: set[object] = set()
        self._unanswered = 0
        self._access = access
        self._refused: dict[int, Callable[[], None]] = {}  # what gives up a request that waits for another token

    @property
    def waiting(self) -> int:
        """Arrivals that are due and not sent: the backlog."""
        return self._dispatcher.waiting if self._dispatcher else 0

    @property
    def offered(self) -> int:
        """Arrivals that have become due so far."""
        return self._dispatcher.offered if self._dispatcher else 0

    def start(self, dispatcher: Dispatcher) -> None:
        """Begin to send what the dispatcher says is due."""
        self._dispatcher = dispatcher
        self.pool.on_free = dispatcher.retry
        dispatcher.start()

    def drain(self, deadline_ns: int) -> None:
        """Wait until everything that was sent has been answered and followed to its end, or the deadline is there."""
        while (self._unanswered or self._timers or self.waiting) and monotonic_ns() < deadline_ns:
            gevent.sleep(0.02)

    def halt(self, cut: bool = False) -> None:
        """Send nothing any more: what was not sent is counted as never sent, at its age. What is under way goes on.

        `cut`: the offer ends here, before its time; what became due a moment ago, and only waits for its turn, is no
        part of it any more.
        """
        if self._dispatcher is None or self.pool.on_free is None:
            return
        self.pool.on_free = None
        now_ns = monotonic_ns()
        left = self._dispatcher.stop(0 if cut and not self._dispatcher.blocked else None)
        for count, (number, intended_ns) in enumerate(left):
            if count % _LEFT_AT_ONCE == _LEFT_AT_ONCE - 1:
                gevent.sleep(0)  # a long backlog must not keep the reports back, or this process passes for dead
            self._leave(number, intended_ns, now_ns)

    def let_go(self) -> None:
        """Follow nothing any more; uploads that are still on the way are counted as not seen to their end."""
        self._leave_refused()
        self._leave_uploads()
        self.ended.set()

    def stop(self) -> None:
        """End it: what was not sent is counted as never sent, what was not answered as unanswered, at their age."""
        if self.ended.is_set():
            return
        self.halt()
        self._let_answer()
        self._leave_refused()
        self._leave_uploads()
        self.pool.close(abandon=True)
        self.ended.set()

    def _leave_uploads(self) -> None:
        for timer in list(self._timers):
            timer.stop()  # type: ignore[attr-defined]
            self.unfollowed += 1
        self._timers.clear()

    def _let_answer(self) -> None:
        """Wait a moment for what is under way: a run that is stopped by hand must not make errors of it."""
        deadline_ns = monotonic_ns() + int(STOP_GRACE_S * 1e9)
        while self._unanswered and monotonic_ns() < deadline_ns:
            gevent.sleep(0.02)

    def _leave(self, number: int, intended_ns: int, now_ns: int) -> None:
        """Count an arrival as never sent. It is no request, so no event tells of it, and there may be very many."""
        try:
            shot = self.scenario.shot(number)
        except Exception:  # it was told when it came up; the books have to balance all the same
            self.recorder.channel("–", "no request", self.scenario.name).never_sent(intended_ns, now_ns)
            return
        self._channel(shot).never_sent(intended_ns, now_ns)

    def fire(self, number: int, intended_ns: int) -> bool:
        """Send the request of an arrival; False when every connection is busy."""
        if self._held is not None:
            shot = self._held[1]
        else:
            shot = self.scenario.shot(number)
            self.sampler.tried(intended_ns, monotonic_ns())
        if self._send(shot, intended_ns, self._take):
            if self._held is not None:
                self._held = None
                self.sampler.freed(monotonic_ns())
            return True
        self._held = number, shot
        self.sampler.full()
        return False

    def _send(self, shot: Shot, intended_ns: int, take: Callable[[Shot, int, Answer], None]) -> bool:
        entries = shot.entries
        if entries is not None:
            entries.begin()

        def came(answer: Answer) -> None:
            if answer.status == 401 and self._access is not None:
                self._meet_401(self._access, shot, intended_ns, answer, take)
            else:
                take(shot, intended_ns, answer)

        if not self.pool.start(shot.request, came):
            if entries is not None:
                entries.withdraw()
            return False
        self._unanswered += 1
        return True

    def _meet_401(
        self, access: Access, shot: Shot, intended_ns: int, refusal: Answer, take: Callable[[Shot, int, Answer], None]
    ) -> None:
        """The token may have run out: wait for another one and send the request again, once; else it has failed."""
        key = id(refusal)  # which lives as long as this waits

        def end(answer: Answer) -> None:
            answer.sent_ns = refusal.sent_ns
            take(shot, intended_ns, answer)

        def go_on(request: bytes | None) -> None:
            if self._refused.pop(key, None) is None:
                return  # it was given up meanwhile
            if request is None:
                refusal.done_ns = monotonic_ns()
                take(shot, intended_ns, refusal)
                return
            shot.request = request
            try:
                sent = self.pool.start(request, end)
            except WireError:
                give_up()
                return
            if sent:
                access.sent_again += 1
            else:
                self._refused[key] = give_up
                gevent.spawn_later(_ROOM_IN_S, go_on, request)

        def give_up() -> None:
            end(Answer(done_ns=monotonic_ns(), failure=Failure.ABANDONED))

        self._refused[key] = give_up
        access.again(shot.request, go_on)

    def _leave_refused(self) -> None:
        """Give up what still waits for another token: it is not answered."""
        while self._refused:
            self._refused.popitem()[1]()

    def _take_follow_up(self, shot: Shot, intended_ns: int, answer: Answer) -> None:
        self.follow_ups += 1
        self._take(shot, intended_ns, answer)

    def _take(self, shot: Shot, intended_ns: int, answer: Answer) -> None:
        """What came of a request."""
        self._unanswered -= 1
        channel = self._channels.get((shot.scenario, shot.name)) or self._channel(shot)
        if shot.entries is not None:
            shot.entries.settle(answer)
        if answer.failure is Failure.ABANDONED:
            channel.unanswered(intended_ns, answer.sent_ns, answer.done_ns)
            self.witness.failed(shot, intended_ns, answer, UNANSWERED)
            return
        if answer.received_ns:
            self.sampler.take(answer)
        outcome = shot.judge(answer)
        if not outcome.error:
            channel.add(intended_ns, answer.sent_ns, answer.done_ns, len(answer.body), shot.events)
            if self.witness.wants_all:
                self.witness.good(shot, intended_ns, answer)
        else:
            self.witness.failed(shot, intended_ns, answer, outcome)
            channel.fail(
                intended_ns,
                answer.sent_ns,
                answer.done_ns,
                len(answer.body),
                outcome.error,
                outcome.requirement,
                outcome.indeterminate,
                answer.failure,
            )
        broken = answer.status >= 500 or answer.failure in GONE
        if self._burst.take(answer.done_ns, broken) and self._on_burst is not None:
            on_burst, self._on_burst = self._on_burst, None
            on_burst()
        if shot.followed_by is not None and outcome.good:
            self._follow(shot.followed_by(answer))

    def _follow(self, following: tuple[float, Shot] | None) -> None:
        """Ask what comes after an answer, outside the schedule: it is due when its pause is over."""
        if following is None or self.ended.is_set():
            return
        pause_s, shot = following
        timer = gevent.get_hub().loop.timer(pause_s)
        self._timers.add(timer)

        def due() -> None:
            timer.stop()
            self._timers.discard(timer)
            if not self._send(shot, monotonic_ns(), self._take_follow_up):
                self._follow((pause_s, shot))

        timer.start(due)

    def _channel(self, shot: Shot) -> Channel:
        key = (shot.scenario, shot.name)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = self.recorder.channel(shot.method, shot.name, shot.scenario)
        return channel
