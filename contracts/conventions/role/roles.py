"""ROLE: the features of the caller's role open an operation, a missing one is 403 (overview page, Authorization)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cdp.contract import Operation
from cdp.contract.operation import is_pattern
from cdp.http import Exchange
from contracts.applicability import body_fields
from contracts.calls import Call
from contracts.cells import NO_FEATURES
from contracts.checks import Broken, NotExercised, Unconfirmed, check
from contracts.conventions.at_once import forbidden_beside_others
from contracts.conventions.auth.refusals import tells_nothing
from contracts.conventions.auth.refused_writes import refused_in_vain
from contracts.conventions.harmless import NO_SUCH, NO_SUCH_NUMBER, about_nobody, harmless, invalid_body, unknown_id
from contracts.conventions.life.parents import refused_in_whole
from contracts.conventions.listing import asked_otherwise, describe
from contracts.conventions.other_ways import refused_by_every_way
from contracts.conventions.role.drawn_sets import explore
from contracts.conventions.role.empty_changes import refused_without_changing
from contracts.conventions.role.entitled import beside_another, kept_out, reads_what_there_is, really_writes
from contracts.conventions.role.moves import moved_to_another_role
from contracts.conventions.role.one_record_only import opens_for_it_alone
from contracts.conventions.role.own_identity import tells_of_the_caller
from contracts.conventions.role.owners import owner_needs_them
from contracts.conventions.role.shares import opens_its_own_alone, shares_count
from contracts.feature_sets import gives_access
from contracts.observing import record_of, rows_of
from contracts.session import Identity
from contracts.subject import Subject, require

SETTINGS_FEATURE = "settings/global"
_OTHER_TYPE = "a body of another media type"


def _no_features(s: Subject) -> Identity:
    return s.bench.identities.holding(frozenset(), NO_FEATURES)


def _telling(s: Subject, call: Call) -> None:
    """On a call that cannot succeed, passing is only told apart from being refused when the refusal comes first."""
    if s.operation.safety == "read":
        return
    refused = s.bench.once(f"refused/{s.operation.id}", lambda: s.session.send(call, _no_features(s)))
    if refused.status != 403:
        raise NotExercised(
            f"a role without features gets {refused.outcome()} on the harmless call, so passing cannot be told "
            "from being refused"
        )


@check("ROLE-01")
def without_features(s: Subject) -> None:
    s.control()
    call = s.bench.untouched_call(s.operation)
    otherwise = asked_otherwise(s, call, filtered=True)
    for asked in [call] if otherwise == call else [call, otherwise]:
        exchange = s.session.send(asked, _no_features(s))
        beside = "" if asked == call else f" for {describe(*asked.query)}"
        require(
            exchange.status == 403,
            f"a role without any feature got {exchange.outcome()} instead of 403{beside}",
            exchange,
            s.operation.features.text(),
        )
        s.exercised()
    refused_without_changing(s, _no_features(s))
    if not s.quick:
        _not_even_himself(s, call)
        refused_by_every_way(s, call, _no_features(s), "a role without any feature")
        forbidden_beside_others(s, call, _no_features(s), "a role without any feature")


def _not_even_himself(s: Subject, call: Call) -> None:
    """Nor is a user let through to himself: who may change his own role may do anything (CWE-269)."""
    caller, own = _no_features(s), s.operation.path_parameters[-1:]
    if not own or own[0].entity != "user" or not caller.user_id or s.operation.safety not in ("read", "write"):
        return
    if s.operation.action not in ("read", "update"):
        return
    exchange = s.session.send(call.at(**{own[0].name: caller.user_id}), caller)
    sentence = f"a role without any feature got {exchange.outcome()} instead of 403 for the caller himself"
    if exchange.status != 403:
        raise Broken(sentence, exchange, s.operation.features.text(), softly=s.operation.features_assumed)
    s.exercised()


@check("ROLE-02")
def one_feature_is_enough(s: Subject) -> None:
    if s.bench.control(s.operation)[1].status != 403:  # an operation that refuses the run's own role may refuse all
        s.control()
    features = next(f for f in s.operation.features.minimal_sets() if f[0] == s.cell.role)
    caller = s.bench.identities.holding(frozenset(features), s.cell.role)
    call = harmless(s)
    _telling(s, call)
    exchange = s.session.send(call, caller)
    if exchange.refused_access:
        raise Broken(
            f"a role with just {' and '.join(features)} got {exchange.status}",
            exchange,
            softly=s.operation.features_assumed,
        )
    if not 0 < exchange.status < 500:
        everybody = s.session.send(call, s.session.admin)
        if not 0 < everybody.status < 500:
            raise NotExercised(f"the harmless call answers {everybody.outcome()}, whoever sends it")
        raise Broken(f"a role with just {' and '.join(features)} got {exchange.outcome()}", exchange)
    reads_what_there_is(s, call, caller, exchange, f"a role with just {' and '.join(features)}")
    s.exercised()
    really_writes(s, caller, features)


def _feature_sets(s: Subject) -> list[tuple[str, frozenset[str]]]:
    """Sets of features to try: near misses first, then random ones."""
    operation, known = s.operation, s.bench.identities.sets
    sets = known.near_misses(operation) if operation.features.needed else [("no feature at all", frozenset[str]())]
    sets.append(("all features but one", known.all_but_one(operation)))
    sets += [(f"{len(f)} features, whatever they are", f) for f in known.drawn]
    return [(what, f) for what, f in sets if _telling_set(s, f)]


def _telling_set(s: Subject, features: frozenset[str]) -> bool:
    """Whether it is known what the set has to open: no other way to the operation is in it."""
    if SETTINGS_FEATURE not in features and _kept_from_most(s):
        return False
    known = set(s.session.contract.feature_names)
    by_another_way = any(name in known and gives_access(s.operation, name) for name in features)
    if by_another_way and not s.operation.features.allows(features):
        return False
    patterns = tuple(f.rsplit("/", 1)[0] + "/" for f in s.operation.features.any_of if is_pattern(f))
    return not patterns or not any(name.startswith(patterns) for name in features)


def _kept_from_most(s: Subject) -> bool:
    """Whether the call is about a setting that is only for holders of settings/global: which ones are is not
    documented, but a role without any feature does not find it in the list."""
    listing = s.session.contract.by_action("global_setting", "list")
    if s.operation.extra_access != "settings_global" or not s.operation.path_parameters or listing is None:
        return False
    shown = s.bench.once(f"shown/{listing.id}", lambda: s.session.send(Call(listing), _no_features(s)))
    records = rows_of(listing, shown)
    if records is None:
        return False
    ids = {str(r.get("id")) for r in records if isinstance(r, dict)}
    return not ids.intersection(map(str, harmless(s).path.values()))


@check("ROLE-03")
def exactly_the_features(s: Subject) -> None:
    refused = s.bench.control(s.operation)[1]
    if refused.status == 403 and not s.operation.features.needed:
        raise Broken(
            "the run's own role got 403, although no feature is needed", refused, softly=s.operation.features_assumed
        )
    s.control()
    call = harmless(s)
    if s.operation.features.needed:
        _telling(s, call)
    closed = ""
    for what, features in _feature_sets(s):
        try:
            caller = s.bench.identities.holding(features, s.cell.role)
        except NotExercised as error:  # the target may not take this very set
            closed = closed or str(error)
            continue
        exchange = s.session.send(call, caller)
        features = s.bench.identities.held.of(features)
        _as_they_demand(s, features, exchange, what)
        if s.operation.features.allows(features):
            reads_what_there_is(s, call, caller, exchange, f"a role with {what}")
        tells_of_the_caller(s, call, caller, exchange)
        s.exercised()
    if not s.quick:
        _named_features(s, call)
    if s.session.profile.lattice:
        explore(
            s,
            call,
            lambda features: _telling_set(s, features),
            lambda features, exchange, more: _as_they_demand(s, features, exchange, "features drawn around them", more),
        )
    if not s.evidence:
        raise NotExercised(closed or "every set of features that would tell may open it by another way, too")


def _named_features(s: Subject, call: Call) -> None:
    """A feature that ends in the id of a record opens for the records that there are: segments/export/7."""
    for pattern in filter(is_pattern, s.operation.features.any_of):
        area, _, placeholder = pattern.rpartition("/")
        words = placeholder.lower().removesuffix("_id")
        listing = next((o for o in s.session.contract.operations.values() if _lists_what_ends_in(o, words)), None)
        if listing is None:
            continue
        try:
            records = rows_of(listing, s.bench.control(listing)[1]) or []
            ids = _named_by(s, f"{listing.entity}_id") or [str(r["id"]) for r in records if isinstance(r, dict)][:1]
            callers = [s.bench.identities.holding(frozenset({f"{area}/{id}"}), s.cell.role) for id in ids]
        except (NotExercised, Unconfirmed):
            continue
        for caller in callers:
            exchange = s.session.send(call, caller)
            sentence = f"a role with just {area} and the id of a record got {exchange.outcome()}"
            require(exchange.status != 403, sentence, exchange, pattern, softly=s.operation.features_assumed)
            s.exercised()
        opens_for_it_alone(s, call, area, listing, _named_by(s, f"{listing.entity}_id"))


def _named_by(s: Subject, field: str) -> list[str]:
    """The record that the call's own one refers to: the feature of another one need not open it."""
    record = record_of(s.operation, s.bench.control(s.operation)[1])
    found = record.get(field) if isinstance(record, dict) else None
    return [] if found is None else [str(found)]


def _lists_what_ends_in(operation: Operation, words: str) -> bool:
    return operation.action == "list" and not operation.path_parameters and (operation.entity or "").endswith(words)


def _as_they_demand(s: Subject, features: frozenset[str], exchange: Exchange, what: str, more: str = "") -> None:
    allowed = s.operation.features.allows(features)
    if allowed == (exchange.status == 403) or exchange.status == 401:
        rule = "opens it" if allowed else "does not open it"
        sentence = f"a role with {what} got {exchange.outcome()}, although that {rule}"
        beside = sorted(features.difference(s.operation.features.any_of, s.operation.features.all_of))
        held = f", beside {', '.join(beside)}"[:300] if more or "drawn around" in what else ""
        raise Broken(sentence, exchange, _shown(s, features) + held + more, softly=s.operation.features_assumed)


def _shown(s: Subject, features: frozenset[str]) -> str:
    required = {*s.operation.features.any_of, *s.operation.features.all_of}
    held = sorted(required & features)
    return f"needs {s.operation.features.text()}; the role holds {', '.join(held) if held else 'none of them'}"


def _spoilt_calls(s: Subject, call: Call) -> list[tuple[str, Call]]:
    """A valid call with something in it for which it would be refused to anybody, and what that is."""
    variants = []
    if s.operation.path_parameters:
        variants.append(("an unknown id", unknown_id(s, call)))
        if len(s.operation.path_parameters) > 1:
            variants.append(("an unknown id of what it lies below", unknown_id(s, call, 0)))
        numbered = s.session.contract.resolved(s.operation.path_parameters[-1].schema).get("type") == "integer"
        if numbered and not s.quick:
            variants.append(("an id of the wrong form", call.at(**{s.operation.path_parameters[-1].name: NO_SUCH})))
    if s.operation.body_schema is not None:
        variants.append(("an invalid body", invalid_body(call)))
    if not s.quick:
        if s.operation.query("limit"):
            variants.append(("an invalid limit", call.asking(("limit", "-1"))))
        variants += [("a body that refers to nothing", body) for body in _referring_to_nothing(s, call)]
        if s.operation.body_media_type == "application/json":
            variants.append((_OTHER_TYPE, replace(call, media_type="text/plain")))
    return variants


@check("ROLE-04")
def refusal_comes_first(s: Subject) -> None:
    if (nobodys := about_nobody(s)) is not None:
        variants = [("an unknown id", nobodys)]
    else:
        s.control()
        variants = _spoilt_calls(s, s.bench.untouched_call(s.operation))
    for place, (what, variant) in enumerate(variants):
        exchange = s.session.send(variant, _no_features(s))
        if what == _OTHER_TYPE and exchange.status in (400, 415):
            continue  # the body could not be read: that tells nothing of what is there, and may come before the caller
        if exchange.status == 403 and place:
            exchange = _by_the_others(s, variant) or exchange
        require(
            exchange.status == 403,
            f"{what} with too small a role got {exchange.outcome()} instead of 403",
            exchange,
            what,
        )
        s.exercised()


def _referring_to_nothing(s: Subject, call: Call) -> list[Call]:
    """The call with a body that refers to a record which is not there; none where a body refers to no record."""
    for name, field in body_fields(s.session.contract, s.operation).items():
        kind = field.get("type")
        if isinstance(call.sent, dict) and "x-entity" in field and kind in ("integer", "string", "array"):
            numbered = (
                kind == "integer" or s.session.contract.resolved(field.get("items") or {}).get("type") == "integer"
            )
            nobody: Any = int(NO_SUCH_NUMBER) if numbered else NO_SUCH
            return [call.sending({**call.sent, name: [nobody] if kind == "array" else nobody})]
    return []


def _others(s: Subject) -> Identity | None:
    """Who holds every feature but those that the operation needs; None where that does not tell, or nobody does."""
    if not s.operation.features.needed:
        return None
    _, features = s.bench.identities.sets.near_misses(s.operation)[0]
    if not _telling_set(s, features):
        return None
    try:
        return s.bench.identities.holding(features, s.cell.role)
    except NotExercised:
        return None


def _by_the_others(s: Subject, variant: Call) -> Exchange | None:
    """What becomes of a call by a role that holds much, but not what is needed; None where such a role is let in by
    any call: that is another requirement's."""
    caller = _others(s)
    if caller is None:
        return None
    exchange = s.session.send(variant, caller)
    return exchange if exchange.status == 403 or s.session.send(harmless(s), caller).status == 403 else None


@check("ROLE-05")
def refused_write_changes_nothing(s: Subject) -> None:
    others = _others(s) if s.operation.safety != "sends" else None
    further = (lambda call: kept_out(s, others, s.session.send(call, others))) if others else None
    refused_in_vain(s, lambda call: s.session.send(call, _no_features(s)), further=further)
    if s.operation.action == "delete" and not s.quick:
        refused_in_whole(s, lambda call: s.session.send(call, _no_features(s)))


@check("ROLE-06")
def change_counts_at_once(s: Subject) -> None:
    s.control()
    identities = s.bench.identities
    caller = identities.changeable()
    call = harmless(s)
    _telling(s, call)
    sets = [f for f in s.operation.features.minimal_sets() if not any(map(is_pattern, f))]
    steps: list[tuple[str, list[str], bool]] = [
        ("without the feature", [], False),
        ("once it was granted", list(sets[0]), True),
        # Others take its place where there are any: what tells roles apart by the number of their features sees none.
        ("once it was withdrawn", _as_many_others(s, len(sets[0])), False),
    ]
    for when, features, allowed in steps:
        if not identities.grant(caller, features) and (allowed or not features or not identities.grant(caller, [])):
            raise NotExercised("the features of a role cannot be changed on this target")
        exchange = s.session.send(call, Identity(s.cell.role, caller.token))
        if allowed == (exchange.status == 403):
            raise Broken(f"{when} a role got {exchange.outcome()}", exchange, sets[0][0])
        s.exercised()
    if not s.quick:
        beside_another(s, call, caller, list(sets[0]))
    if not s.quick and identities.grant(caller, []):
        moved_to_another_role(s, call, caller, list(sets[0]), _no_features(s))
        owner_needs_them(s, caller, list(sets[0]))
        shares_count(s, caller)
        opens_its_own_alone(s, caller)


def _as_many_others(s: Subject, count: int) -> list[str]:
    """So many features that do not open the operation; none where there are not enough of them."""
    names = s.session.contract.feature_names
    found = [f for f in names if not is_pattern(f) and not s.operation.features.allows(frozenset({f}))]
    chosen = frozenset(found[-count:])
    return sorted(chosen) if len(chosen) == count and _telling_set(s, chosen) else []


@check("ROLE-07")
def ended_user(s: Subject) -> None:
    s.control()
    call = s.bench.untouched_call(s.operation)
    for what, caller in s.bench.identities.ended():
        exchange = s.session.send(call, Identity(s.cell.role, caller.token))
        require(
            exchange.refused_access, f"the token of a {what} user got {exchange.outcome()}", exchange, f"a {what} user"
        )
        s.exercised()


@check("ROLE-08")
def refusal_without_data(s: Subject) -> None:
    s.control()
    refusals = [e for e in s.session.seen(s.operation) if e.status == 403]
    if not refusals:  # the requirements that bring some about are not part of this run
        refusals = [s.session.send(s.bench.untouched_call(s.operation), _no_features(s))]
    for exchange in refusals:
        if exchange.status != 403:
            raise NotExercised(f"a role without any feature got {exchange.outcome()} instead of 403")
        tells_nothing(s, exchange)
        message: Any = exchange.json.get("message")
        require(isinstance(message, str) and bool(message), "the refusal with 403 has no message", exchange)
