"""The exchanges that count as evidence, kept for the checks that judge every answer of an operation."""

from __future__ import annotations

from collections import Counter

from cdp.contract import Operation
from cdp.http import Exchange

_MOST = 400  # of one operation with one status
_MOST_BYTES = 64 * 1024 * 1024


class KeptExchanges:
    """Exchanges by operation, as many as there is room for: a target must not fill the suite's memory."""

    def __init__(self) -> None:
        self._exchanges: dict[str, list[Exchange]] = {}
        # Each status apart: pages that are read first must not take the room of refusals that come later.
        self._counts: Counter[tuple[str, int]] = Counter()
        self._bytes: Counter[tuple[str, bool]] = Counter()  # of successes, and of all else

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange where there is room; a server error in any case, as far as the memory goes."""
        of_status, of_kind = (exchange.operation, exchange.status), (exchange.operation, exchange.ok)
        size = self._bytes[of_kind] + len(exchange.body)
        if size <= _MOST_BYTES and (self._counts[of_status] < _MOST or exchange.status >= 500):
            self._exchanges.setdefault(exchange.operation, []).append(exchange)
            self._counts[of_status] += 1
            self._bytes[of_kind] = size

    def of(self, operation: Operation) -> list[Exchange]:
        """What is kept of an operation, in the order in which it came."""
        return self._exchanges.get(operation.id, [])

    def forget(self, operation: Operation) -> None:
        """Let go of an operation's exchanges."""
        self._exchanges.pop(operation.id, None)
        for counter in (self._counts, self._bytes):
            for key in [key for key in counter if key[0] == operation.id]:
                del counter[key]
