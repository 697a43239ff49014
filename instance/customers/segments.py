"""Who belongs to a segment: counting, listing and testing customers against a condition tree."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

import orjson

from instance.customers.conditions import Compiler
from instance.customers.definitions import Definitions, definitions
from instance.customers.schema import canonical_id
from instance.store import Store

# How many counts are kept.
_KEPT = 2000
_NO_DEFINITIONS = Definitions(0, {}, {}, {})

Counts = OrderedDict[tuple[bytes, int, str], tuple[int, int]]


def validate(conditions: Any) -> None:
    """Raise `Refusal` 422, naming the place, if this is no condition tree. None and {} are trees: everyone.

    A tree that passes can be evaluated whatever attributes are defined.
    """
    Compiler(_NO_DEFINITIONS, datetime.now(UTC), limited=True).compile(conditions)


def count_customers(store: Store, conditions: Any) -> int:
    """How many customers meet the tree. Raises `Refusal` 422 for an invalid one.

    Counts are kept, those of trees with relative dates for the second or the day. Since customers are only ever added,
    with all their values at once, a kept count needs only those added after it.
    """
    newest: int = store.connection.execute("SELECT COALESCE(MAX(pk), 0) FROM customer").fetchone()[0]
    compiler = _compiler(store)
    condition = compiler.compile(conditions)
    if not compiler.values:
        return _count(store, condition, [], 0)
    present = {"second": compiler.now.isoformat(), "day": compiler.now.date().isoformat()}.get(compiler.relative, "")
    key = (orjson.dumps(conditions, option=orjson.OPT_SORT_KEYS), compiler.definitions.version, present)
    kept: Counts = store.cache.setdefault("customers.segments", OrderedDict())
    upto, count = kept.get(key, (0, 0))
    if upto == newest and key in kept:
        kept.move_to_end(key)
        return count
    if upto and newest > upto:
        compiler = _compiler(store, each=True)
        condition = compiler.compile(conditions)
    else:
        upto = count = 0
    count += _count(store, condition, compiler.values, upto)
    # What is counted inside a transaction may still be rolled back.
    if not store.connection.in_transaction:
        kept[key] = (newest, count)
        kept.move_to_end(key)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    return count


def matches(store: Store, customer_id: str, conditions: Any) -> bool:
    """Whether the customer meets the tree; False for an unknown one. Raises `Refusal` 422 for an invalid tree."""
    compiler = _compiler(store, each=True)
    condition = compiler.compile(conditions)
    row = store.connection.execute(
        f"SELECT 1 FROM customer c WHERE c.id=? AND {condition}", (canonical_id(customer_id), *compiler.values)
    ).fetchone()
    return row is not None


def _compiler(store: Store, each: bool = False) -> Compiler:
    return Compiler(definitions(store), store.clock().astimezone(UTC).replace(microsecond=0), each)


def _count(store: Store, condition: str, values: list[Any], upto: int) -> int:
    row = store.connection.execute(f"SELECT COUNT(*) FROM customer c WHERE c.pk > ? AND {condition}", (upto, *values))
    return int(row.fetchone()[0])
