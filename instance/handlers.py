"""The registry of special handlers. An operation without one is served generically from the contract."""

from __future__ import annotations

from collections.abc import Callable

from instance.calls import Call, Reply

Handler = Callable[[Call], Reply]

HANDLERS: dict[str, Handler] = {}


def handles(*operation_ids: str) -> Callable[[Handler], Handler]:
    """Register the decorated function for the operations with these ids; an id can be registered once."""

    def register(handler: Handler) -> Handler:
        for operation_id in operation_ids:
            if operation_id in HANDLERS:
                raise ValueError(f"operation {operation_id} has two handlers")
            HANDLERS[operation_id] = handler
        return handler

    return register
