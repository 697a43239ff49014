"""The conventions of the API, held to a sample of the answers under load, with the ids of the contract runs.

What every answer is held to costs a few microseconds (`load.scenarios.judging`); what stands here reads the whole body
in Python, and so is done for one answer in many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson

from cdp.contract import Operation
from cdp.strict_json import strictness
from cdp.texts import folded, timestamp
from load.answer import Answer
from load.decoding import Decoder
from load.scenario import GOOD, Outcome

JSON = "application/json"
SETTINGS = "selection_settings"
MOST_RECORDS = 100  # every target has to answer pages of so many
_PAGING = {"limit": "PAGE-08", "offset": "PAGE-08", "order_by": "ORDER-06", "order_dir": "ORDER-06"}

NOT_JSON_TYPE = Outcome("the body is no application/json", "MEDIA-01")
NOT_STRICT = Outcome("the body is no strict JSON", "MEDIA-02")
OUT_OF_ORDER = Outcome("a newer record stands behind an older one", "ORDER-01")
STRANGER = Outcome("the answer holds a value without the text in it", "SEARCH-01")
OTHER_TEXT = Outcome("another text was searched than the one that was sent", "SEARCH-03")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asked for: its query, decoded, and the text that was searched, if any."""

    query: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


PLAINLY = Asked()


class Conventions:
    """What the answers of one operation are held to on the sample. `ordered`: whether records come newest first."""

    def __init__(self, operation: Operation, *, ordered: bool = True) -> None:
        self.operation = operation
        collection = operation.collection
        self.key = collection.key if collection else None
        self.timestamp = collection.timestamp if collection and ordered else None
        searched = next((p for p in operation.query_parameters if p.searches), None)
        self.text_name = searched.name if searched else ""
        self.value_name = searched.searches.field if searched and searched.searches else ""

    def hold(self, answer: Answer, decoder: Decoder, asked: Asked = PLAINLY) -> Outcome:
        """The first convention that a success breaks, or GOOD. The body is known to fit the decoder."""
        if media_type(answer) != JSON:
            return NOT_JSON_TYPE
        if strictness(answer.body):
            return NOT_STRICT
        body = orjson.loads(answer.body)
        if decoder.left_out and (problem := decoder.problem(body)):
            return Outcome(problem, "SHAPE-01")
        outcome = self._settings(body, asked)
        if outcome is not GOOD:
            return outcome
        records = body.get(self.key) if isinstance(body, dict) and self.key else body
        return self._records(records, asked) if isinstance(records, list) else GOOD

    def _settings(self, body: Any, asked: Asked) -> Outcome:
        """Whether the answer tells back what was asked, where it tells it at all."""
        told = body.get(SETTINGS) if isinstance(body, dict) else None
        if not isinstance(told, dict):
            return GOOD
        for name, value in asked.query.items():
            if name in told and str(told[name]) != str(value):
                if name == "limit" and _is_less(told[name], value):
                    continue  # a largest page that is smaller than what was asked for
                if name == self.text_name:
                    return OTHER_TEXT
                if name in _PAGING:
                    requirement = _PAGING[name]
                    return Outcome(f"selection_settings tells another {name}", requirement)
        return GOOD

    def _records(self, records: list[Any], asked: Asked) -> Outcome:
        rows = [r for r in records if isinstance(r, dict)]
        if self.timestamp and not in_order(rows, self.timestamp):
            return OUT_OF_ORDER
        if asked.text and self.value_name:
            words = folded(asked.text).split()
            for row in rows:
                value = row.get(self.value_name)
                if value is not None and not all(word in folded(value) for word in words):
                    return STRANGER
        return GOOD


def _is_less(told: Any, asked: Any) -> bool:
    return type(told) is int and str(asked).isdigit() and MOST_RECORDS <= told < int(asked)


def media_type(answer: Answer) -> str:
    """The media type of an answer, in small letters, without parameters."""
    return answer.header("Content-Type").partition(";")[0].strip().lower()


def in_order(rows: list[dict[str, Any]], field: str) -> bool:
    """Whether records come newest first by a timestamp; those without one do not count."""
    times = [moment for row in rows if (moment := timestamp(row.get(field)))]
    return all(earlier >= later for earlier, later in pairwise(times))
