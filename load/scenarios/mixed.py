"""Search and ingestion at once, in a ratio, and beside them the lists that people keep open."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from load.sampling import Asked
from load.scenario import ScenarioError, Shot
from load.scenarios.data import Choice, Draws, Floats
from load.scenarios.discovery import Known, discover
from load.scenarios.hot import Context, Step, lists, page_size
from load.scenarios.ingest import IngestScenario
from load.scenarios.judging import Judge, ListAnswer
from load.scenarios.search import SearchScenario

SEARCH, INGEST, LISTS = "search", "ingest", "lists"
_PAGES = 4


class Glance(NamedTuple):
    """Which list is looked at, which page of it, and whether the answer is held to the conventions."""

    rank: int
    page: int
    sampled: bool


class ListScenario:
    """The lists that people keep open, their first pages more often than the others."""

    name = LISTS

    def __init__(self, context: Context) -> None:
        self.context = context
        self._judges: list[tuple[Judge, str]] = []

    def prepare(self, known: Known | None = None) -> None:
        """Find the lists in the contract. Raises ScenarioError when there is none."""
        for operation in lists(self.context.contract):
            if not any(p.required for p in operation.query_parameters):
                self._judges.append((Judge(self.context, operation), self.context.path(operation)))
        if not self._judges:
            raise ScenarioError("the contract has none of the lists that people keep open")
        self._draws = Draws(self.context.seed, LISTS, 3, self._plan)

    def _plan(self, chunk: int, uniform: Floats) -> list[Glance]:
        ranks = np.floor(uniform[:, 0] * len(self._judges)).astype(np.int64)
        pages = np.floor(uniform[:, 1] ** 3 * _PAGES).astype(np.int64)
        sampled = uniform[:, 2] * self.context.check_every < 1
        return list(map(Glance._make, zip(ranks.tolist(), pages.tolist(), sampled.tolist(), strict=True)))

    def shot(self, arrival: int) -> Shot:
        """The request of an arrival."""
        return self.step(arrival).shot(self.context.encode)

    def step(self, arrival: int) -> Step:
        """The same before it is encoded."""
        glance = self._draws[arrival]
        judge, path = self._judges[glance.rank]
        operation = judge.operation
        limit = page_size(self.context.contract, operation)
        query = {"limit": limit, "offset": glance.page * limit} if limit and operation.query("offset") else {}
        target = path + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")
        answer = ListAnswer(judge, limit if query else 0, Asked(query), glance.sampled)
        return Step(operation.method, operation.id, target, answer, scenario=self.name)


class MixedScenario:
    """Search, ingestion and lists; `searches` and `ingestion` are shares of the arrivals, the rest is lists. The
    other options are those of `SearchScenario` and `IngestScenario`."""

    name = "mixed"

    def __init__(
        self,
        context: Context,
        *,
        searches: float = 0.5,
        ingestion: float = 0.3,
        zipf: float = 1.0,
        misses: float = 0.2,
        sizes: str = "50",
        uploads: float = 0.02,
        new_customers: float = 0.1,
    ) -> None:
        self.context = context
        rest = 1 - searches - ingestion
        self._choice = Choice({SEARCH: searches, INGEST: ingestion, LISTS: rest if rest > 1e-9 else 0.0})
        self._draws = Draws(context.seed, "mixed", 1, lambda chunk, uniform: self._places(uniform).tolist())
        self.search = SearchScenario(context, zipf=zipf, misses=misses)
        self.ingest = IngestScenario(
            context, sizes=sizes, uploads=uploads, new_customers=new_customers, zipf=zipf, active=self._ingests
        )
        self.lists = ListScenario(context)
        parts: dict[str, SearchScenario | IngestScenario | ListScenario] = {
            SEARCH: self.search,
            INGEST: self.ingest,
            LISTS: self.lists,
        }
        self._parts = [parts[n] for n in self._choice.names]

    def _places(self, uniform: Floats) -> npt.NDArray[np.int64]:
        return self._choice.places(uniform[:, 0])

    def _ingests(self, chunk: int) -> npt.NDArray[np.bool_]:
        """Which arrivals of a chunk are batches."""
        if INGEST not in self._choice.names:
            return np.zeros(1, dtype=np.bool_)
        return np.asarray(self._places(self._draws.uniform(chunk)) == self._choice.names.index(INGEST))

    def prepare(self, known: Known | None = None) -> None:
        """Read what the parts need, unless it is `known`. Raises ScenarioError in one line."""
        if known is None:
            customers = self.ingest.new_customers < 1
            known = discover(self.context, self.search.parts, self.ingest.parts, known_customers=customers)
        for part in (self.search, self.ingest, self.lists):
            part.prepare(known)

    def shot(self, arrival: int) -> Shot:
        """The request of an arrival."""
        return self._parts[self._draws[arrival]].shot(arrival)

    def step(self, arrival: int) -> Step:
        """The same before it is encoded."""
        return self._parts[self._draws[arrival]].step(arrival)
