"""SEARCH: conditions that a customer is held to. Of one condition that he meets and one that he does not every tree is
made, and what it has to answer follows from its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.calls import Call
from contracts.checks import Broken, NotExercised, check
from contracts.finding import Unavailable
from contracts.observing import rows_of
from contracts.subject import Subject, require

_VALUES, _LONGEST = 5, 60  # of a customer that are tried, and characters of one
_FEW = 4  # trees of a quick run
_NOBODYS = "cdp nobody has this"
Tree = dict[str, Any]


@check("SEARCH-05")
def trees_of_conditions(s: Subject) -> None:
    s.control()
    told = s.session.contract.raw(s.operation)["x-conditions"]
    owner, rows = _values_of_somebody(s, told["values"])
    call = s.call().sending({**(s.call().sent or {}), told["of"]: owner})
    met = _met(s, call, told, rows)
    unmet = {**met, "condition": {**met["condition"], "value": _NOBODYS}}
    trees = [("a condition with a value that he has not", unmet, False), *_trees(met, unmet)]
    for words, tree, expected in trees[: _FEW + 1] if s.quick else trees:
        _holds(s, call, told, tree, expected, words)


def _values_of_somebody(s: Subject, told: Mapping[str, str]) -> tuple[str, list[tuple[str, str]]]:
    """A customer that there is, and values of his with what they are values of: words, because a number, a day or a
    switch may be compared in its own way."""
    values = s.session.contract.operations.get(told["operation"])
    if values is None:
        raise NotExercised(f"the target has no {told['operation']}, which tells what a customer could be asked for")
    try:
        path = s.bench.arrangement.finder.existing_path(values)
    except Unavailable as error:
        raise NotExercised(str(error)) from None
    rows = rows_of(values, s.session.read(Call(values, path), s.session.admin)) or []
    found = [(str(r[told["about"]]), r[told["field"]]) for r in rows if isinstance(r, dict) and told["about"] in r]
    words = [(about, v) for about, v in found if isinstance(v, str) and _is_a_word(v)]
    if not words:
        raise NotExercised("the customer that is looked at has no value of words")
    return next(iter(path.values())), words


def _is_a_word(value: str) -> bool:
    plain = value.isprintable() and value == value.strip() and value[:1] not in "{["
    return (
        plain and any(map(str.isalpha, value)) and value.casefold() not in ("true", "false") and len(value) < _LONGEST
    )


def _met(s: Subject, call: Call, told: Mapping[str, Any], rows: list[tuple[str, str]]) -> Tree:
    """A condition that the customer meets: which of his values can be asked for is for the target to say."""
    exchange = None
    for about, value in rows[:_VALUES]:
        leaf = {
            "attribute_id": about,
            "condition": {"operation": "equals", "value": value},
            "negation": False,
        }
        exchange = s.session.send(call.sending({**call.sent, told["tree"]: leaf}), s.session.admin)
        if exchange.ok and isinstance(exchange.json, dict) and exchange.json.get(told["answer"]) is True:
            return leaf
    if exchange is None or not exchange.ok:
        raise NotExercised("no condition on a value that a customer has is taken")
    raise Broken(f"a customer does not meet that he has a value which is shown of him: {value!r:.60}", exchange)


def _trees(met: Tree, unmet: Tree) -> Iterator[tuple[str, Tree, bool]]:
    """Trees in words, and whether they hold; first those that tell most."""

    def group(how: str, *operands: Tree, negation: bool = False) -> Tree:
        return {"operation": how, "operands": list(operands), "negation": negation}

    yield "no condition", {}, True
    yield "and, of which the last does not hold", group("and", met, met, unmet), False
    yield "or, of which the last holds alone", group("or", unmet, unmet, met), True
    yield "a group that holds, negated", group("and", met, met, negation=True), False
    yield "a condition that holds, negated", {**met, "negation": True}, False
    yield "a condition that does not hold, negated", {**unmet, "negation": True}, True
    yield "or, of which none holds", group("or", unmet, unmet), False
    yield "or, of which the first holds alone", group("or", met, unmet, unmet), True
    yield "a group that does not hold, negated", group("or", unmet, unmet, negation=True), True
    yield "and, of which all hold", group("and", met, met, met), True
    yield "or within and, which does not hold", group("and", met, group("or", unmet, unmet)), False
    yield "and within or, which holds", group("or", unmet, group("and", met, met)), True
    yield "a negated group within and", group("and", met, group("or", unmet, met, negation=True)), False
    yield "a condition that does not say whether it is negated", {k: met[k] for k in met if k != "negation"}, True


def _holds(s: Subject, call: Call, told: Mapping[str, Any], tree: Tree, expected: bool, words: str) -> None:
    exchange = s.session.send(call.sending({**call.sent, told["tree"]: tree}), s.session.admin)
    if exchange.refused_as_invalid:
        return  # a server may refuse a tree of another form than it makes itself
    got = exchange.json.get(told["answer"]) if exchange.ok and isinstance(exchange.json, dict) else exchange.outcome()
    require(got is expected, f"{words}: the answer is {got!r:.60}, not {expected}", exchange, words)
    s.exercised()
