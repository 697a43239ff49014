"""Whether the words of a refused login tell who exists (AUTH-10, CWE-204)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from cdp.http import Exchange
from contracts.checks import Broken, TargetLost
from contracts.observing import canonical

_NUMBER = re.compile(r"[0-9]+")


def same_words(
    again: Callable[[str], Exchange], nobody: str, wrong: list[str], told: dict[str, Exchange], sent: Iterable[str]
) -> None:
    """Raise Broken where a refusal says other things about an e-mail that nobody has than about a wrong password.

    `told`: what each form got, `again` sends one once more; `sent`: texts that an answer may repeat. Only what every
    wrong password is told alike is compared, and numbers are not: requests have ids, and times are told."""
    texts = [text for text in sent if text]
    wrong = [what for what in wrong if nobody in told and what in told and told[what].status == told[nobody].status]
    if len(wrong) < 2:
        return
    if not _differing(told[nobody], [told[what] for what in wrong], texts):
        return
    try:
        stranger, known = again(nobody), [again(what) for what in wrong[:2]]
    except TargetLost:
        return  # it has had enough of logins
    if {exchange.status for exchange in (stranger, *known)} != {told[nobody].status}:
        return  # they are counted, and refused in another way by now
    name = _differing(stranger, [*(told[what] for what in wrong), *known], texts)
    if name:
        sentence = f"{name} of the refusal of an unknown e-mail is not that of a wrong password: this tells who exists"
        raise Broken(sentence, stranger, softly=True)


def _differing(nobody: Exchange, wrong: list[Exchange], texts: list[str]) -> str:
    """The field that tells; empty where none does."""
    stranger, known = _words(nobody, texts), [_words(exchange, texts) for exchange in wrong]
    for name in sorted({*stranger, *known[0]}):
        said = {words.get(name) for words in known}
        if len(said) == 1 and stranger.get(name) not in said:
            return name
    return ""


def _words(exchange: Exchange, texts: list[str]) -> dict[str, str]:
    """What a refusal says under each of its fields, without what was sent and without numbers."""
    body = exchange.json if isinstance(exchange.json, dict) else {}
    found = {}
    for name, value in body.items():
        if value is None:
            continue
        said = canonical(value)
        for text in texts:
            said = said.replace(text, "")
        found[name] = _NUMBER.sub("0", said)
    return found
