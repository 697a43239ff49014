"""Decoders of the contract's answers: they agree with a full validator on valid and on changed bodies, except where
they say that they do not."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from load.decoding import Decoder, NotJson, WrongShape, attribute, decoders
from tests.load_scenes import CONTRACT
from tests.schema_values import valid_value

ANSWERS = [(o.id, status) for o in CONTRACT.operations.values() for status in decoders(CONTRACT, o)]
_STRANGE: tuple[Any, ...] = (None, True, 0, -1, 7, 1.5, 2.0, 10**30, "", "x", [], {}, [None], {"x": 1})
VALUES, CHANGES = 4, 25


def _accepts(decoder: Callable[[bytes], Any], body: bytes) -> bool:
    try:
        decoder(body)
    except WrongShape:
        return False
    return True


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from _places(below, (*path, key))


def _changed(value: Any, rng: random.Random) -> Any:
    """The value with one thing in it taken away, added or put in the place of another."""
    whole = {"": copy.deepcopy(value)}
    path = ("", *rng.choice(list(_places(value))))
    holder: Any = whole
    for part in path[:-1]:
        holder = holder[part]
    last = path[-1]
    how = rng.randrange(3)
    if how == 0 and len(path) > 1 and isinstance(holder, dict):
        del holder[last]
    elif how == 1 and isinstance(holder[last], dict):
        holder[last]["cdp_unknown"] = rng.choice(_STRANGE)
    elif how == 1 and isinstance(holder[last], list):
        holder[last].append(rng.choice(_STRANGE))
    else:
        holder[last] = rng.choice(_STRANGE)
    return whole[""]


@pytest.mark.parametrize(("name", "status"), ANSWERS, ids=[f"{name}-{status}" for name, status in ANSWERS])
def test_agrees_with_a_full_validator(name: str, status: int) -> None:
    schema = CONTRACT.operations[name].response_schema(status)
    assert schema is not None
    decoder, full = Decoder(CONTRACT, schema), CONTRACT.validator(schema)
    left_out = {place.rpartition(": ")[2] for place in decoder.left_out}
    rng = random.Random(f"{name} {status}")
    noticed = 0
    for _ in range(VALUES):
        value = valid_value(CONTRACT, schema, rng)
        assert full.is_valid(value), next(iter(full.iter_errors(value))).message
        for body in [value, *(_changed(value, rng) for _ in range(CHANGES))]:
            written = orjson.dumps(body) if 10**30 not in _numbers(body) else _long(body)
            valid, accepted = full.is_valid(body), _accepts(decoder, written)
            assert accepted or not valid, "a valid body is refused"
            noticed += not valid
            if accepted and not valid:
                # A false anyOf says nothing about what in it was wrong: what is left out stands somewhere below it.
                keywords = {str(error.schema_path[-1]) for error in full.iter_errors(body)}
                assert keywords <= left_out | {"anyOf"} and left_out, keywords
            assert bool(decoder.problem(body)) == (not valid)
    assert noticed, "no change made a body wrong"


def _numbers(value: Any) -> set[int]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = {value} if isinstance(value, int) else set()
    return found.union(*(_numbers(below) for below in inner))


def _long(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_what_is_left_to_the_sample() -> None:
    """The lists of the hot operations leave out patterns and formats, and nothing else."""
    for name in ("search_customers", "list_customer_attributes", "list_customer_events", "create_customer_events"):
        for decoder in decoders(CONTRACT, CONTRACT.operations[name]).values():
            assert {place.rpartition(": ")[2] for place in decoder.left_out} <= {"pattern", "format"}
    conditions = decoders(CONTRACT, CONTRACT.operations["list_segments"])[200].left_out
    assert any("recursive" in place for place in conditions)


SEARCH = decoders(CONTRACT, CONTRACT.operations["search_customers"])[200]
ROW = {
    "customer_entity_id": "1",
    "source_id": "web",
    "attribute_id": "city",
    "value": "Brno",
    "created": "2024-01-01 10:00:00",
}
PAGE = {"customers": [ROW, ROW], "selection_settings": {"limit": 20, "offset": 0, "search_text": "Brno"}}


def _with(**changes: Any) -> bytes:
    return orjson.dumps({**PAGE, "customers": [ROW, {**ROW, **changes}]})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (_with(value=7), "Expected `str`, got `int` - at `$.customers[...].value`"),
        (orjson.dumps({"customers": []}), "Object missing required field `selection_settings`"),
        (orjson.dumps({**PAGE, "customers": {"secret": 1}}), "Expected `array`, got `object` - at `$.customers`"),
        (b"[]", "Expected `object`, got `array`"),
    ],
)
def test_a_wrong_shape_is_told_without_values(body: bytes, message: str) -> None:
    with pytest.raises(WrongShape) as caught:
        SEARCH(body)
    assert str(caught.value) == message


def test_texts_of_the_target_stay_out_of_messages() -> None:
    state = decoders(CONTRACT, CONTRACT.operations["get_customer_events_async_upload"])[200]
    good = {"id": "41f2cc9a-f7df-4ef8-b2e1-1bd4e627639a", "status": "waiting", "created": "2022-09-05 09:35:25.949395"}
    for changes in ({"status": "tok3n-tok3n"}, {"tok3n-tok3n": 1}, {"status": "` - at `tok3n-tok3n`"}):
        with pytest.raises(WrongShape) as caught:
            state(orjson.dumps({**good, **changes}))
        assert "tok3n" not in str(caught.value)
    assert "tok3n" not in state.problem({**good, "created": "tok3n-tok3n"})
    assert state.problem({**good, "created": "now"}) == "pattern does not hold - at `$.created`"
    attributes = decoders(CONTRACT, CONTRACT.operations["list_customer_attributes"])[200]
    assert "tok3n" not in attributes.problem({"customer_attributes": [{"tok3n": 1}]})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"{",
        b'{"customers": NaN}',
        b'{"customers": [}',
        b"\xff",
        b'{"a": "\xff"}',
        b"[" * 5000,
        orjson.dumps(PAGE) + b"x",
        b'{"customers": "\\ud800"}',
    ],
    ids=range(10),
)
def test_no_json(body: bytes) -> None:
    with pytest.raises(NotJson):
        SEARCH(body)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    body = orjson.dumps({**PAGE, "selection_settings": {"limit": 20.0, "offset": 0.0, "search_text": "Brno"}})
    assert SEARCH(body).selection_settings.limit == 20


def test_fields_that_are_no_names_of_python() -> None:
    schema = {"type": "object", "required": ["class", "a b", "id"], "properties": {"class": {"type": "string"}}}
    decoded = Decoder(CONTRACT, schema)(b'{"class": "c", "a b": 1, "id": 2, "more": 3}')
    assert (getattr(decoded, attribute("class")), getattr(decoded, attribute("a b")), decoded.id) == ("c", 1, 2)
