"""The kinds of load: customer search, event ingestion, and both at once."""

from __future__ import annotations

from datetime import date
from typing import Protocol, TypeAlias

from cdp.contract import Contract
from cdp.targets import Target
from load.access import Access, template_of
from load.scenario import ScenarioError
from load.scenarios.hot import Context, Encode, yesterday
from load.scenarios.ingest import IngestScenario
from load.scenarios.mixed import MixedScenario
from load.scenarios.search import SearchScenario

AnyScenario: TypeAlias = SearchScenario | IngestScenario | MixedScenario


class Options(Protocol):
    """What is chosen about a scenario: its name and seed, how often answers are held to the conventions, and the shares
    and sizes of its parts."""

    @property
    def scenario(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def check_every(self) -> int: ...
    @property
    def zipf(self) -> float: ...
    @property
    def misses(self) -> float: ...
    @property
    def searches(self) -> float: ...
    @property
    def ingestion(self) -> float: ...
    @property
    def batch(self) -> str: ...
    @property
    def uploads(self) -> float: ...
    @property
    def new_customers(self) -> float: ...


def make_scenario(
    options: Options,
    target: Target,
    contract: Contract,
    token: str,
    run: str,
    worker: int,
    workers: int = 1,
    day: date | None = None,
    access: Access | None = None,
) -> AnyScenario:
    """The scenario that the options name, not yet prepared. `run`: the prefix of all that it writes; `worker`: the
    number of this process, of `workers`; `day`: when events are said to have happened, yesterday without;
    `access`: who renews the token, nobody without. Raises ScenarioError in one line."""
    encode = access.encode if access is not None else encoder(target, token)
    context = Context(
        contract,
        target,
        encode,
        token,
        run,
        worker,
        workers,
        options.seed,
        options.check_every,
        day or yesterday(),
        access,
    )
    if options.scenario == SearchScenario.name:
        return SearchScenario(context, zipf=options.zipf, misses=options.misses)
    if options.scenario == IngestScenario.name:
        return IngestScenario(
            context,
            sizes=options.batch,
            uploads=options.uploads,
            new_customers=options.new_customers,
            zipf=options.zipf,
        )
    if options.scenario == MixedScenario.name:
        return MixedScenario(
            context,
            searches=options.searches,
            ingestion=options.ingestion,
            zipf=options.zipf,
            misses=options.misses,
            sizes=options.batch,
            uploads=options.uploads,
            new_customers=options.new_customers,
        )
    raise ScenarioError(f"{options.scenario!r} is no scenario; there are search, ingest and mixed")


def encoder(target: Target, token: str) -> Encode:
    """What writes requests to a target, as `template_of` has it. Raises ScenarioError."""
    return template_of(target, token).encode
