"""The servers, and their true capacity."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.capacity.theory import beyond_md1, beyond_mm1, beyond_mmc, breaking_rate


@dataclass(frozen=True)
class Case:
    """One server. `truth`: the rate at which the objective breaks, None where theory has none; then `about`."""

    name: str
    model: str
    settings: tuple[str, ...]
    slo: str
    limit_ms: float
    truth: float | None = None
    about: str = ""


def _cases() -> tuple[Case, ...]:
    return (
        Case(
            "M/M/1, 2 ms",
            "exponential",
            ("service_ms=2",),
            "p99<120ms",
            120,
            breaking_rate(lambda rate: beyond_mm1(rate, 0.002, 0.12), 0.01, 499.5),
        ),
        Case(
            "M/D/1, 2.5 ms",
            "constant",
            ("service_ms=2.5",),
            "p99<80ms",
            80,
            breaking_rate(lambda rate: beyond_md1(rate, 0.0025, 0.08), 0.01, 399.5),
        ),
        Case(
            "M/M/4, 8 ms",
            "exponential",
            ("service_ms=8", "places=4"),
            "p99<120ms",
            120,
            breaking_rate(lambda rate: beyond_mmc(rate, 0.008, 4, 0.12), 0.01, 499.5),
        ),
        Case("sheds with 503", "shedding", ("service_ms=2.5", "room=20"), "p99<100ms,errors<1%", 100, None, "385"),
        Case("slower beyond 300/s", "slowing", ("service_ms=2", "knee=300"), "p99<30ms", 30, None, "300"),
        Case("rare stalls", "stalling", ("service_ms=2.5", "every_s=20", "stall_ms=60"), "p99<50ms", 50, None, "345"),
    )


CASES = _cases()
