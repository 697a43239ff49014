"""Condition trees of segments, checked and turned into SQL over the customers in one walk.

Meaning. A condition holds for a customer if any of his values of the attribute meets it; the not_ forms hold if none
does, so also for a customer without a value. Texts are compared exactly. `equals`, `not_equal`, `in`, `not_in`,
`lower` and `greater` compare as the attribute's type asks for; an attribute that is not (or no longer) defined is taken
as text, and nobody has a value of it. `date_matches_current_day`, `_month` and `_year` each compare that part of the
date alone.
An empty object, null and a group without operands set no condition: they hold for everyone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from instance.calls import Refusal
from instance.customers.definitions import Definitions
from instance.customers.moments import Span, span

DEEPEST = 40
MOST_LEAVES = 500
MOST_VALUES = 1000

EVERYONE = "1"

Predicate = tuple[str, list[Any]]

NEGATIVE = {
    "not_equal": "equals",
    "not_in": "in",
    "not_contain": "contains",
    "not_contain_any_of": "contains_any_of",
    "number_not_equal": "number_equals",
    "number_not_in": "number_in",
    "is_not_set": "is_set",
}


def refuse(place: str, reason: str) -> Refusal:
    """The refusal of a tree: `place` is the path of the part to blame, such as operands[0].condition.value."""
    where = f"conditions_operation.{place}" if place else "conditions_operation"
    return Refusal(422, f"{where} {reason}.", where)


@dataclass(slots=True)
class Compiler:
    """Turns one tree into an SQL condition on `c`, a row of `customer`.

    `each` asks for a condition that is cheap for single customers; without it, for one that is cheap over all of them.
    `limited` refuses trees that are too deep or too long; several stored trees joined into one may be longer.
    After `compile`, `relative` says on what of `now` the result depends: '', 'day' or 'second'.
    """

    definitions: Definitions
    now: datetime
    each: bool = False
    limited: bool = False
    relative: str = ""
    values: list[Any] = field(default_factory=list)
    _leaves: int = 0

    def compile(self, tree: Any) -> str:
        """SQL with placeholders for `self.values`. Raises `Refusal` 422 that names the place of a mistake."""
        return self._node(tree, "", None, 0)

    def _node(self, node: Any, place: str, attribute: str | None, depth: int) -> str:
        if node is None or node == {}:
            return EVERYONE
        if not isinstance(node, dict):
            raise refuse(place, "is not an object")
        if self.limited and depth > DEEPEST:
            raise refuse(place, f"is nested deeper than {DEEPEST} levels")
        dot = f"{place}." if place else ""
        negation = node.get("negation", False)
        if negation is not None and not isinstance(negation, bool):
            raise refuse(dot + "negation", "is not true or false")
        if node.get("attribute_id") is not None:
            attribute = node["attribute_id"]
            if not isinstance(attribute, str):
                raise refuse(dot + "attribute_id", "is not a text")
        if "condition" in node:
            if "operands" in node or "operation" in node:
                raise refuse(place, "has both a condition and operands")
            sql = self._leaf(node["condition"], dot, attribute)
        else:
            sql = self._group(node, dot, attribute, depth)
        return f"NOT {sql}" if negation else sql

    def _group(self, node: dict[str, Any], dot: str, attribute: str | None, depth: int) -> str:
        word = node.get("operation")
        if word not in ("and", "or"):
            raise refuse(dot + "operation", "is neither and nor or")
        operands = node.get("operands")
        if not isinstance(operands, list):
            raise refuse(dot + "operands", "is not a list")
        parts = [
            self._node(operand, f"{dot}operands[{number}]", attribute, depth + 1)
            for number, operand in enumerate(operands)
        ]
        return _joined(parts, f" {word.upper()} ") if parts else EVERYONE

    def _leaf(self, condition: Any, dot: str, attribute: str | None) -> str:
        if attribute is None:
            raise refuse(dot + "attribute_id", "is missing")
        self._leaves += 1
        if self.limited and self._leaves > MOST_LEAVES:
            raise refuse(dot + "condition", f"is one of more than {MOST_LEAVES} conditions")
        dot += "condition"
        if not isinstance(condition, dict):
            raise refuse(dot, "is not an object")
        sub = condition.get("sub_attribute_id")
        if sub is not None and not isinstance(sub, str):
            raise refuse(f"{dot}.sub_attribute_id", "is not a text")
        known = self.definitions.attributes.get(attribute)
        kind = "string" if known is None else known.fields.get(sub, "string") if sub is not None else known.kind
        predicate, values = self._predicate(condition, dot, kind)
        table, named = ("customer_value", [attribute]) if sub is None else ("customer_field", [attribute, sub])
        where = "attribute=?" + ("" if sub is None else " AND field=?") + (f" AND {predicate}" if predicate else "")
        self.values += [*named, *values]
        if known is None:
            # Values of an attribute that was deleted are still there, but nobody has them any more.
            where += " AND 0"
        if self.each:
            # Left to itself SQLite would rather search all values of the attribute for the one customer's.
            found = f"EXISTS (SELECT 1 FROM {table} INDEXED BY {table}_customer WHERE customer=c.pk AND {where})"
        else:
            found = f"c.pk IN (SELECT customer FROM {table} WHERE {where})"
        return f"(NOT {found})" if condition["operation"] in NEGATIVE else f"({found})"

    def _predicate(self, condition: dict[str, Any], dot: str, kind: str) -> Predicate:
        """What a value of a kind has to be to meet a condition, or not to be where it is the negative of one."""
        operation = condition.get("operation")
        reader = OPERATIONS.get(NEGATIVE.get(operation, operation)) if isinstance(operation, str) else None
        if reader is None:
            raise refuse(f"{dot}.operation", "is no operation of a condition")
        try:
            return reader(self, condition.get("value"), kind)
        except ValueError as error:
            raise refuse(f"{dot}.value", str(error)) from None

    def span(self, value: Any, kind: str) -> Span:
        """The moment that a value names. Raises `ValueError`."""
        if not isinstance(value, str):
            raise ValueError("is not a date")
        try:
            found = span(value, self.now, kind == "date")
        except ValueError:
            raise ValueError("is not a date") from None
        if found.relative and self.relative != "second":
            self.relative = "day" if found.first != found.last else "second"
        return found


def _joined(parts: list[str], word: str) -> str:
    """All parts joined as a balanced tree: a long list must not become a deep expression."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_joined(parts[:half], word)}{word}{_joined(parts[half:], word)})"


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("is not a list")
    if len(value) > MOST_VALUES:
        raise ValueError(f"holds more than {MOST_VALUES} values")
    return value


def text_of(value: Any) -> str:
    """A value as text: numbers and truth values as they are written in JSON. Raises `ValueError`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise ValueError("is not a text")


def number_of(value: Any) -> float:
    """A number, also one written as text. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ValueError("is not a number") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("is not a number")
    # SQLite's integers have 64 bits.
    return value if isinstance(value, float) or -(1 << 63) <= value < 1 << 63 else float(value)


def truth_of(value: Any) -> str:
    """'true' or 'false' for a truth value, also one written as text or number. Raises `ValueError`."""
    found = {"true": "true", "1": "true", "false": "false", "0": "false"}.get(text_of(value).lower())
    if found is None:
        raise ValueError("is not true or false")
    return found


def _any_equal(compiler: Compiler, values: list[Any], kind: str) -> Predicate:
    """Equality with one of several values, compared as the kind asks for. Raises `ValueError`."""
    if kind in ("date", "datetime"):
        spans = [compiler.span(value, kind) for value in values]
        parts = ["time BETWEEN ? AND ?"] * len(spans)
        bounds = [bound for found in spans for bound in (found.first, found.last)]
        return (_joined(parts, " OR ") if parts else "0"), bounds
    if kind in ("int", "float"):
        return f"number IN ({_marks(values)})", [number_of(value) for value in values]
    read = truth_of if kind == "bool" else text_of
    return f"text IN ({_marks(values)})", [read(value) for value in values]


def _equal_by_kind(compiler: Compiler, values: list[Any], kind: str) -> Predicate:
    """`equals` and `in`: a value that is none of the attribute's kind equals none of its values.

    It is no mistake in the tree, for the attribute may have been defined anew since.
    """
    fitting = []
    for value in values:
        text_of(value)
        try:
            _any_equal(compiler, [value], kind)
        except ValueError:
            continue
        fitting.append(value)
    return _any_equal(compiler, fitting, kind)


def _ordered_by_kind(compiler: Compiler, value: Any, kind: str, sign: str) -> Predicate:
    """`lower` and `greater`: a value that is none of the attribute's kind is before and after none."""
    text_of(value)
    try:
        return _ordered(compiler, value, kind, sign)
    except ValueError:
        return "0", []


def _marks(values: list[Any]) -> str:
    return ",".join("?" * len(values))


def _contains(values: list[Any]) -> Predicate:
    parts = ["instr(text, ?) > 0"] * len(values)
    return (_joined(parts, " OR ") if parts else "0"), [text_of(value) for value in values]


def _ordered(compiler: Compiler, value: Any, kind: str, sign: str) -> Predicate:
    """Less or greater, compared as the kind asks for; a day is before or after as a whole."""
    if kind in ("date", "datetime"):
        found = compiler.span(value, kind)
        return f"time {sign} ?", [found.first if sign == "<" else found.last]
    if kind in ("int", "float"):
        return f"number {sign} ?", [number_of(value)]
    return f"text {sign} ?", [text_of(value)]


def _between(compiler: Compiler, value: Any, kind: str) -> Predicate:
    bounds = _list(value)
    if len(bounds) != 2:
        raise ValueError("is not a list of two values")
    if kind in ("date", "datetime"):
        return "time BETWEEN ? AND ?", [compiler.span(bounds[0], kind).first, compiler.span(bounds[1], kind).last]
    return "number BETWEEN ? AND ?", [number_of(bound) for bound in bounds]


def _current(part: slice, first: int) -> Callable[[Compiler, Any, str], Predicate]:
    def read(compiler: Compiler, value: Any, kind: str) -> Predicate:
        compiler.relative = compiler.relative or "day"
        now = compiler.now.replace(tzinfo=None).isoformat()
        return f"time IS NOT NULL AND substr(time, {first}, {part.stop - part.start}) = ?", [now[part]]

    return read


def _date(kind: str) -> str:
    """Date operations read their value as a date whatever the attribute's kind is."""
    return "date" if kind == "date" else "datetime"


OPERATIONS: dict[str, Callable[[Compiler, Any, str], Predicate]] = {
    "equals": lambda compiler, value, kind: _equal_by_kind(compiler, [value], kind),
    "in": lambda compiler, value, kind: _equal_by_kind(compiler, _list(value), kind),
    "contains": lambda compiler, value, kind: _contains([value]),
    "contains_any_of": lambda compiler, value, kind: _contains(_list(value)),
    "lower": lambda compiler, value, kind: _ordered_by_kind(compiler, value, kind, "<"),
    "greater": lambda compiler, value, kind: _ordered_by_kind(compiler, value, kind, ">"),
    "number_equals": lambda compiler, value, kind: _any_equal(compiler, [value], "float"),
    "number_in": lambda compiler, value, kind: _any_equal(compiler, _list(value), "float"),
    "number_lower_than": lambda compiler, value, kind: _ordered(compiler, value, "float", "<"),
    "number_greater_than": lambda compiler, value, kind: _ordered(compiler, value, "float", ">"),
    "number_between": lambda compiler, value, kind: _between(compiler, value, "float"),
    "date_equals": lambda compiler, value, kind: _any_equal(compiler, [value], _date(kind)),
    "date_lower_than": lambda compiler, value, kind: _ordered(compiler, value, _date(kind), "<"),
    "date_greater_than": lambda compiler, value, kind: _ordered(compiler, value, _date(kind), ">"),
    "date_between": lambda compiler, value, kind: _between(compiler, value, _date(kind)),
    "date_matches_current_day": _current(slice(8, 10), 9),
    "date_matches_current_month": _current(slice(5, 7), 6),
    "date_matches_current_year": _current(slice(0, 4), 1),
    "is_true": lambda compiler, value, kind: ("text = 'true'", []),
    "is_false": lambda compiler, value, kind: ("text = 'false'", []),
    "is_set": lambda compiler, value, kind: ("", []),
}
