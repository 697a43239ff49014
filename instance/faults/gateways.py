"""Bugs of what stands before the server: proxies and what they tell, routers that take other spellings, pages and
headers for people who develop, and parsers of bodies that guess."""

from __future__ import annotations

import json
from dataclasses import replace

from instance.faults import fitting
from instance.faults.codes import instead
from instance.faults.leniencies import lax_parser
from instance.faults.model import JSON_TYPE, Answer, Request, World, breaks, broken, html
from instance.faults.tokens import OPERATIONS

LOCAL = (b"127.0.0.1", b"::1", b"localhost")


@breaks(
    "local-address-needs-no-token",
    "a request that says in X-Forwarded-For that it comes from this machine needs no token",
    OPERATIONS,
    "AUTH-01",
    also="AUTH-02 AUTH-03 AUTH-04 AUTH-05",
    fits=lambda o, c: o.auth == "token",
    profile="release",
    source="CWE-290 Authentication Bypass by Spoofing; CWE-348 Use of Less Trusted Source",
)
async def local_needs_no_token(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    told = (request.header(b"x-forwarded-for") or b"").split(b",")[0].strip()
    return await world.forward(world.as_admin(request)) if answer.status == 401 and told in LOCAL else answer


@breaks(
    "paths-without-case",
    "paths are compared without case, as in Express by default",
    "list_feeds list_reports",
    "CODE-04",
    beyond=True,
    fits=fitting.every(fitting.lists, fitting.at_the_top),
    profile="release",
    source="Express manual, Router: caseSensitive is off by default; CWE-178 Improper Handling of Case Sensitivity",
)
async def paths_without_case(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    lower = request.path.lower()
    if answer.status != 404 or request.operation is not None or lower == request.path:
        return answer
    return await world.forward(replace(request, path=lower))


broken(
    "html-errors-for-browsers",
    "who accepts text/html gets errors as a page, and successes as JSON",
    "get_tag list_tags create_report",
    "MEDIA-05",
    instead(lambda r, a: a.status >= 400 and b"text/html" in (r.header(b"accept") or b""), lambda a: html(a.status)),
    "MEDIA-01 CODE-06",
    fits=fitting.refusing_something,
    profile="release",
    source="Spring Boot manual, Error Handling: the whitelabel page for browsers",
)


@breaks(
    "plus-json-taken",
    "a body of any type that ends in +json is read as JSON",
    "create_tag update_report",
    "MEDIA-04",
    fits=fitting.writes,
    profile="release",
    source="RFC 6839 section 3.1; Express body-parser, type",
)
async def plus_json_taken(request: Request, world: World) -> Answer:
    media = (request.header(b"content-type") or b"").split(b";")[0].strip().lower()
    return await world.forward(
        request.with_header(b"content-type", JSON_TYPE.encode()) if media.endswith(b"+json") else request
    )


def guessed(body: bytes) -> bytes:
    """A body in UTF-16 or UTF-32, in UTF-8: json.loads() of bytes guesses by the zeros."""
    coding = json.detect_encoding(body)
    try:
        return body.decode(coding).encode() if coding.startswith(("utf-16", "utf-32")) else body
    except UnicodeDecodeError:
        return body


lax_parser("utf-16-taken", "a body in UTF-16 or UTF-32 is read as JSON", guessed, softly=True)
