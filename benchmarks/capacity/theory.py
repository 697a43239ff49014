"""The rate at which a percentile of the time in the system reaches a limit, of queues that theory knows.

Times in seconds, rates a second; first come, first served, Poisson arrivals. `share` is what may be slower (0.01 for
p99).
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable


def beyond_mm1(rate: float, service_s: float, limit_s: float) -> float:
    """P(T > limit) in M/M/1: exp(-(μ-λ) t)."""
    return math.exp(-(1 / service_s - rate) * limit_s)


def beyond_md1(rate: float, service_s: float, limit_s: float) -> float:
    """P(T > limit) in M/D/1, by the sum that Erlang gave ("The theory of probabilities and telephone conversations",
    1909): P(W <= t) = (1-ρ) Σ_k (-ρ(t/D-k))^k / k! e^(ρ(t/D-k)). It alternates, so it is taken with many digits."""
    wait_s = limit_s - service_s
    if wait_s < 0:
        return 1.0
    with decimal.localcontext() as context:
        context.prec = 120
        rho, reach = decimal.Decimal(rate) * decimal.Decimal(service_s), decimal.Decimal(wait_s / service_s)
        held = decimal.Decimal(0)
        for k in range(int(reach) + 1):
            left = rho * (reach - k)
            held += (-left) ** k / decimal.Decimal(math.factorial(k)) * left.exp()
        return min(1.0, max(0.0, float(1 - (1 - rho) * held)))


def beyond_mmc(rate: float, service_s: float, places: int, limit_s: float) -> float:
    """P(T > limit) in M/M/c: the wait is exponential with the probability of Erlang's C (Gross and Harris,
    Fundamentals of Queueing Theory, section 2.3), the service independent of it."""
    mu = 1 / service_s
    load = rate * service_s
    if load >= places:
        return 1.0
    terms = [math.exp(k * math.log(load) - math.lgamma(k + 1)) for k in range(places)]
    last = math.exp(places * math.log(load) - math.lgamma(places + 1)) * places / (places - load)
    waits = last / (sum(terms) + last)
    drain = places * mu - rate
    if abs(drain - mu) < 1e-9 * mu:
        return math.exp(-mu * limit_s) * (1 + waits * mu * limit_s)
    both = (drain * math.exp(-mu * limit_s) - mu * math.exp(-drain * limit_s)) / (drain - mu)
    return (1 - waits) * math.exp(-mu * limit_s) + waits * both


def breaking_rate(beyond: Callable[[float], float], share: float, most: float) -> float:
    """The rate at which the share beyond the limit is just `share`, below `most`, by bisection."""
    low, high = 0.0, most
    for _ in range(80):
        middle = (low + high) / 2
        if beyond(max(middle, 1e-9)) > share:
            high = middle
        else:
            low = middle
    return (low + high) / 2
