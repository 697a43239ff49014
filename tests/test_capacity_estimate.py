"""The estimate of the rate at which an objective breaks, from steps that theory wrote."""

from __future__ import annotations

import math

import numpy as np
import pytest

from load.capacity.estimate import BLOCK_S, FRACTIONS, LINE, Tail, _memory_s, estimate

BLOCKS = 12


def step(service_s: float, limit_s: float, rate: float) -> Tail:
    """A step before M/M/1 in which just as many requests are slow as are expected, a little more and a little less in
    turn."""
    counts = np.full(BLOCKS, rate * BLOCK_S)
    swing = np.where(np.arange(BLOCKS) % 2, 0.7, 1.3)[:, None]
    beyond = np.exp(-(1 / service_s - rate) * limit_s * np.array(FRACTIONS))
    return Tail(rate, counts, counts[:, None] * beyond * swing)


@pytest.mark.parametrize("service_s, limit_s", [(0.001, 0.03), (0.002, 0.12), (0.005, 0.5)])
def test_the_rate_at_which_a_queue_breaks(service_s: float, limit_s: float) -> None:
    truth = 1 / service_s - math.log(100) / limit_s
    tails = [step(service_s, limit_s, truth * part) for part in (0.96, 0.99, 1.01)]
    found = estimate(tails, 0.01, 0.96 * truth, 1.01 * truth, limit_s)
    assert found.method == LINE
    assert found.rate == pytest.approx(truth, rel=0.005)
    assert found.low < truth < found.high


@pytest.mark.parametrize("service_s, limit_s, rate", [(0.002, 0.12, 460.0), (0.001, 0.12, 960.0), (0.01, 0.1, 54.0)])
def test_for_how_long_a_queue_remembers(service_s: float, limit_s: float, rate: float) -> None:
    """Two services in the square of the idle share: the variance that a second of work brings M/M/1 is 2 services."""
    unknowns = np.array([0.0, -limit_s / service_s, limit_s])
    assert _memory_s(unknowns, rate, limit_s) == pytest.approx(2 * service_s / (1 - rate * service_s) ** 2)


def test_who_remembers_for_long_has_the_wider_interval() -> None:
    """The same counts, as those of a limit in seconds and of one in hours, with another memory each."""
    truth = 500 - math.log(100) / 0.12
    tails = [step(0.002, 0.12, truth * part) for part in (0.96, 0.99, 1.01)]
    found = [estimate(tails, 0.01, 0.96 * truth, 1.01 * truth, limit_s) for limit_s in (0.0, 0.012, 0.12, 1.2)]
    widths = [each.width for each in found]
    assert widths[0] == widths[1] < widths[2] < widths[3]
    assert len({each.rate for each in found}) == 1
