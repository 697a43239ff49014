"""How a search is asked, and what is known of the customers that it finds."""

from __future__ import annotations

from typing import Any

from cdp.contract import Operation, Parameter
from cdp.contract.operation import Searches
from cdp.texts import folded
from contracts.calls import Call
from contracts.checks import Broken
from contracts.conventions.listing import Page, list_call, page
from contracts.observing import rows_of
from contracts.subject import Subject

_READ_BACK = 2


def text_parameter(s: Subject) -> Parameter:
    """The parameter that takes the text."""
    return next(p for p in s.operation.query_parameters if p.searches)


def search_of(s: Subject) -> Searches:
    """What the contract says of the search."""
    found = text_parameter(s).searches
    assert found is not None
    return found


def about_texts(s: Subject) -> None:
    """What is sent from here on is about texts, and not counted among what the list is asked for its own rules."""
    s.session.about = ""


def find(s: Subject, text: str, *query: tuple[str, Any]) -> Page:
    """The page that a text brings."""
    return page(s, (text_parameter(s).name, text), *query)


def values_of(s: Subject) -> tuple[Operation, Parameter]:
    """The operation that tells a found record's values, and the path parameter that takes the record."""
    operation = s.session.contract.operations[search_of(s).operation]
    return operation, next(p for p in operation.path_parameters if p.entity == s.operation.entity)


def owner_of(s: Subject, row: Any) -> str:
    """Whose row it is."""
    return str(row.get(values_of(s)[1].field)) if isinstance(row, dict) else ""


def owners_of(s: Subject, rows: list[Any]) -> list[str]:
    """Whose the rows are, each of them once."""
    return list(dict.fromkeys(owner_of(s, row) for row in rows))


def read_values(s: Subject, owner: str) -> list[dict[str, Any]]:
    """The values of a record, as rows."""
    operation, parameter = values_of(s)
    query = (("attribute_values_max_count", "100"),) if operation.query("attribute_values_max_count") else ()
    exchange = s.session.read(Call(operation, {parameter.name: owner}, query), s.session.admin)
    return [r for r in rows_of(operation, exchange) or () if isinstance(r, dict)]


def telling_apart(s: Subject) -> set[str]:
    """Fields of a row that tell which of the owner's values it is about: those that a row of his values has, too."""
    return {sub.field for sub in s.operation.sub_entities} & {sub.field for sub in values_of(s)[0].sub_entities}


def kind_of(s: Subject, row: dict[str, Any]) -> tuple[str, ...]:
    """Which of a customer's values a row is about."""
    return tuple(str(row.get(name)) for name in sorted(telling_apart(s)))


def text_call(s: Subject, text: str) -> Call:
    """The call that searches for a text."""
    return list_call(s).asking((text_parameter(s).name, text))


def without_strangers(s: Subject, text: str, got: Page, literally: bool) -> None:
    """Every row of an answer holds the text; word by word where it need not be taken literally."""
    field = search_of(s).field
    wanted = [folded(text)] if literally else folded(text).split()
    for row in got.records:
        value = row.get(field) if isinstance(row, dict) else None
        if value is not None and not all(part in folded(value) for part in wanted):
            raise Broken(f"the answer holds {value!r:.60}, which has not {text!r:.60} in it", got.exchange, text)
    for owner in owners_of(s, got.records)[:_READ_BACK]:
        values = [row.get(field) for row in read_values(s, owner)]
        if values and not any(all(part in folded(v) for part in wanted) for v in values):
            raise Broken(f"the answer holds {owner:.60}, who has no value with {text!r:.60} in it", got.exchange, text)
