"""CODE-06, CODE-07: what an error says, and what it must not say."""

from __future__ import annotations

from contracts.checks import NotExercised, check
from contracts.conventions.disclosure import internals
from contracts.conventions.front_end import by_the_host, needing_the_api
from contracts.exploration import heed
from contracts.subject import Subject, require


@check("CODE-06")
def errors_have_one_form(s: Subject) -> None:
    needing_the_api(s, s.bench.control(s.operation)[1])
    heed(s, counted=False)
    successful = _words_of_success(s)
    for exchange in s.session.seen(s.operation):
        if exchange.status >= 400 and not by_the_host(s, exchange):
            message = exchange.json.get("message") if isinstance(exchange.json, dict) else None
            require(
                isinstance(message, str) and bool(message),
                f"the error {exchange.status} is no JSON object with a text under message",
                exchange,
            )
            for name, word in successful.items():
                sentence = f"the error {exchange.status} says {name} {word!r}, which is what a success says"
                require(exchange.json.get(name) != word, sentence, exchange)
            s.exercised()
    if not s.evidence:
        raise NotExercised("no error was seen on this operation; its other requirements bring some about")


def _words_of_success(s: Subject) -> dict[str, str]:
    """The words by which a success says that it is one, under their keys: clients may go by them, not by the status."""
    contract = s.session.contract
    schema = contract.resolved(s.operation.response_schema(s.operation.success_status) or {})
    forms = [contract.resolved(form).get("properties", {}) for form in schema.get("anyOf", [schema])]
    words = {name: contract.resolved(field).get("const") for form in forms for name, field in form.items()}
    return {name: word for name, word in words.items() if isinstance(word, str)}


@check("CODE-07")
def errors_show_no_internals(s: Subject) -> None:
    s.bench.control(s.operation)
    for exchange in s.session.seen(s.operation):
        if exchange.status >= 400:
            found = internals(exchange)
            require(not found, f"the error {exchange.status} shows internals: {found}", exchange)
            s.exercised()
    if not s.evidence:
        raise NotExercised("no error was seen on this operation; its other requirements bring some about")
