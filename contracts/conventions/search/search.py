"""SEARCH: customers found by a text. Texts are values that customers of the target have, and texts that nobody has."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from operator import itemgetter
from typing import Any

from cdp.contract import Operation, Parameter
from cdp.contract.operation import Searches
from cdp.texts import folded, timestamp
from contracts.applicability import settings_keys
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, Unconfirmed, check
from contracts.conventions.listing import REFERENCE_PAGE, Page, list_call, page, repeated, walk
from contracts.conventions.search.counted_values import counted_values
from contracts.conventions.traits import one_for_each
from contracts.ingestion import Events, events_of
from contracts.observing import canonical, rows_of
from contracts.subject import Subject, require

SHORTEST, LONGEST = 3, 100  # of texts that are searched: fields for them, indexes and addresses have an end
NOBODY = "cdpnobodyhasthis"
_OWNERS = 3
_SHARING, _SHARED = 12, 6  # customers whose values are compared, and values that several of them have
_READ_BACK = 2
_FEWEST = 4
_ENOUGH = 6  # values that find nobody, before a search is said to find nobody
# Numbers alone, what is no letter of ASCII, several words, capitals, signs.
_TRAITS = tuple(map(re.compile, (r"^\d+$", r"[^\x00-\x7f]", r"\w \w", r"[A-Z]", r"^[a-z]+$", r"[^\w\s@.]")))
# In place of a letter: what databases, shells and search engines take for any letter or for none.
WILDCARDS = "%_*?.~"
# Behind a value: what ends a text, a parameter or an address, or begins a phrase or an escape.
TAILS = ('"', "'", "&", "#", "/", "|", "\\", "+", ";", "%", "*", "\u0301", "(", " OR ")
# What query languages take for operators between two words: none of these texts is anybody's.
OPERATORS = (
    "{nobody} OR {value}",
    "{nobody} | {value}",
    "{nobody} || {value}",
    "{nobody},{value}",
    "{value} -{nobody}",
    "email:{value}",
    "{nobody}:{value}",
)
# Identifiers that customers of the run's own get, each searched for as it stands.
LITERAL = (
    "50%_off*?",
    'o\'Brien "Bob"',
    "a&b#c;d=e+f",
    "back\\slash/path",
    "Žofie-é-漢字",
    "e\u0301-decomposed",
    "%41%2B <b>&amp;</b> {x} [y] $z",
    "👩‍👩‍👧 and a text that is longer than most names, as addresses are",
)


def _parameter(s: Subject) -> Parameter:
    return next(p for p in s.operation.query_parameters if p.searches)


def _searches(s: Subject) -> Searches:
    found = _parameter(s).searches
    assert found is not None
    return found


def _apart(s: Subject) -> None:
    """What is sent from here on is about texts, and not counted among what the list is asked for its own rules."""
    s.session.about = ""


def _search(s: Subject, text: str, *query: tuple[str, Any]) -> Page:
    return page(s, (_parameter(s).name, text), *query)


def _values_of(s: Subject) -> tuple[Operation, Parameter]:
    """The operation that tells a found record's values, and the path parameter that takes the record."""
    operation = s.session.contract.operations[_searches(s).operation]
    return operation, next(p for p in operation.path_parameters if p.entity == s.operation.entity)


def _owner(s: Subject, row: Any) -> str:
    """Whose row it is."""
    return str(row.get(_values_of(s)[1].field)) if isinstance(row, dict) else ""


def _read_values(s: Subject, owner: str) -> list[dict[str, Any]]:
    """The values of a record, as rows."""
    operation, parameter = _values_of(s)
    query = (("attribute_values_max_count", "100"),) if operation.query("attribute_values_max_count") else ()
    exchange = s.session.read(Call(operation, {parameter.name: owner}, query), s.session.admin)
    return [r for r in rows_of(operation, exchange) or () if isinstance(r, dict)]


def _telling_apart(s: Subject) -> set[str]:
    """Fields of a row that tell which of the owner's values it is about: those that a row of his values has, too."""
    return {sub.field for sub in s.operation.sub_entities} & {sub.field for sub in _values_of(s)[0].sub_entities}


def _customers(s: Subject) -> list[dict[str, Any]]:
    """Rows of customers: those that usual texts find, or values that somebody has."""
    rows = page(s).records or next((got.records for _, got in _counted(s) if got.records), [])
    return [r for r in rows if isinstance(r, dict)]


def _counted(s: Subject) -> Iterator[tuple[str, Page]]:
    """Values that somebody has, as the contract's counting operation tells, and what each of them finds."""
    for value in counted_values(s, _searches(s), range(SHORTEST, LONGEST + 1)):
        yield value, _search(s, value)


def _finds_somebody(s: Subject) -> None:
    """Where nothing that is usually searched for finds anybody, some of the values that somebody has does."""
    if page(s).records:
        return
    in_vain: list[tuple[str, Page]] = []
    for value, got in _counted(s):
        if got.records:
            return
        in_vain.append((value, got))
    if len(in_vain) >= _ENOUGH:
        value, got = in_vain[-1]
        sentence = f"nobody is found by any of {len(in_vain)} values that somebody has, as {_searches(s).counted} tells"
        raise Broken(sentence, got.exchange, value)


def _known_values(s: Subject) -> list[tuple[str, str]]:
    """Values that found customers have, with their owners: texts of attributes that the search is known to look at."""
    known: dict[str, list[tuple[str, str]]] = s.bench.memory.setdefault("searched", {})
    if s.operation.id not in known:
        rows = _customers(s)
        looked_at = {_kind(s, r) for r in rows}  # the kinds of values that customers have been found by
        field = _searches(s).field
        found: dict[str, str] = {}
        for owner in list(dict.fromkeys(_owner(s, r) for r in rows))[:_OWNERS]:
            for row in _read_values(s, owner):
                value = row.get(field)
                if not isinstance(value, str) or value != value.strip() or _kind(s, row) not in looked_at:
                    continue
                if SHORTEST <= len(value) <= LONGEST:
                    found.setdefault(value, owner)
        # The longest tell most: few others have them.
        known[s.operation.id] = sorted(found.items(), key=lambda item: (-len(item[0]), item[0]))
    if not known[s.operation.id]:
        raise NotExercised(f"no customer that was found has a text of {SHORTEST} to {LONGEST} characters")
    return known[s.operation.id]


def _some_values(s: Subject) -> list[tuple[str, str]]:
    """Some of the values that are known, the longest; where there is time, one of each trait that searches stumble
    over, too."""
    known = _known_values(s)
    some = known[: max(_FEWEST, s.session.profile.examples)]
    others = [] if s.quick else one_for_each(_TRAITS, known, itemgetter(0))
    return list(dict.fromkeys([*some, *others]))


def _without_strangers(s: Subject, text: str, got: Page, literally: bool) -> None:
    """Every row of an answer holds the text; word by word where it need not be taken literally."""
    field = _searches(s).field
    wanted = [folded(text)] if literally else folded(text).split()
    for row in got.records:
        value = row.get(field) if isinstance(row, dict) else None
        if value is not None and not all(part in folded(value) for part in wanted):
            raise Broken(f"the answer holds {value!r:.60}, which has not {text!r:.60} in it", got.exchange, text)
    for owner in list(dict.fromkeys(_owner(s, r) for r in got.records))[:_READ_BACK]:
        values = [row.get(field) for row in _read_values(s, owner)]
        if values and not any(all(part in folded(v) for part in wanted) for v in values):
            raise Broken(f"the answer holds {owner:.60}, who has no value with {text!r:.60} in it", got.exchange, text)


@check("SEARCH-01")
def found_by_a_value(s: Subject) -> None:
    s.control()
    _apart(s)
    _finds_somebody(s)
    for value, owner in _some_values(s):
        got = _search(s, value, ("limit", REFERENCE_PAGE))
        if not any(_owner(s, r) == owner for r in got.records):
            base = list_call(s).asking((_parameter(s).name, value))
            whole = walk(s, base=base)
            if any(_owner(s, r) == owner for r in whole.records) or not whole.complete:
                continue  # so many have it that he comes later, or beyond what is read
            if value not in [row.get(_searches(s).field) for row in _read_values(s, owner)]:
                continue
            raise Broken(f"{owner:.60} has the value {value!r:.60} and is not found by it", got.exchange, value)
        _without_strangers(s, value, got, literally=False)
        s.exercised()
    if not s.quick:
        _short_texts(s)
        _who_share_a_value(s)
    if not s.evidence:
        raise NotExercised("every value that is known stands in more records than are read")


def _who_share_a_value(s: Subject) -> None:
    """Of several customers who have the same value each is found by it, where somebody is: which values are looked at
    is not documented."""
    field = _searches(s).field
    owners: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    rows = page(s, ("limit", REFERENCE_PAGE)).records
    for owner in list(dict.fromkeys(_owner(s, r) for r in rows))[:_SHARING]:
        for value, kind in {(row.get(field), _kind(s, row)) for row in _read_values(s, owner)}:
            if isinstance(value, str) and value == value.strip() and SHORTEST <= len(value) <= LONGEST:
                owners.setdefault((value, kind), []).append(owner)
    shared = sorted((len(who), value) for value, who in owners.items() if len(who) > 1)
    for _, (value, kind) in shared[:_SHARED]:
        found = walk(s, base=_text_call(s, value))
        known = [r for r in found.records if isinstance(r, dict) and r.get(field) == value and _kind(s, r) == kind]
        if not found.complete or not known:
            continue
        got = {_owner(s, r) for r in found.records}
        lost = next((owner for owner in owners[value, kind] if owner not in got), None)
        if lost is not None and (value, kind) in [(row.get(field), _kind(s, row)) for row in _read_values(s, lost)]:
            sentence = f"{lost:.60} has the value {value!r:.60}, as others do, and is not found by it"
            raise Broken(sentence, found.exchange, value)
        s.exercised()


def _kind(s: Subject, row: dict[str, Any]) -> tuple[str, ...]:
    """Which of a customer's values a row is about."""
    return tuple(str(row.get(name)) for name in sorted(_telling_apart(s)))


def _short_texts(s: Subject) -> None:
    """A text that is as short as texts may be finds what one finds that goes on by a letter. That tells of a search for
    parts of words alone: one for whole words finds neither, or the longer one where that is a word."""
    for value, _ in _some_values(s):
        longer = value[: SHORTEST + 1]
        if not longer.isalpha() or not longer.isascii():
            continue
        found = _search(s, longer, ("limit", REFERENCE_PAGE))
        rows = [str(r.get(_searches(s).field)) for r in found.records if isinstance(r, dict)]
        if not any(folded(longer) in folded(text) and not _as_a_word(longer, text) for text in rows):
            continue
        got = _search(s, longer[:SHORTEST], ("limit", REFERENCE_PAGE))
        sentence = f"{longer[:SHORTEST]!r} finds nobody, {longer!r} finds {len(found.records)} records"
        require(bool(got.records), sentence, got.exchange, longer[:SHORTEST])
        s.exercised()


def _as_a_word(text: str, value: str) -> bool:
    """Whether a value has the text as a word of its own."""
    return folded(text) in re.split(r"[\W_]+", folded(value))


@check("SEARCH-02")
def nobody_has_it(s: Subject) -> None:
    s.control()
    _apart(s)
    letters = "".join(s.random.choices(string.ascii_lowercase, k=24))
    for text in s.forms([letters, letters[:12] + " " + letters[12:], letters.upper() + "@example.com"]):
        got = _search(s, text)
        require(got.exchange.status == 200, f"a text that nobody has got {got.exchange.outcome()}", got.exchange, text)
        require(not got.records, f"a text that nobody has brings {len(got.records)} records", got.exchange, text)
        s.exercised()


@check("SEARCH-03")
def taken_literally(s: Subject) -> None:
    s.control()
    _apart(s)
    for value, _ in _known_values(s)[:1]:
        middle = len(value) // 2
        for character in WILDCARDS:
            _literal(s, value[:middle] + character + value[middle + 1 :])
            _literal(s, value[:middle] + character + value[middle:])
        for tail in TAILS:
            _literal(s, value + tail)
        _literal(s, f'"{value}"')
        for operator in OPERATORS:
            _literal(s, operator.format(value=value, nobody=NOBODY))
        _literal(s, unicodedata.normalize("NFD", value))
        _literal(s, value.swapcase())
    texts, events = _own_customers(s)
    for text in texts:
        got = _literal(s, text)
        if not got.records and events is not None and _comes(s, events, text):
            got = _literal(s, text)
        require(bool(got.records), f"a customer who has {text!r:.80} is not found by it", got.exchange, text)


def _literal(s: Subject, text: str) -> Page:
    """The answer to a text in which every character counts."""
    got = _search(s, text, ("limit", REFERENCE_PAGE))
    _without_strangers(s, text, got, literally=True)
    name = _parameter(s).name
    if name in settings_keys(s.session.contract, s.operation) and got.settings is not None and name in got.settings:
        told = got.settings[name]
        require(told == text, f"{text!r:.60} was searched as {told!r:.60}", got.exchange, text)
    s.exercised()
    return got


def _own_customers(s: Subject) -> tuple[list[str], Events | None]:
    """Texts that customers of the run's own have, made for this, and the events that made them; none where events
    cannot make customers, or where the search does not find such customers by a plain text either."""
    contract = s.session.contract
    operation = next((o for o in contract.operations.values() if o.ingestion and o.ingestion.key), None)
    if operation is None or not s.session.target.allows(operation.safety):
        return [], None
    try:
        if not s.bench.control(operation)[1].ok:
            return [], None
        events = events_of(s.bench, operation)
        events.begin()
        plain = events.identifier("plain")
        texts = [f"{events.identifier('text')}{text}" for text in LITERAL]
        if not events.send([events.row(text) for text in [*texts, plain]]).ok:
            return [], None
        events.ways()  # how long events take to be seen
        if not events.soon(lambda: _found(s, plain)):
            return [], None
    except (NotExercised, Unconfirmed):
        return [], None
    return texts, events


def _comes(s: Subject, events: Events, text: str) -> bool:
    """Whether a customer of the run's own is found later: each may be taken into the search at another time."""
    came = events.comes(lambda: _found(s, text), lambda other: _found(s, other))
    s.session.forget_reads()
    return came


def _found(s: Subject, text: str) -> bool:
    """Whether somebody is found now by a text."""
    return bool(rows_of(s.operation, s.session.send(_text_call(s, text), s.caller())))


def _text_call(s: Subject, text: str) -> Call:
    return list_call(s).asking((_parameter(s).name, text))


@check("SEARCH-04")
def results_are_paged_and_ordered(s: Subject) -> None:
    s.control()
    _apart(s)
    wanted = max(2, s.session.profile.examples)
    asked = dict(s.call().query).get(_parameter(s).name, "")
    pieces = [piece for value, _ in _known_values(s) for piece in value.replace("@", " ").split()]
    texts = dict.fromkeys(t for t in [*_parameter(s).samples, *pieces] if t != asked and len(t) >= SHORTEST)
    for text in texts:
        reference = walk(s, base=_text_call(s, text))
        if len(reference) < 2:
            continue
        _none_twice(s, text, reference.records, reference.exchange)
        _paged(s, text, reference.records, reference.complete)
        _ordered(s, text, reference.records, reference.exchange)
        wanted -= 1
        if not wanted:
            return
    if not s.evidence:
        raise NotExercised("no text that was tried finds two records or more")


def _none_twice(s: Subject, text: str, records: list[Any], exchange: Any) -> None:
    """A value of a customer is found once, however often others share it. Rows that do not tell which of his values
    they are about may be alike; and what a row tells is assumed."""
    fields = _telling_apart(s)
    rows = [r for r in records if isinstance(r, dict) and fields and all(r.get(name) is not None for name in fields)]
    row = repeated(rows, _values_of(s)[1].field)
    if row is not None:
        raise Broken(f"the results hold {canonical(row):.80} twice", exchange, text, softly=True)


def _paged(s: Subject, text: str, records: list[Any], complete: bool) -> None:
    """Slices of the results are slices of the whole walk, and a page past the end is empty."""
    count = len(records)
    size = s.random.randint(1, max(1, count // 2))
    start = s.random.randint(1, max(1, count - size))
    slices = [((), 0, 20), ((("limit", size), ("offset", start)), start, start + size)]
    if complete:
        slices.append(((("limit", size), ("offset", count)), count, count + size))
    for query, first, last in slices:
        got = _search(s, text, *query)
        if got.records != records[first:last]:
            again = walk(s, base=_text_call(s, text).asking(("cdp_again", 1)))
            if again.records != records:
                raise NotExercised("the results changed while they were read; a quieter target would make it checkable")
            told = "&".join(f"{n}={v}" for n, v in ((_parameter(s).name, text), *query))
            raise Broken(f"a page of the results is not the slice [{first}:{last}] of them", got.exchange, told)
        s.exercised()


def _ordered(s: Subject, text: str, records: list[Any], exchange: Any) -> None:
    collection = s.operation.collection
    assert collection is not None
    field = collection.timestamp
    times = [t for r in records if field and isinstance(r, dict) and (t := timestamp(r.get(field)))]
    for earlier, later in pairwise(times):
        if later > earlier:
            softly = collection.timestamp_provenance == "assumed"
            sentence = f"a result of {later:%Y-%m-%d %H:%M:%S} stands behind one of {earlier:%Y-%m-%d %H:%M:%S}"
            raise Broken(sentence, exchange, text, softly=softly)
    if len(set(times)) > 1:
        s.exercised()
