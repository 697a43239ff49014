"""People of all kinds who hardly think, on the host that Locust is given, until so many requests have been sent.

The environment says the rest: CDP_TOKEN, CDP_TEST_SCENARIO, CDP_TEST_REQUESTS.
"""

import itertools
import os
from typing import Any

import gevent
from locust import constant, events
from locust.env import Environment

from cdp.contract import load_contract
from cdp.targets import Credentials, Target
from load.scenarios import encoder, people
from load.scenarios.hot import Context
from load.scenarios.ingest import IngestScenario
from load.scenarios.mixed import MixedScenario
from load.scenarios.search import SearchScenario

KINDS: dict[str, Any] = {"search": SearchScenario, "ingest": IngestScenario, "mixed": MixedScenario}


_seen = itertools.count(1)


class Searcher(people.Searcher):
    wait_time = constant(0.01)


class EventLoader(people.EventLoader):
    wait_time = constant(0.01)


class ListReader(people.ListReader):
    wait_time = constant(0.01)


@events.test_start.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Read from the target, then let the people begin."""
    token, origin = os.environ["CDP_TOKEN"], environment.host or ""
    target = Target("tested", f"{origin}/api", Credentials(token=token))
    context = Context(load_contract(), target, encoder(target, token), token, "cdp-0badcafe", check_every=1)
    name = os.environ.get("CDP_TEST_SCENARIO", "mixed")
    sizes = {} if name == "search" else {"sizes": "1-5", "uploads": 0.2}
    scenario = KINDS[name](context, **sizes)
    scenario.prepare()
    people.provide(environment, scenario)
    enough = int(os.environ["CDP_TEST_REQUESTS"])

    def count(**_: Any) -> None:
        if next(_seen) == enough and environment.runner is not None:
            gevent.spawn(environment.runner.quit)

    environment.events.request.add_listener(count)
