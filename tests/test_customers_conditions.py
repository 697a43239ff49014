"""Condition trees: what the database finds is what a plain reading of the tree in Python finds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instance.calls import Refusal
from instance.contract import Contract
from instance.customers import conditions, moments, segments
from instance.customers.schema import find_customer
from instance.seeding.customers import seed_customers
from instance.store import Store

NOW = datetime(2025, 6, 15, 10, 30, 0, tzinfo=UTC)
ATTRIBUTES = (
    "email",
    "first_name",
    "age",
    "balance",
    "is_subscriber",
    "birthday",
    "last_purchase",
    "favourite_products",
)
COMPOUND = {"address": ("city", "zip"), "recent_order": ("value", "paid", "ordered", "items", "order_id")}
KINDS = {
    "age": "int",
    "balance": "float",
    "is_subscriber": "bool",
    "birthday": "date",
    "last_purchase": "datetime",
    "value": "float",
    "paid": "bool",
    "ordered": "datetime",
    "items": "int",
}


class Value(NamedTuple):
    text: str | None
    number: float | None
    time: str | None


Customer = dict[tuple[str, str | None], list[Value]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("conditions") / "cdp.sqlite", Contract(), lambda: NOW)
    seed_customers(opened, 5, 150, 100)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def people(store: Store) -> dict[str, Customer]:
    found: dict[str, Customer] = {row[0]: {} for row in store.connection.execute("SELECT id FROM customer")}
    rows = store.connection.execute(
        "SELECT c.id, v.attribute, NULL, v.text, v.number, v.time FROM customer_value v "
        "JOIN customer c ON c.pk=v.customer "
        "UNION ALL SELECT c.id, f.attribute, f.field, f.text, f.number, f.time FROM customer_field f "
        "JOIN customer c ON c.pk=f.customer"
    )
    for id, attribute, field, *value in rows:
        found[id].setdefault((attribute, field), []).append(Value(*value))
    return found


def moment(value: str, kind: str) -> tuple[datetime, datetime]:
    """First and last second of a date value, for the forms that the strategies below make."""
    now = NOW.replace(tzinfo=None)
    words = {
        "now": now,
        "today": datetime(2025, 6, 15),
        "yesterday": datetime(2025, 6, 14),
        "now - 6 hours": now - timedelta(hours=6),
        "40 days ago": now - timedelta(days=40),
        "today - 2 weeks": datetime(2025, 6, 1),
    }
    found = words.get(value) or datetime.fromisoformat(value)
    whole = (len(value) == 10 and value[4] == "-") or value.startswith(("today", "yesterday")) or kind == "date"
    if not whole:
        return found, found
    day = found.replace(hour=0, minute=0, second=0)
    return day, day + timedelta(seconds=86399)


def meets(value: Value, operation: str, wanted: Any, kind: str) -> bool:
    time = datetime.fromisoformat(value.time) if value.time else None
    by_kind = {"int": "number", "float": "number", "date": "date", "datetime": "date"}.get(kind, "text")
    match operation:
        case "is_set":
            return True
        case "is_true":
            return value.text == "true"
        case "is_false":
            return value.text == "false"
        case "contains":
            return value.text is not None and wanted in value.text
        case "contains_any_of":
            return value.text is not None and any(part in value.text for part in wanted)
        case "equals" | "lower" | "greater":
            if by_kind == "text":
                left, right = value.text, str(wanted)
                if kind == "bool":
                    right = right.lower()
            elif by_kind == "date":
                return meets(value, {"equals": "date_equals"}.get(operation, f"date_{operation}_than"), wanted, kind)
            else:
                return meets(
                    value, {"equals": "number_equals"}.get(operation, f"number_{operation}_than"), wanted, kind
                )
            if left is None:
                return False
            return left == right if operation == "equals" else left < right if operation == "lower" else left > right
        case "in":
            return any(meets(value, "equals", one, kind) for one in wanted)
        case "number_equals":
            return value.number is not None and value.number == float(wanted)
        case "number_in":
            return any(meets(value, "number_equals", one, kind) for one in wanted)
        case "number_lower_than":
            return value.number is not None and value.number < float(wanted)
        case "number_greater_than":
            return value.number is not None and value.number > float(wanted)
        case "number_between":
            return value.number is not None and wanted[0] <= value.number <= wanted[1]
        case "date_matches_current_day":
            return time is not None and time.day == NOW.day
        case "date_matches_current_month":
            return time is not None and time.month == NOW.month
        case "date_matches_current_year":
            return time is not None and time.year == NOW.year
    if time is None:
        return False
    if operation == "date_between":
        return moment(wanted[0], kind)[0] <= time <= moment(wanted[1], kind)[1]
    first, last = moment(wanted, kind)
    if operation == "date_equals":
        return first <= time <= last
    return time < first if operation == "date_lower_than" else time > last


POSITIVE = {
    "not_equal": "equals",
    "not_in": "in",
    "not_contain": "contains",
    "not_contain_any_of": "contains_any_of",
    "number_not_equal": "number_equals",
    "number_not_in": "number_in",
    "is_not_set": "is_set",
}


def holds(customer: Customer, node: Any, attribute: str | None = None) -> bool:
    if not node:
        return True
    attribute = node.get("attribute_id", attribute)
    if "condition" in node:
        condition = node["condition"]
        field = condition.get("sub_attribute_id")
        kind = KINDS.get(field or attribute, "string")
        operation = condition["operation"]
        values = customer.get((str(attribute), field), [])
        result = any(meets(v, POSITIVE.get(operation, operation), condition.get("value"), kind) for v in values)
        result ^= operation in POSITIVE
    elif not node["operands"]:
        result = True
    else:
        quantifier = all if node["operation"] == "and" else any
        result = quantifier([holds(customer, operand, attribute) for operand in node["operands"]])
    return result ^ bool(node.get("negation"))


numbers = st.one_of(st.integers(0, 90), st.floats(-600, 9000).map(lambda x: round(x, 2)))
texts = st.sampled_from(["a", "com", "@", "Jan", "x_y%", "true", "", "dark", "example.com", "Brno", "\0", "ž", "'\""])
dates = st.one_of(
    st.sampled_from(["now", "today", "yesterday", "now - 6 hours", "40 days ago", "today - 2 weeks"]),
    st.dates(datetime(1940, 1, 1).date(), NOW.date()).map(str),
    st.datetimes(datetime(2023, 6, 1), datetime(2025, 6, 15)).map(lambda d: d.isoformat(" ", "seconds")),
)
FREE: dict[str, st.SearchStrategy[Any]] = {
    "is_set": st.none(),
    "is_not_set": st.none(),
    "is_true": st.none(),
    "is_false": st.none(),
    "contains": texts,
    "not_contain": texts,
    "contains_any_of": st.lists(texts, max_size=3),
    "not_contain_any_of": st.lists(texts, max_size=3),
    "number_equals": numbers,
    "number_not_equal": numbers,
    "number_lower_than": numbers,
    "number_greater_than": numbers,
    "number_between": st.tuples(numbers, numbers).map(list),
    "number_in": st.lists(numbers, max_size=4),
    "number_not_in": st.lists(numbers, max_size=4),
    "date_equals": dates,
    "date_lower_than": dates,
    "date_greater_than": dates,
    "date_between": st.tuples(dates, dates).map(list),
    "date_matches_current_day": st.none(),
    "date_matches_current_month": st.none(),
    "date_matches_current_year": st.none(),
}


def by_kind(kind: str) -> st.SearchStrategy[Any]:
    if kind in ("int", "float"):
        return numbers
    if kind in ("date", "datetime"):
        return dates
    return st.sampled_from(["true", "false", True, False]) if kind == "bool" else texts


@st.composite
def leaves(draw: st.DrawFn, attribute: str | None = None) -> dict[str, Any]:
    name = attribute or draw(st.sampled_from([*ATTRIBUTES, *COMPOUND]))
    field = draw(st.sampled_from(COMPOUND[name])) if name in COMPOUND and draw(st.booleans()) else None
    kind = KINDS.get(field or name, "string")
    operation = draw(st.sampled_from([*FREE, "equals", "not_equal", "in", "not_in", "lower", "greater"]))
    if operation in FREE:
        value = draw(FREE[operation])
    elif operation in ("in", "not_in"):
        value = draw(st.lists(by_kind(kind), max_size=4))
    else:
        value = draw(by_kind(kind))
    condition = {"operation": operation}
    if value is not None:
        condition["value"] = value
    if field is not None:
        condition["sub_attribute_id"] = field
    leaf: dict[str, Any] = {"condition": condition}
    if attribute is None:
        leaf["attribute_id"] = name
    if draw(st.booleans()):
        leaf["negation"] = draw(st.booleans())
    return leaf


@st.composite
def shared(draw: st.DrawFn) -> dict[str, Any]:
    """Several conditions on one attribute; the operands leave it out."""
    name = draw(st.sampled_from([*ATTRIBUTES, *COMPOUND]))
    operands = draw(st.lists(leaves(name), max_size=3))
    return {"attribute_id": name, "operation": draw(st.sampled_from(["and", "or"])), "operands": operands}


trees = st.recursive(
    st.one_of(leaves(), shared(), st.just({}), st.none()),
    lambda inner: st.fixed_dictionaries(
        {
            "operation": st.sampled_from(["and", "or"]),
            "operands": st.lists(inner, max_size=4),
            "negation": st.booleans(),
        }
    ),
    max_leaves=8,
)


def member_ids(store: Store, tree: Any) -> list[str]:
    """Ids of the customers whom the database finds by a tree."""
    compiler = segments._compiler(store)
    found = f"SELECT c.id FROM customer c WHERE {compiler.compile(tree)}"
    return [row[0] for row in store.connection.execute(found, compiler.values)]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees)
@pytest.mark.slow
def test_a_tree_finds_whom_a_plain_reading_finds(store: Store, people: dict[str, Customer], tree: Any) -> None:
    expected = {id for id, customer in people.items() if holds(customer, tree)}
    segments.validate(tree)
    assert set(member_ids(store, tree)) == expected
    assert segments.count_customers(store, tree) == len(expected)
    for id in list(people)[::50]:
        assert segments.matches(store, id, tree) == (id in expected)


def test_every_operation_finds_somebody_and_not_everybody_or_is_its_opposite(store: Store) -> None:
    samples = {
        "equals": ("age", 30),
        "in": ("age", list(range(30, 50))),
        "contains": ("email", "ar"),
        "contains_any_of": ("email", ["ar", "an"]),
        "lower": ("age", 40),
        "greater": ("age", 40),
        "number_equals": ("age", 30),
        "number_in": ("age", [30, 31]),
        "number_lower_than": ("balance", 1000),
        "number_greater_than": ("balance", 1000),
        "number_between": ("balance", [0, 1000]),
        "date_equals": ("last_purchase", "2024-06-10"),
        "date_lower_than": ("birthday", "1980-01-01"),
        "date_greater_than": ("last_purchase", "now - 300 days"),
        "date_between": ("birthday", ["1980-01-01", "1990-01-01"]),
        "date_matches_current_day": ("birthday", None),
        "date_matches_current_month": ("birthday", None),
        "date_matches_current_year": ("last_purchase", None),
        "is_true": ("is_subscriber", None),
        "is_false": ("is_subscriber", None),
        "is_set": ("birthday", None),
    }
    assert set(samples) == set(conditions.OPERATIONS)
    with store.transaction() as connection:
        connection.execute(
            "UPDATE customer_value SET text='2024-06-10 11:12:13', time='2024-06-10 11:12:13' WHERE pk = "
            "(SELECT MAX(pk) FROM customer_value WHERE attribute='last_purchase')"
        )
        connection.execute(
            "UPDATE customer_value SET text='30', number=30 WHERE pk = "
            "(SELECT MAX(pk) FROM customer_value WHERE attribute='age')"
        )
        everyone = segments.count_customers(store, {})
        for operation, (attribute, value) in samples.items():
            leaf = {"attribute_id": attribute, "condition": {"operation": operation, "value": value}}
            assert 0 < segments.count_customers(store, leaf) < everyone, operation
        for operation, positive in conditions.NEGATIVE.items():
            attribute, value = samples[positive]
            both = [
                segments.count_customers(
                    store, {"attribute_id": attribute, "condition": {"operation": o, "value": value}}
                )
                for o in (operation, positive)
            ]
            assert sum(both) == everyone, operation


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ([], ""),
        ({"operation": "xor", "operands": []}, "operation"),
        ({"operation": "and"}, "operands"),
        ({"condition": {"operation": "is_set"}}, "attribute_id"),
        ({"attribute_id": "age", "condition": {"operation": "like", "value": 1}}, "condition.operation"),
        ({"attribute_id": "age", "condition": {"operation": "number_between", "value": [1]}}, "condition.value"),
        ({"attribute_id": "age", "condition": {"operation": "number_equals", "value": True}}, "condition.value"),
        ({"attribute_id": "age", "condition": {"operation": "equals"}}, "condition.value"),
        ({"attribute_id": "b", "condition": {"operation": "date_equals", "value": "soon"}}, "condition.value"),
        (
            {"attribute_id": "b", "condition": {"operation": "date_equals", "value": "now + 9999 years"}},
            "condition.value",
        ),
        ({"attribute_id": "b", "condition": {"operation": "in", "value": "x"}}, "condition.value"),
        ({"attribute_id": "b", "condition": {"operation": "is_set"}, "negation": 1}, "negation"),
        (
            {"operation": "or", "operands": [{}, {"operation": "and", "operands": [3]}]},
            "operands[1].operands[0]",
        ),
    ],
)
def test_an_invalid_tree_is_refused_and_the_place_named(tree: Any, place: str) -> None:
    with pytest.raises(Refusal) as refused:
        segments.validate(tree)
    assert refused.value.status == 422
    assert refused.value.detail == ("conditions_operation." + place).rstrip(".")


def test_a_tree_may_be_long_and_deep_but_not_endless(store: Store) -> None:
    leaf: dict[str, Any] = {"attribute_id": "age", "condition": {"operation": "number_greater_than", "value": 0}}
    long = {"operation": "and", "operands": [leaf] * conditions.MOST_LEAVES}
    assert segments.count_customers(store, long) == segments.count_customers(store, {})
    deep = leaf
    for _ in range(conditions.DEEPEST):
        deep = {"operation": "and", "operands": [deep], "negation": True}
    segments.validate(deep)
    assert segments.count_customers(store, deep) == segments.count_customers(store, {})
    for tree in ({"operation": "or", "operands": [deep]}, {"operation": "or", "operands": [*long["operands"], leaf]}):
        with pytest.raises(Refusal):
            segments.validate(tree)


def test_an_undefined_attribute_is_no_mistake_and_nobody_has_it(store: Store) -> None:
    leaf = {"attribute_id": "no_such", "condition": {"operation": "is_set"}}
    segments.validate(leaf)
    assert segments.count_customers(store, leaf) == 0
    assert segments.count_customers(store, {**leaf, "negation": True}) == segments.count_customers(store, None)


def test_matches_takes_both_forms_of_the_id_and_knows_no_strangers(store: Store) -> None:
    id = member_ids(store, {})[0]
    assert find_customer(store, id.replace("-", "").upper()) == find_customer(store, id) is not None
    assert segments.matches(store, id.replace("-", ""), {})
    assert not segments.matches(store, "00000000-0000-4000-8000-000000000000", {})


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-02-29", "2024-02-29 00:00:00", "2024-02-29 23:59:59"),
        ("2024-02-29T10:11:12Z", "2024-02-29 10:11:12", "2024-02-29 10:11:12"),
        ("now - 1 month", "2025-05-15 10:30:00", "2025-05-15 10:30:00"),
        ("Now + 1 day - 2 hours", "2025-06-16 08:30:00", "2025-06-16 08:30:00"),
        ("6 hours ago", "2025-06-15 04:30:00", "2025-06-15 04:30:00"),
        ("in 2 weeks", "2025-06-29 10:30:00", "2025-06-29 10:30:00"),
        ("tomorrow", "2025-06-16 00:00:00", "2025-06-16 23:59:59"),
        ("today - 1 year", "2024-06-15 00:00:00", "2024-06-15 23:59:59"),
    ],
)
def test_moments_in_words(text: str, first: str, last: str) -> None:
    assert moments.span(text, NOW)[:2] == (first, last)


def test_a_kept_count_follows_new_customers(store: Store) -> None:
    tree = {"attribute_id": "user_identifier", "condition": {"operation": "contains", "value": "brand-new"}}
    before = segments.count_customers(store, tree)
    from instance.customers.definitions import definitions
    from instance.customers.events import check, store_events

    event = check(definitions(store), "web", "page_view", "1-0-0", "brand-new-1", "2025-01-01 00:00:00", {})
    store_events(store, [event, event._replace(user_identifier="other")])
    assert segments.count_customers(store, tree) == before + 1 == len(member_ids(store, tree))
    key = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)
    assert any(kept[0] == key for kept in store.cache["customers.segments"])
