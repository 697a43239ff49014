"""Which operations a fault can be put on: predicates over the contract.

Whether a requirement is held to an operation is known to the suite; here stands only what a fault needs to be one.
"""

from __future__ import annotations

from collections.abc import Callable

from instance.contract import Contract, Operation
from instance.faults.model import Fitting
from instance.schemas import Schema


def only(*operations: str) -> Fitting:
    """These operations alone."""
    return lambda o, c: o.id in operations


def every(*fittings: Fitting) -> Fitting:
    """All of the conditions."""
    return lambda o, c: all(fits(o, c) for fits in fittings)


def acting(*actions: str) -> Fitting:
    """What the operation does with a record: list, read, create, update, delete, restore, trash."""
    return lambda o, c: o.action in actions


def of_a_known_status(o: Operation, c: Contract) -> bool:
    """What a valid call gets is not just assumed."""
    return "assumed" not in (o.raw["x-provenance"], o.raw["responses"][str(o.status)].get("x-provenance"))


def of_a_known_body(o: Operation, c: Contract) -> bool:
    """What its body has to hold is not just assumed, or it has none."""
    structure = c.book.resolve(o.body_schema) if o.body_schema else {}
    told = (o.raw["x-provenance"], (o.raw.get("requestBody") or {}).get("x-provenance"), structure.get("x-provenance"))
    return o.body_media is None or "assumed" not in told


def below_the_api(o: Operation, c: Contract) -> bool:
    """It is not off the host itself, where other things may answer, too."""
    return o.base == "api"


def lists(o: Operation, c: Contract) -> bool:
    return o.collection is not None


def paged(o: Operation, c: Contract) -> bool:
    return o.collection is not None and o.collection.paging


def dated(o: Operation, c: Contract) -> bool:
    """It is not only assumed which timestamp the list goes by."""
    return o.collection is not None and o.collection.timestamp_provenance not in ("", "assumed")


def ordered(o: Operation, c: Contract) -> bool:
    return o.collection is not None and "order_by" in o.query_parameters


FILTERS = ("name_filter", "name_search", "searched_text", "search_text", "tag_ids", "event_ids", "source_ids")


def filtered(o: Operation, c: Contract) -> bool:
    """It has a filter."""
    return any(name in o.query_parameters for name in FILTERS)


def asks(name: str) -> Fitting:
    """It has this query parameter."""
    return lambda o, c: name in o.query_parameters


def writes(o: Operation, c: Contract) -> bool:
    """It takes a JSON body."""
    return o.body_media == "application/json" and o.body_schema is not None


def records_with(name: str, suits: Callable[[Schema, Contract], bool] | None = None, required: bool = True) -> Fitting:
    """The records of its answer have this field, always where it is `required`, and its schema suits."""

    def fits(o: Operation, c: Contract) -> bool:
        schema = o.item_schema
        if schema is None or name not in c.book.properties(schema):
            return False
        if required and name not in c.book.required(schema):
            return False
        return suits is None or suits(c.book.properties(schema)[name], c)

    return fits


def of_kind(kind: str) -> Callable[[Schema, Contract], bool]:
    """The schema allows this type and not null."""
    return lambda schema, c: c.book.kind(schema) == kind and not c.book.nullable(schema)


def body_with(*names: str, required: bool = False) -> Fitting:
    """Its JSON body takes these fields."""

    def fits(o: Operation, c: Contract) -> bool:
        if not writes(o, c) or o.body_schema is None:
            return False
        known = c.book.required(o.body_schema) if required else set(c.book.properties(o.body_schema))
        return known.issuperset(names)

    return fits


def embeds(name: str) -> Fitting:
    """Its full structure embeds this sub-entity."""
    return lambda o, c: any(part.get("key") == name for part in o.sub_entities.values())


def with_sub_entities(o: Operation, c: Contract) -> bool:
    """Its records refer to others."""
    return bool(o.sub_entities)


def one_of(o: Operation, c: Contract) -> bool:
    """Each of several features opens it."""
    return o.features_mode == "anyOf" and len(o.features) > 1


def free(o: Operation, c: Contract) -> bool:
    """A token is enough; no feature is needed."""
    return o.auth == "token" and not o.features


def featured(o: Operation, c: Contract) -> bool:
    return o.auth == "token" and bool(o.features)


def ends_in_id(o: Operation, c: Contract) -> bool:
    """Its path ends in the id of a record."""
    return o.path.rstrip("/").endswith("}")


def unpaged(o: Operation, c: Contract) -> bool:
    return o.collection is not None and not o.collection.paging


def without_feature(name: str) -> Fitting:
    """It needs a feature, and this one has no part in it."""
    return lambda o, c: featured(o, c) and name not in o.features


def in_areas(o: Operation, c: Contract) -> bool:
    """The features that open it have names of several parts."""
    return featured(o, c) and any("/" in name for name in o.features)


def stored(o: Operation, c: Contract) -> bool:
    """It is about a stored record that its path names."""
    return any(parameter.entity for parameter in o.path_parameters)


def numbered(o: Operation, c: Contract) -> bool:
    """The last id of its path is a number."""
    return bool(o.path_parameters) and o.path_parameters[-1].kind == "integer"


def item(o: Operation, c: Contract) -> bool:
    """It answers one record."""
    return o.has_item


def keyed(o: Operation, c: Contract) -> bool:
    """Its record or list stands under a key."""
    return bool(o.item_key) or bool(o.collection and o.collection.key)


def enveloped(o: Operation, c: Contract) -> bool:
    """Its success is a JSON object."""
    return o.answer is not None and "object" in c.book.types(o.answer)


def with_settings(o: Operation, c: Contract) -> bool:
    """It tells the settings that were applied."""
    return o.settings_schema is not None


def trashed(o: Operation, c: Contract) -> bool:
    """What it deletes goes to a trash that can be listed."""
    return o.entity is not None and bool(c.of_entity(o.entity, "trash"))


def changeable(field: str) -> Fitting:
    """A PATCH at the same path changes this field."""

    def fits(o: Operation, c: Contract) -> bool:
        return o.entity is not None and any(
            other.path == o.path and body_with(field)(other, c) for other in c.of_entity(o.entity, "update")
        )

    return fits


def body_of(name: str) -> Fitting:
    """A JSON body with nothing but this field is a valid one."""

    def fits(o: Operation, c: Contract) -> bool:
        if not body_with(name)(o, c) or o.body_schema is None:
            return False
        return c.book.required(o.body_schema) <= {name}

    return fits


def refusing_something(o: Operation, c: Contract) -> bool:
    """Some request with a valid token is refused for what it says: it has parameters that can be wrong, or a body."""
    return bool(o.path_parameters or o.query_parameters or o.body_media)


def with_arrays(o: Operation, c: Contract) -> bool:
    """Its records always have lists, which may be empty and may not be null."""
    if o.item_schema is None:
        return False
    required = c.book.required(o.item_schema)
    found = {n: s for n, s in c.book.properties(o.item_schema).items() if n in required}
    return any(c.book.kind(s) == "array" and not c.book.nullable(s) for s in found.values())


def deletable(o: Operation, c: Contract) -> bool:
    """What it creates is deleted one step below its path."""
    return o.entity is not None and any(
        other.path.rpartition("/")[0] == o.path.rstrip("/") for other in c.of_entity(o.entity, "delete")
    )


def seen_alone(o: Operation, c: Contract) -> bool:
    """A GET at the same path reads the record that it is about."""
    return o.entity is not None and any(other.path == o.path for other in c.of_entity(o.entity, "read"))


def changed_alone(o: Operation, c: Contract) -> bool:
    """A PATCH at the same path changes the record that it is about, and what is deleted goes to no trash."""
    return (
        o.entity is not None
        and not trashed(o, c)
        and any(other.path == o.path for other in c.of_entity(o.entity, "update"))
        and not any(body_with("deleted")(other, c) for other in c.of_entity(o.entity, "update"))
    )


def at_the_top(o: Operation, c: Contract) -> bool:
    """The list lies below no other record."""
    return not o.path_parameters


def open_by_its_page(o: Operation, c: Contract) -> bool:
    """A page says that it needs no token. The login is left out: without it nothing can be judged, and a run ends."""
    return o.auth == "none" and "login" not in o.id
