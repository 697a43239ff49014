"""What clients send: query parameters, JSON texts, forms, and whether they fit the contract."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, create_form_parser, parse_options_header

from instance.calls import Refusal, UploadedFile
from instance.contract import Operation, Parameter

INTEGER = re.compile(r"-?[0-9]{1,20}\Z")
NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?\Z")
LARGEST = 2**63 - 1
MOST_PARAMETERS = 1000


def parse_query(operation: Operation, raw: bytes) -> tuple[dict[str, Any], frozenset[str]]:
    """Typed query parameters with defaults, and the names that the client gave. Raises `Refusal` 400.

    Unknown parameters are ignored; a single-valued one may be given once.
    """
    known = operation.query_parameters
    values = {name: parameter.default for name, parameter in known.items() if parameter.has_default}
    given: dict[str, list[str]] = {}
    if raw:
        parts = raw.split(b"&")
        if len(parts) > MOST_PARAMETERS:
            raise Refusal(400, "Too many query parameters.", f"{len(parts)} parameters")
        for part in parts:
            left, _, right = part.partition(b"=")
            key = _text(left, None)
            parameter = known.get(key)
            if parameter is None and key.endswith("[]"):
                parameter = known.get(key[:-2])
                if parameter is not None and parameter.kind != "array":
                    parameter = None
            if parameter is not None:
                given.setdefault(parameter.name, []).append(_text(right, parameter.name))
    for name, texts in given.items():
        values[name] = _value(known[name], texts)
    for name, parameter in known.items():
        if parameter.required and name not in given:
            raise Refusal(400, f"The parameter {name} is required.", f"{name}: missing")
    return values, frozenset(given)


def _text(raw: bytes, name: str | None) -> str:
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        if name is None:
            return "\ufffd"
        raise Refusal(400, f"The parameter {name} is not UTF-8.", f"{name}: not UTF-8") from None


def _value(parameter: Parameter, texts: list[str]) -> Any:
    name = parameter.name
    value: Any
    if parameter.kind == "array":
        value = [_scalar(parameter.item_kind, item, name) for text in texts for item in text.split(",") if item]
    else:
        if len(texts) > 1:
            raise Refusal(400, f"The parameter {name} was given more than once.", f"{name}: given {len(texts)} times")
        value = _scalar(parameter.kind, texts[0], name)
        if name == "order_dir":
            value = _direction(parameter, value)
    if parameter.validator is not None and not parameter.validator.is_valid(value):
        error = next(iter(parameter.validator.iter_errors(value)), None)
        reason = error.message if error is not None else "not valid"
        raise Refusal(400, f"The parameter {name} is not valid.", f"{name}: {_short(reason)}")
    return value


def _direction(parameter: Parameter, value: str) -> str:
    """ASC or DESC in any case, in the case that the contract uses."""
    for form in (value, value.upper(), value.lower()):
        if value.upper() in ("ASC", "DESC") and parameter.validator is not None and parameter.validator.is_valid(form):
            return form
    raise Refusal(400, f"The parameter {parameter.name} is not valid.", f"{parameter.name}: one of ASC, DESC")


def _scalar(kind: str, text: str, name: str) -> Any:
    if kind == "integer":
        if INTEGER.match(text) and abs(int(text)) <= LARGEST:
            return int(text)
    elif kind == "number":
        if NUMBER.match(text):
            return float(text)
    elif kind == "boolean":
        if text.lower() in ("true", "false", "1", "0"):
            return text.lower() in ("true", "1")
    else:
        return text
    raise Refusal(400, f"The parameter {name} is not valid.", f"{name}: not of type {kind}")


class _Duplicate(ValueError):
    pass


class _TooLarge(ValueError):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Duplicate(key)
            seen.add(key)
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST:
        raise _TooLarge(text[:40])
    return int(text)


# What is left after orjson has taken the text: names that stand twice, and numbers that do not fit 64 bits.
_SECOND_LOOK = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer)


def parse_json(raw: bytes) -> Any:
    """Decode strict JSON: UTF-8, no NaN, no name twice, integers of at most 64 bits. Raises `Refusal` 400."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "The body is not valid JSON.", _short(str(error))) from None
    if not isinstance(value, dict | list):
        return value
    try:
        _SECOND_LOOK.decode(raw.decode())
    except _Duplicate as error:
        raise Refusal(400, "The body is not valid JSON.", f"the name {_short(str(error))} stands twice") from None
    except _TooLarge as error:
        raise Refusal(400, "The body holds a number that is too large.", _short(str(error))) from None
    except (RecursionError, ValueError):
        raise Refusal(400, "The body is not valid JSON.", "nested too deeply") from None
    return value


def check_body(operation: Operation, body: Any) -> None:
    """Hold a decoded body to the operation's schema. Raises `Refusal` 422 that names the first wrong field."""
    validator = operation.body_validator
    try:
        if validator.is_valid(body):
            return
        error = next(iter(validator.iter_errors(body)))
    except (RecursionError, ValueError):
        raise Refusal(422, "The body cannot be checked: it is nested too deeply.", "body") from None
    field = "/".join(str(part) for part in error.instance_path)
    kind = error.kind.as_dict() if hasattr(error.kind, "as_dict") else {}
    name = kind.get("property") or next(iter(kind.get("unexpected", [])), None)
    if name is not None:
        field = f"{field}/{name}" if field else str(name)
    field = _short(field or "body")
    raise Refusal(422, f"The field {field} is not valid: {_short(error.message)}", field)


def _short(text: str) -> str:
    """Part of a client's own text for an error message: short, and without lone surrogates or line breaks."""
    clean = text.encode("utf-8", "replace").decode()
    return " ".join((clean if len(clean) <= 200 else clean[:200] + "…").split()) or "empty"


def parse_form(content_type: bytes, raw: bytes) -> dict[str, str | UploadedFile]:
    """The parts of a multipart form. Raises `Refusal` 400 if it is broken or names a part twice."""
    parts: dict[str, str | UploadedFile] = {}

    def add(name: bytes | None, value: str | UploadedFile) -> None:
        key = (name or b"").decode("utf-8", "replace")
        if key in parts:
            raise Refusal(400, f"The form field {_short(key)} was given more than once.", _short(key))
        parts[key] = value

    def on_field(field: Field) -> None:
        try:
            add(field.field_name, (field.value or b"").decode())
        except UnicodeDecodeError:
            raise Refusal(400, "A form field is not UTF-8.", "form") from None

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        name = (file.file_name or b"").decode("utf-8", "replace")
        add(file.field_name, UploadedFile(name, "application/octet-stream", file.file_object.read()))

    if not parse_options_header(content_type)[1].get(b"boundary"):
        raise Refusal(400, "The form cannot be read.", "boundary missing in Content-Type")
    config = {"MAX_MEMORY_FILE_SIZE": 1 << 30, "MAX_BODY_SIZE": float("inf")}
    try:
        parser = create_form_parser({"Content-Type": content_type}, on_field, on_file, config=config)
        parser.write(raw)
        parser.finalize()
    except (FormParserError, ValueError, KeyError) as error:
        raise Refusal(400, "The form cannot be read.", _short(str(error))) from None
    return parts


def check_form(operation: Operation, parts: dict[str, str | UploadedFile]) -> dict[str, str | UploadedFile]:
    """Hold the parts to the schema; a file part counts as text. A field meant as a file becomes one."""
    check_body(operation, {name: value if isinstance(value, str) else "file" for name, value in parts.items()})
    found: dict[str, str | UploadedFile] = {}
    for name, value in parts.items():
        if name == "file" and isinstance(value, str):
            value = UploadedFile("", "application/octet-stream", value.encode())
        found[name] = value
    return found
