"""SEARCH-03: every character of a text is searched for as it stands."""

from __future__ import annotations

import unicodedata

from contracts.applicability import settings_keys
from contracts.checks import NotExercised, Unconfirmed, check
from contracts.conventions.listing import REFERENCE_PAGE, Page
from contracts.conventions.search.asking import about_texts, find, text_call, text_parameter, without_strangers
from contracts.conventions.search.known_values import known_values
from contracts.ingestion import Events, events_of
from contracts.observing import rows_of
from contracts.subject import Subject, require

NOBODY = "cdpnobodyhasthis"
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


@check("SEARCH-03")
def taken_literally(s: Subject) -> None:
    s.control()
    about_texts(s)
    for value, _ in known_values(s)[:1]:
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
    got = find(s, text, ("limit", REFERENCE_PAGE))
    without_strangers(s, text, got, literally=True)
    name = text_parameter(s).name
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
    return bool(rows_of(s.operation, s.session.send(text_call(s, text), s.caller())))
