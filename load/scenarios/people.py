"""People, as a closed loop of Locust has them: they think between requests, and wait for their answers.

Somebody at the screen searches, pages into what was found and opens a customer; loaders send events; others keep lists
open. What they ask and how answers are judged is the scenarios' own. A closed loop sends less when the target slows
down, so its latencies leave out what nobody asked meanwhile (coordinated omission).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import suppress
from weakref import WeakKeyDictionary

import gevent
from gevent.event import AsyncResult
from locust import User, between, constant, tag, task
from locust.env import Environment
from locust.exception import StopUser

from cdp.http import TOKEN_HEADER
from cdp.targets import Target
from load.access import headers_of
from load.answer import Answer
from load.scenario import Outcome
from load.scenarios.hot import Step
from load.scenarios.ingest import IngestScenario
from load.scenarios.mixed import ListScenario, MixedScenario
from load.scenarios.search import SearchScenario
from load.wire.pool import Pool
from load.wire.response import WireResponse
from load.wire.tls import make_context
from load.wire.user import WireUser, shared_pool

AnyScenario = SearchScenario | IngestScenario | MixedScenario
READY_DEADLINE_S = 120.0
_OF_A_WORKER = 2**40
_DEEPEST = 3  # pages of results that somebody looks at
_scenarios: WeakKeyDictionary[Environment, AsyncResult] = WeakKeyDictionary()


def outfit(target: Target, connections: int) -> None:
    """Give everybody who is made from now on what the target asks for. Raises WireError when a certificate cannot be
    used."""
    secure = target.origin.startswith("https:")
    Person.tls = make_context(target.ca_file, target.client_cert, target.client_key) if secure else None
    Person.timeout_s, Person.max_connections = target.timeout_s, connections


def pool_of(target: Target) -> Pool:
    """The connections that everybody of this process shares. Raises WireError as `Pool` does."""
    return shared_pool(
        target.origin, tls=Person.tls, timeout_s=Person.timeout_s, max_connections=Person.max_connections
    )


class NotGood(Exception):
    """Why a request counts as failed. `requirement`: the id of what it breaks, empty for plain errors."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.requirement}: {outcome.error}" if outcome.requirement else outcome.error)
        self.outcome = outcome
        self.requirement = outcome.requirement
        self.indeterminate = outcome.indeterminate


def provide(environment: Environment, scenario: AnyScenario) -> None:
    """Give the people of an environment a scenario that is prepared. Those who came before have waited for it."""
    if environment not in _scenarios or _scenarios[environment].ready():
        _scenarios[environment] = AsyncResult()
    _scenarios[environment].set(scenario)


def scenario_of(environment: Environment) -> AnyScenario:
    """The scenario of an environment, as soon as it is there. Raises gevent.Timeout when it does not come."""
    scenario: AnyScenario = _scenarios.setdefault(environment, AsyncResult()).get(timeout=READY_DEADLINE_S)
    return scenario


class Person(WireUser):
    """Somebody who sends steps of a scenario and says what the answers were worth."""

    abstract = True
    wait_time = between(1, 5)
    _numbers = itertools.count()

    def on_start(self) -> None:
        """Wait for the scenario. Whoever gets none in time stops, and so does whom the tags leave nothing to do."""
        if not self.tasks:
            raise gevent.GreenletExit  # StopUser would be shown with a traceback
        try:
            self.scenario = scenario_of(self.environment)
        except gevent.Timeout:
            raise StopUser from None
        context = self.scenario.context
        self._headers = headers_of(context.target, context.token)

    def send(self, step: Step) -> Answer | None:
        """Send a step; its answer when it was good."""
        if step.entries is not None:
            try:
                step.entries.begin()
            except ValueError:  # the ledger is closed: the run is over, and what is sent now nobody would audit
                raise gevent.GreenletExit from None
        with self._answered(step) as response:
            if step.entries is not None:
                with suppress(ValueError):  # it stays "under way when the run ended"
                    step.entries.settle(response.answer)
            outcome = step.judge(response.answer)
            if outcome.good:
                response.success()
                return response.answer
            response.failure(NotGood(outcome))
        return None

    def _answered(self, step: Step) -> WireResponse:
        """The answer to a step. One that finds that the token has run out is sent again with another one, once, and
        counts from when it was first sent."""
        access = self.scenario.context.access
        headers = access.headers if access is not None else self._headers
        response = self._ask(step, headers)
        if response.status_code == 401 and access is not None and access.other_than(headers[TOKEN_HEADER]):
            first, response = response, self._ask(step, access.headers)
            response.started_ns, response.answer.sent_ns = first.started_ns, first.answer.sent_ns
            access.sent_again += 1
        return response

    def _ask(self, step: Step, headers: Mapping[str, str]) -> WireResponse:
        if step.media_type:
            headers = {**headers, "Content-Type": step.media_type}
        url = self.scenario.context.target.origin + step.target
        return self.client.request(
            step.method, url, step.name, data=step.body or None, headers=headers, catch_response=True
        )

    def follow(self, step: Step) -> None:
        """Send a step and what follows it, to the end."""
        while True:
            answer = self.send(step)
            following = step.followed_by(answer) if answer is not None and step.followed_by else None
            if following is None:
                return
            pause_s, step = following
            gevent.sleep(pause_s)

    def number(self) -> int:
        """A number that nobody else draws with, in this process or another."""
        return self.scenario.context.worker * _OF_A_WORKER + next(Person._numbers)


class Searcher(Person):
    """A person at the screen."""

    @property
    def search(self) -> SearchScenario:
        found = self.scenario.search if isinstance(self.scenario, MixedScenario) else self.scenario
        if not isinstance(found, SearchScenario):
            raise StopUser
        return found

    @tag("search")
    @task(6)
    def look_for_somebody(self) -> None:
        """Search for a text, and open the first customer that it finds."""
        answer = self.send(self.search.looking(self.number()))
        if answer is not None:
            self._open(self.search.found(answer)[:1])

    @tag("search", "paging")
    @task(2)
    def page_into_results(self) -> None:
        """Look at one page of results after the other, as long as they are full, and open somebody of the last."""
        number, found = self.number(), list[str]()
        for page in range(_DEEPEST if self.search.paged else 0):
            answer = self.send(self.search.paging(number, page))
            if answer is None:
                return
            records = self.search.records(answer)
            found = self.search.found(answer) or found
            if len(records) < self.search.judge.default_limit:
                break
            self.wait()
        self._open(found[-1:])

    @tag("search", "opening")
    @task(2)
    def open_somebody(self) -> None:
        """Open a customer that was found before."""
        self._open([self.search.somebody(self.number())])

    def _open(self, customers: list[str]) -> None:
        for customer in customers:
            for step in self.search.opening(customer, self.number()):
                self.wait()
                self.send(step)


class EventLoader(Person):
    """A program that sends events."""

    wait_time = constant(1)
    _batches = itertools.count()  # without gaps; other processes sign with another worker

    @tag("ingest")
    @task
    def send_events(self) -> None:
        """Send a batch, or an upload that is followed to its end."""
        ingest = self.scenario.ingest if isinstance(self.scenario, MixedScenario) else self.scenario
        if not isinstance(ingest, IngestScenario):
            raise StopUser
        self.follow(ingest.sending(next(EventLoader._batches)))


class ListReader(Person):
    """Somebody who has lists on the screen."""

    wait_time = between(5, 15)

    @tag("lists")
    @task
    def look_at_a_list(self) -> None:
        """Load one of the lists again."""
        if not isinstance(self.scenario, MixedScenario):
            raise StopUser
        lists: ListScenario = self.scenario.lists
        self.send(lists.step(self.number()))


class Arrivals(User):
    """Stands for the open loop in Locust's count of users: requests are sent on a schedule, and not by it."""

    @task
    def stand(self) -> None:
        gevent.sleep(1)


PEOPLE: dict[str, tuple[type[Person], ...]] = {
    SearchScenario.name: (Searcher,),
    IngestScenario.name: (EventLoader,),
    MixedScenario.name: (Searcher, EventLoader, ListReader),
}
