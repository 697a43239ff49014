"""An exchange as people read it: the request, what came back, and marks on what the finding speaks of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

from cdp.verdicts import Result
from reports.wording import pretty_json, shortened, visible

EXCHANGE_LIMIT = 12000
EXAMPLE_LIMIT = 4000
_MOST_MARKS = 8
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.){2,80})'|"((?:[^"\\]|\\.){2,80})\"""")
_IN_BRACKETS = re.compile(r"\(((?:[^()]|\([^()]*\)){6,80})\)")
_MEDIA_TYPE = re.compile(r"\b[a-z]+/[a-z0-9.+-]+\b")


def exchange_of(result: Result) -> Markup:
    """The exchange of a result; what its sentence names (the status, a media type, a quoted value) is marked in the
    response."""
    return exchange_text(result.exchange or {}, result.sentence)


def exchange_text(exchange: Mapping[str, Any], sentence: str = "") -> Markup:
    """A stored exchange as escaped text: request line, headers and body, then status, headers and body.

    What is not as `cdp.evidence.describe` stores it is shown as JSON.
    """
    request, response = exchange.get("request"), exchange.get("response")
    if not isinstance(request, dict) and not isinstance(response, dict):
        return escape(shortened(visible(pretty_json(exchange)), EXCHANGE_LIMIT))
    asked = _request(request) if isinstance(request, dict) else ""
    came = _response(response) if isinstance(response, dict) else ""
    rest = {name: value for name, value in exchange.items() if name not in ("request", "response")}
    other = f"\n\n{pretty_json(rest)}" if rest else ""
    text = escape(shortened(visible(f"{asked}\n\n" if asked else ""), EXCHANGE_LIMIT))
    marked = _marked(shortened(visible(came), EXCHANGE_LIMIT), list(_named(sentence, response)))
    return text + marked + escape(shortened(visible(other), EXCHANGE_LIMIT))


def _request(request: dict[str, Any]) -> str:
    line = f"{request.get('method') or ''} {request.get('url') or ''}".strip()
    return "\n".join([line, *_headers(request), *_body(request)])


def _response(response: dict[str, Any]) -> str:
    status = response.get("status")
    took = response.get("duration_ms")
    line = f"HTTP {status}" if status else f"no answer: {response.get('failure') or 'unknown'}"
    if status and response.get("failure"):
        line += f", {response['failure']}"
    line += f"  ({took} ms)" if isinstance(took, int | float) else ""
    return "\n".join([line, *_headers(response), *_body(response)])


def _headers(message: dict[str, Any]) -> list[str]:
    headers = message.get("headers")
    return [f"{name}: {value}" for name, value in headers.items()] if isinstance(headers, dict) else []


def _body(message: dict[str, Any]) -> list[str]:
    body = message.get("body")
    if body in (None, ""):
        return []
    return ["", _pretty(body) if isinstance(body, str) else pretty_json(body)]


def _pretty(body: str) -> str:
    """A JSON body with an indent; any other, or one that was cut, as it is. What a strict reader would refuse (a key
    twice, NaN) is what a finding may be about, so it is left alone."""
    pairs_seen = True

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal pairs_seen
        found = dict(pairs)
        pairs_seen = pairs_seen and len(found) == len(pairs)
        return found

    def refused(_: str) -> Any:
        raise ValueError

    try:
        decoded = json.loads(body, object_pairs_hook=once, parse_constant=refused)
    except (ValueError, RecursionError):
        return body
    return pretty_json(decoded) if pairs_seen and isinstance(decoded, dict | list) else body


def _named(sentence: str, response: Any) -> Iterable[str]:
    """What the sentence says of the response, as it stands in its text."""
    if not isinstance(response, dict):
        return
    status = response.get("status")
    if isinstance(status, int) and status and re.search(rf"(?<!\d){status}(?!\d)", sentence):
        yield f"HTTP {status}"
    media_types = _MEDIA_TYPE.findall(sentence)
    for line in _headers(response):
        if any(each in line for each in media_types) and line.lower().startswith("content-type"):
            yield line
    for match in _QUOTED.finditer(sentence):
        text = visible(match.group(1) if match.group(1) is not None else match.group(2))
        yield f'"{text}"'
        if len(text) > 3:
            yield text
    for match in _IN_BRACKETS.finditer(sentence):
        yield visible(match.group(1))


def _marked(text: str, names: list[str]) -> Markup:
    wanted = [re.escape(name) for name in dict.fromkeys(names) if name]
    if not wanted:
        return escape(text)
    parts, at = [], 0
    for number, match in enumerate(re.finditer("|".join(wanted), text)):
        if number == _MOST_MARKS:
            break
        parts += [escape(text[at : match.start()]), Markup("<mark>{}</mark>").format(match.group())]
        at = match.end()
    return Markup("").join([*parts, escape(text[at:])])
