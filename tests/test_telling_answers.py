"""What an answer gives away or claims beside its contents: encodings, what is behind an API, secrets; and what may be
copied into a record."""

from __future__ import annotations

import pytest
from requests.structures import CaseInsensitiveDict

from cdp.http import Exchange
from contracts.conventions.breakdown import broken_down
from contracts.conventions.disclosure import internals
from contracts.conventions.life.inner_values import _stays_inside, is_inner
from contracts.conventions.life.model import same
from contracts.conventions.media.encoding import another_encoding


def answer(body: str = "{}", status: int = 404, **headers: str) -> Exchange:
    named = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Exchange("get_tag", "", "GET", "http://10.0.0.7:8080/api/tags/1", {}, None, status, named, body.encode())


@pytest.mark.parametrize(
    "told",
    [
        "",
        "; charset=utf-8",
        ';charset="UTF-8"',
        "; charset=UTF8",
        "; Charset='utf-8'; version=1",
        "; charset=us-ascii",
        "; odata=full",
    ],
)
def test_an_encoding_that_is_utf_8_is_fine(told: str) -> None:
    assert another_encoding(answer(Content_Type=f"application/json{told}")) == ""


def test_an_encoding_that_is_another_one_is_told() -> None:
    assert another_encoding(answer(Content_Type="application/json; charset=ISO-8859-1")) == "iso-8859-1"
    assert another_encoding(answer('{"a": "é"}', Content_Type="application/json;charset=us-ascii")) == "us-ascii"


@pytest.mark.parametrize(
    "words",
    [
        "dial tcp 10.0.3.12:5432: connect: connection refused",
        "connect ECONNREFUSED 127.0.0.1:6379",
        "upstream 192.168.4.7:9200 timed out",
        "Duplicate entry 'x' for key 'tags.name'",
        "a foreign key constraint fails (`cdp`.`tags`)",
        "value too long for type character varying(255)",
        "panicked at src/main.rs:12:5",
        "runtime error: index out of range [3]",
        "undefined method `id' for nil:NilClass",
        "'NoneType' object is not subscriptable",
    ],
)
def test_what_is_behind_is_no_matter_of_an_error(words: str) -> None:
    assert internals(answer(f'{{"message": "{words}"}}'))


@pytest.mark.parametrize(
    "words",
    [
        "no such tag",
        "the name is taken: duplicate entry",
        "called from 10.1.2.3",
        "see http://10.0.0.7:8080/docs",  # where it was asked
        "limit is out of range",
        "the value is too long, 255 characters at most",
        "a foreign key is missing",
        "version 10.2.3.4 is unknown",
    ],
)
def test_plain_words_give_nothing_away(words: str) -> None:
    assert internals(answer(f'{{"message": "{words}"}}', X_Request_Id="1", X_Trace_Id="2", X_Debug="0")) == ""


def test_a_header_may_tell_of_an_exception() -> None:
    assert "X-Debug-Exception" in internals(answer(X_Debug_Exception="No route"))


def test_a_server_error_is_a_breakdown() -> None:
    assert broken_down(answer(status=500)) == "500"
    assert not any(broken_down(answer(status=status)) for status in (0, 200, 304, 404, 429))


def test_nothing_is_no_word() -> None:
    assert not same(None, "None") and same(None, None) and same(1, "1") and same('{"a":1}', {"a": 1})


def test_what_leads_outside_or_names_itself_is_not_copied() -> None:
    assert _stays_inside({"conditions_operation": {"operands": [{"attribute_id": "registered"}]}})
    for value in ({"api_key": "x"}, {"to": "a@example.com"}, {"at": "https://example.com"}, {"id": "mine"}):
        assert not _stays_inside(value)


def test_inner_fields_have_a_form_of_their_own() -> None:
    assert is_inner({"type": "object", "properties": {}}) and is_inner({"type": ["object", "null"], "required": ["a"]})
    assert is_inner({"type": "string", "contentMediaType": "application/json"})
    assert not is_inner({"type": "object"}) and not is_inner({"type": "string"})
    assert not is_inner({"type": "object", "properties": {}, "x-entity": "tag"})
