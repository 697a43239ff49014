"""Fills an empty instance with records that depend on the seed alone."""

from __future__ import annotations

from instance.store import Store

__all__ = ["seed_instance"]


def seed_instance(store: Store, seed: int, customers: int, events: int, first_id: int = 0) -> None:
    """Fill an empty store: definitions, customers and their events, then every other collection of the contract, whose
    integer ids come after `first_id`."""
    from instance.seeding.customers import seed_customers
    from instance.seeding.records import seed_records

    with store.transaction():
        seed_customers(store, seed, customers, events)
        seed_records(store, seed, first_id)
