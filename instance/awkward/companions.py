"""Lists and numbers beside the list that was asked for."""

from __future__ import annotations

from instance.awkward.fields import is_open
from instance.awkward.kind import Answer, Kind, Request


class Companions(Kind):
    name = "companions"
    sentence = "beside a list stand others: links, facets, warnings, and how many records there are"
    allowed = "schemas of answers are open; SHAPE-02 says under which key the records stand, and nothing of the others"

    def after(self, request: Request, answer: Answer) -> None:
        operation, value = request.operation, answer.value
        if operation is None or operation.collection is None or operation.collection.key is None:
            return
        if not 200 <= answer.status < 300 or not isinstance(value, dict) or not is_open(self.world.store, request):
            return
        rows = value.get(operation.collection.key)
        beside = {
            "links": [{"id": 1, "rel": "self", "href": "?offset=0"}, {"id": 2, "rel": "next", "href": None}],
            "facets": [{"id": 1, "name": "none", "created": "2001-01-01 00:00:00"}],
            "warnings": [],
            "returned": len(rows) if isinstance(rows, list) else None,
            "count_is_exact": False,
        }
        answer.value = {**{name: other for name, other in beside.items() if name not in value}, **value}
