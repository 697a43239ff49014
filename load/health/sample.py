"""How one process of the generator was for a moment, as plain data that can be sent and stored."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Self

from cdp.distribution import Distribution

_TIMES = ("hub", "lateness", "read_lag")


@dataclass(frozen=True)
class HealthSample:
    """One process between two moments, in seconds from the start of the schedule (below 0: before it).

    Shares are of the time between the two unless it says otherwise; None: this machine does not tell.

    - `cpu`: of one core; `cpu_wait`: the main thread was ready to run and had no CPU.
    - `steal`: of the CPU time of all cores, what the hypervisor gave to others.
    - `throttled`: what the control group (a container's CPU limit) kept its tasks from running; above 1 with several.
    - `descriptors` of `descriptor_limit` are open; `sockets` are those of them that are connections.
    - `time_wait`: ports that closed connections of this machine still hold; `ports`: how many there are.
    - `memory_bytes` of the process; `memory_free`: share of the memory (the machine's or the control group's).
    - `in_flight`: requests without an answer; `found_full`: arrivals that found every connection busy.
    - `hub`: how late timers of the event loop ran; `lateness`: how late arrivals were first tried to be sent;
      `read_lag`: from when the kernel had the last byte of an answer until it was read, on a sample.
    """

    from_s: float
    to_s: float
    process: str = ""
    host: str = ""
    cpu: float = 0.0
    cpu_wait: float | None = None
    steal: float | None = None
    throttled: float | None = None
    descriptors: int = 0
    descriptor_limit: int = 0
    sockets: int = 0
    time_wait: int = 0
    ports: int = 0
    memory_bytes: int = 0
    memory_free: float | None = None
    in_flight: int = 0
    found_full: int = 0
    hub: Distribution = field(default_factory=Distribution)
    lateness: Distribution = field(default_factory=Distribution)
    read_lag: Distribution = field(default_factory=Distribution)

    @property
    def span_s(self) -> float:
        return self.to_s - self.from_s

    def as_message(self) -> dict[str, Any]:
        """As it is sent and stored."""
        plain = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in _TIMES}
        return plain | {name: getattr(self, name).as_record() for name in _TIMES}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Self:
        """What `as_message` made. Raises ValueError, TypeError or KeyError when it is anything else."""
        known = {item.name for item in fields(cls)} - set(_TIMES)
        times: dict[str, Any] = {name: Distribution.from_record(message[name]) for name in _TIMES if name in message}
        return cls(**{name: value for name, value in message.items() if name in known}, **times)
