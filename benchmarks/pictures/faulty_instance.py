"""An instance with many faults at a time, each on an operation of its own:
`python -m benchmarks.pictures.faulty_instance PORT`, the administrator's password in CDP_ADMIN_PASSWORD.

`cdp serve --faults` has one fault at a time, so that each is seen on its own. A page has to show many.
"""

from __future__ import annotations

import sys
from typing import Any

from instance.faults import FAULTS
from instance.faults.application import FaultyApplication
from instance.faults.model import Answer, Request, Switched, World, switched
from instance.server import serve

CHOSEN = {
    "get_tag": "no-token-needed",
    "update_tag": "malformed-is-500",
    "list_events": "role-not-checked",
    "get_push_notification": "wrong-feature-needed",
    "list_users": "offset-ignored",
    "list_web_banners": "default-limit-10",
    "list_push_notifications": "page-two-repeats",
    "list_emails": "bad-paging-is-500",
    "list_feeds": "two-swapped",
    "list_segments": "full-ignored",
    "list_channels": "counter-in-record",
    "delete_report": "not-found-is-500",
    "create_report": "error-shows-sql",
    "get_report": "id-differs-in-kind",
    "list_journeys": "timestamp-missing",
    "create_customer_events": "invalid-event-skipped",
    "search_customers": "stranger-in-the-answer",
    "update_funnel_group": "change-ignored",
    "delete_feed": "deletion-ignored",
}
"""The fault on each operation; one to four of a section, in all families of requirements."""


def with_faults(application: FaultyApplication) -> FaultyApplication:
    """The application with every chosen fault in front. Where one changes operations beside its own, the fault that is
    chosen for such an operation comes first."""
    on: dict[str, Switched] = {}
    for operation, name in CHOSEN.items():
        fault = switched(FAULTS[name], [operation], application.contract)
        on |= {each: fault for each in fault.operations if each == operation or each not in CHOSEN}

    async def alter(request: Request, world: World) -> Answer:
        assert request.operation is not None
        return await on[request.operation.id].fault.alter(request, world)

    every = FAULTS[CHOSEN["get_tag"]]
    application.switched = Switched(type(every)("many", "many faults", (), (), alter), frozenset(on))
    return application


def main() -> None:
    """Serve until told to stop, or until the parent ends."""
    application: Any = with_faults
    serve(port=int(sys.argv[1]), wrap=application, exit_with_parent=True, faults=True)


if __name__ == "__main__":
    main()
