"""Records with one name, if the target takes a name twice: each is a record of its own (CWE-694). What looks for a
record by its name gives out one that is there already, or deletes both."""

from __future__ import annotations

from cdp.contract import Operation
from contracts.applicability import text_fields
from contracts.arrangement import OwnRecord
from contracts.checks import Broken
from contracts.finding import Unavailable
from contracts.subject import Subject, require


def namesakes(s: Subject) -> None:
    """LIFE-01 on what creates: the second one is as it was sent. LIFE-04 on what deletes: it outlives the first."""
    contract, entity = s.session.contract, str(s.operation.entity)
    create, read = (contract.by_action(entity, action) for action in ("create", "read"))
    if create is None or read is None:
        return
    texts = text_fields(contract, create)
    if "name" not in texts or s.operation.action not in ("create", "delete"):
        return
    field = next((name for name in ("description", *texts) if name in texts and name not in ("name", "id")), None)
    try:
        first, second = (_named(s, entity, field) for _ in range(2))
    except Unavailable:
        return  # names may have to be unique
    if first.path == second.path:
        return _one_for_both(s, second, read, field)
    if s.operation.action == "delete" and not s.bench.execute(first.call(s.operation)).ok:
        return
    record, exchange = s.bench.read_back(second, read)
    if s.operation.action == "delete":
        sentence = "a record is gone since another one of the same name was deleted"
        require(exchange.status != 404, sentence, exchange, "create; create; delete the first; read the second")
    elif field and field in record:
        sentence = f"{field} of a record with the name of another one was sent as {second.sent[field]!r:.60}, it is "
        got = record[field]
        require(got == second.sent[field], f"{sentence}{got!r:.60}", exchange, "create; create; read the second")
    s.exercised()


def _one_for_both(s: Subject, second: OwnRecord, read: Operation, field: str | None) -> None:
    """Names may be what records are told apart by: then who creates one again writes it anew. What he sent is there."""
    record, exchange = s.bench.read_back(second, read)
    if field is not None and record.get(field) == second.sent[field]:
        return
    if s.operation.action == "create":
        raise Broken("a record with the name of another one got its id, too", exchange, "create; create")


def _named(s: Subject, entity: str, field: str | None) -> OwnRecord:
    """A record with the same name as every other of these, and a text of its own in another field."""
    arrangement = s.bench.arrangement
    names: dict[str, str] = s.bench.memory.setdefault("namesakes", {})
    name = names.setdefault(f"{entity}/{s.operation.action}", arrangement.sampler.text("name"))
    beside = {field: arrangement.sampler.text(field)} if field else {}
    return arrangement.create(entity, {"name": name, **beside})
