"""Customer search as people do it: texts that somebody has and texts that nobody has, short, long and in any script,
pages of the results, and customers that are opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from cdp.contract import Operation
from load.answer import Answer
from load.sampling import OTHER_TEXT, Asked
from load.scenario import GOOD, Outcome, Shot
from load.scenarios.data import CHUNK, Choice, Draws, Floats, Zipf, unknown_text, unknown_unicode
from load.scenarios.discovery import SHORTEST, Known, discover
from load.scenarios.hot import Context, Step, field_of, page_size, searching
from load.scenarios.judging import Judge, ListAnswer

NOT_FOUND = Outcome("a customer is not found by a value that he has", "SEARCH-01")
SOMEBODY = Outcome("a text that nobody has finds somebody", "SEARCH-02")
STRANGERS = Outcome("what was read of a customer was another one's, and later his own", "SHAPE-04")
# What people ask, as shares of the searches that are no misses, and of those that are.
FINDING = {"hit": 0.40, "unicode hit": 0.05, "short": 0.10, "page": 0.15, "attributes": 0.18, "events": 0.12}
MISSING = {"miss": 0.6, "long miss": 0.2, "unicode miss": 0.2}
_LOOKS = ("hit", "unicode hit", "short", *MISSING)
_OPENED = 256  # customers that are remembered to be opened
_JOINED_NS = 10_000_000_000  # after that every replica knows who was joined with whom
_SHORT = 500
_LONGEST = 400


class Draw(NamedTuple):
    """What an arrival is about: the kind of request, the rank of what it asks for, two numbers from 0 to 1 for
    everything else, and whether its answer is held to the conventions."""

    kind: str
    rank: int
    one: float
    other: float
    sampled: bool


class Reservoir:
    """The ids of customers that may be opened: those known from the start, then those that answers brought last."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = list(ids[:_OPENED])
        self._next = 0

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, customer: str) -> None:
        """Remember a customer in the place of the one that was remembered longest."""
        self._ids[self._next % len(self._ids)] = customer
        self._next += 1

    def pick(self, rank: int) -> str:
        return self._ids[rank % len(self._ids)]


class SearchAnswer:
    """Judges the answer to one search. `owner`: a customer that has to be in it; `miss`: nobody may be."""

    __slots__ = ("asked", "limit", "miss", "owner", "sampled", "search")

    def __init__(
        self, search: SearchScenario, asked: Asked, sampled: bool, owner: str = "", miss: bool = False, limit: int = 0
    ) -> None:
        self.search = search
        self.asked = asked
        self.sampled = sampled
        self.owner = owner
        self.miss = miss
        self.limit = limit

    def __call__(self, answer: Answer) -> Outcome:
        search = self.search
        judge = search.judge
        body = judge.decode(answer)
        if type(body) is Outcome:
            return body
        if judge.tells_another(body, self.asked.text):
            return OTHER_TEXT
        records = judge.records(body, self.limit)
        if type(records) is Outcome:
            return records
        if records and self.miss:
            return SOMEBODY
        if self.owner and len(records) < (self.limit or judge.default_limit or len(records) + 1):
            owner, owner_of = self.owner, search.owner_of
            if not any(str(owner_of(record)) == owner for record in records):
                return NOT_FOUND
        if records:
            search.opened.put(str(search.owner_of(records[0])))
        return judge.sample(answer, self.asked) if self.sampled else GOOD


class OpenedAnswer(ListAnswer):
    """Judges a list of what lies below one customer.

    Its records may tell another customer's id: customers are joined, and replicas hear of it one after the other. Those
    that tell his own a while later have not been joined, so that the answer before was somebody else's.
    """

    __slots__ = ("customer", "elsewhere", "owner_of")

    def __init__(
        self, judge: Judge, customer: str, owner_of: Callable[[Any], Any], elsewhere: dict[str, int], sampled: bool
    ) -> None:
        super().__init__(judge, 0, Asked(), sampled)
        self.customer = customer
        self.owner_of = owner_of
        self.elsewhere = elsewhere

    def hold(self, records: Sequence[Any], at_ns: int) -> Outcome:
        told = self.owner_of(records[0]) if records else None
        if told is None:
            return GOOD
        if str(told) != self.customer:
            if len(self.elsewhere) < _OPENED:
                self.elsewhere.setdefault(self.customer, at_ns)
            return GOOD
        if self.customer not in self.elsewhere or at_ns - self.elsewhere[self.customer] < _JOINED_NS:
            return GOOD
        del self.elsewhere[self.customer]
        return STRANGERS


class SearchScenario:
    """Customer search. `zipf`: how uneven the popularity of texts and customers is; `misses`: the share of texts that
    nobody has."""

    name = "search"

    def __init__(self, context: Context, *, zipf: float = 1.0, misses: float = 0.2) -> None:
        self.context = context
        self.parts = searching(context.contract)
        self.known = Known()
        self._zipf = zipf
        self._misses = misses
        self._path = context.path(self.parts.operation)
        self._text = quote(self.parts.text.name, safe="")
        self.owner_of: Callable[[Any], Any] = field_of(self.parts.owner.field)
        self._below = field_of(self.parts.owner.name)
        self._elsewhere: dict[bool, dict[str, int]] = {False: {}, True: {}}  # customers who were told to be others

    def prepare(self, known: Known | None = None) -> None:
        """Read values from the target, unless they are `known`. Raises ScenarioError in one line."""
        self.known = known or discover(self.context, self.parts, None, known_customers=False)
        self._make_judges()
        self._make_texts()
        shares = {name: share * (1 - self._misses) for name, share in FINDING.items()}
        shares |= {name: share * self._misses for name, share in MISSING.items()}
        if not self._unicode:
            shares["hit"] += shares.pop("unicode hit")
        if not self._beginnings:
            shares["hit"] += shares.pop("short")
        if not page_size(self.context.contract, self.parts.operation) or not self.known.words:
            shares["hit"] += shares.pop("page")
        if self._events_judge is None:
            shares["attributes"] += shares.pop("events")
        self._choice = Choice(shares)
        self._looks = Choice({name: share for name, share in shares.items() if name in _LOOKS})
        populations = {
            "hit": len(self._hits),
            "unicode hit": len(self._unicode),
            "short": len(self._beginnings),
            "page": len(self.known.words),
            "attributes": len(self.opened),
            "events": len(self.opened),
        }
        self._popularity = {name: Zipf(count, self._zipf) for name, count in populations.items() if count}
        builders: dict[str, Callable[[Draw], Step]] = {
            "hit": self._hit,
            "unicode hit": self._unicode_hit,
            "short": self._short,
            "page": self._page,
            "attributes": self._attributes,
            "events": self._events,
            "miss": self._miss,
            "long miss": self._long_miss,
            "unicode miss": self._unicode_miss,
        }
        self._builders = builders
        self._draws = Draws(self.context.seed, "search", 5, partial(self._plan, self._choice))
        self._people = Draws(self.context.seed, "people", 5, partial(self._plan, self._looks))

    def _make_judges(self) -> None:
        parts, unordered = self.parts, self.known.unordered
        self.judge = Judge(self.context, parts.operation, ordered=parts.operation.id not in unordered)
        self._values_judge = Judge(self.context, parts.values, gone=True)
        self._events_judge: Judge | None = None
        if parts.events is not None:
            self._events_judge = Judge(self.context, parts.events, ordered=parts.events.id not in unordered, gone=True)

    def _make_texts(self) -> None:
        """Everything that is searched for, percent-encoded beforehand, with what the answer is held to."""
        texts = [(quote(text, safe=""), Asked({self.parts.text.name: text}, text), o) for text, o in self.known.values]
        self._hits = texts
        self._unicode = [entry for entry in texts if not entry[1].text.isascii()]
        words = (word[:SHORTEST] for text, _ in self.known.values for word in text.split())
        short = list(dict.fromkeys(w for w in words if len(w) == SHORTEST and w.isalnum()))[:_SHORT]
        self._beginnings = [(quote(text, safe=""), Asked({self.parts.text.name: text}, text)) for text in short]
        self.opened = Reservoir(self.known.customers)

    def shot(self, arrival: int) -> Shot:
        """The request of an arrival."""
        return self.step(arrival).shot(self.context.encode)

    def step(self, arrival: int) -> Step:
        """The same before it is encoded."""
        draw = self._draws[arrival]
        return self._builders[draw.kind](draw)

    # --- for people, who go on from what they found

    @property
    def paged(self) -> bool:
        """Whether there are results to page into."""
        return "page" in self._popularity and self.judge.default_limit > 0

    def looking(self, number: int) -> Step:
        """A search for a text that somebody or nobody has."""
        draw = self._people[number]
        return self._builders[draw.kind](draw)

    def paging(self, number: int, page: int) -> Step:
        """Page `page` of the results of the text that this number draws."""
        draw = self._people[number]
        rank = int(self._popularity["page"].ranks(np.array([draw.one]))[0])
        return self.page(self.known.words[rank][0], page, draw.sampled)

    def somebody(self, number: int) -> str:
        """A customer who was found before."""
        return self.opened.pick(int(self._popularity["attributes"].ranks(np.array([self._people[number].one]))[0]))

    def opening(self, customer: str, number: int) -> list[Step]:
        """What is read when a customer is opened."""
        sampled = self._people[number].sampled
        kinds = (False, True) if self._events_judge else (False,)
        return [self.open(customer, events=events, sampled=sampled) for events in kinds]

    def records(self, answer: Answer) -> Sequence[Any]:
        """The records of a good answer to a search."""
        records = self.judge.page(answer, self.judge.default_limit)
        return [] if type(records) is Outcome else records

    def found(self, answer: Answer) -> list[str]:
        """The customers of a good answer to a search."""
        return list(dict.fromkeys(str(self.owner_of(record)) for record in self.records(answer)))

    # --- for arrivals

    def _plan(self, choice: Choice, chunk: int, uniform: Floats) -> list[Draw]:
        kinds = choice.places(uniform[:, 0])
        ranks = np.zeros(CHUNK, dtype=np.int64)
        for place, name in enumerate(choice.names):
            if name in self._popularity:
                chosen = kinds == place
                ranks[chosen] = self._popularity[name].ranks(uniform[chosen, 1])
        sampled = uniform[:, 4] * self.context.check_every < 1
        names = [choice.names[place] for place in kinds.tolist()]
        columns = (ranks, uniform[:, 2], uniform[:, 3], sampled)
        return list(map(Draw._make, zip(names, *(column.tolist() for column in columns), strict=True)))

    # --- the kinds of requests

    def _step(self, kind: str, quoted: str, judge: SearchAnswer, more: str = "") -> Step:
        operation = self.parts.operation
        target = f"{self._path}?{self._text}={quoted}{more}"
        return Step(operation.method, f"{operation.id} {kind}", target, judge, scenario=self.name)

    def _hit(self, draw: Draw) -> Step:
        quoted, asked, owner = self._hits[draw.rank]
        return self._step("hit", quoted, SearchAnswer(self, asked, draw.sampled, owner))

    def _unicode_hit(self, draw: Draw) -> Step:
        quoted, asked, owner = self._unicode[draw.rank]
        return self._step("hit", quoted, SearchAnswer(self, asked, draw.sampled, owner))

    def _short(self, draw: Draw) -> Step:
        quoted, asked = self._beginnings[draw.rank]
        return self._step("short", quoted, SearchAnswer(self, asked, draw.sampled))

    def _page(self, draw: Draw) -> Step:
        """A page of the results of a text that finds many, the first ones more often."""
        text, seen = self.known.words[draw.rank]
        return self.page(text, int(draw.one * draw.other * seen / self.judge.default_limit), draw.sampled)

    def page(self, text: str, number: int, sampled: bool) -> Step:
        """Page `number`, from 0, of the results of a text."""
        limit = self.judge.default_limit
        offset = number * limit
        asked = Asked({self.parts.text.name: text, "limit": limit, "offset": offset}, text)
        judge = SearchAnswer(self, asked, sampled, limit=limit)
        return self._step("page", quote(text, safe=""), judge, f"&limit={limit}&offset={offset}")

    def _miss(self, draw: Draw) -> Step:
        return self._missing("miss", unknown_text(draw.one, draw.other), draw.sampled)

    def _long_miss(self, draw: Draw) -> Step:
        length = 100 + int((_LONGEST - 100) * draw.one)
        return self._missing("long", unknown_text(draw.one, draw.other, length), draw.sampled)

    def _unicode_miss(self, draw: Draw) -> Step:
        return self._missing("miss", unknown_unicode(draw.one, draw.other), draw.sampled)

    def _missing(self, kind: str, text: str, sampled: bool) -> Step:
        asked = Asked({self.parts.text.name: text}, text)
        return self._step(kind, quote(text, safe=""), SearchAnswer(self, asked, sampled, miss=True))

    def _attributes(self, draw: Draw) -> Step:
        return self.open(self.opened.pick(draw.rank), events=False, sampled=draw.sampled)

    def _events(self, draw: Draw) -> Step:
        return self.open(self.opened.pick(draw.rank), events=True, sampled=draw.sampled)

    def open(self, customer: str, *, events: bool, sampled: bool) -> Step:
        """Open a customer: his values, or his events where the target shows them."""
        judge = self._events_judge if events and self._events_judge else self._values_judge
        operation: Operation = judge.operation
        path = self.context.path(operation, {operation.path_parameters[0].name: customer})
        answer = OpenedAnswer(judge, customer, self._below, self._elsewhere[events], sampled)
        return Step(operation.method, operation.id, path, answer, scenario=self.name)
