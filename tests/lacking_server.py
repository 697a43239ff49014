"""The real instance without some of its operations, as a target that has fewer of them would be."""

from __future__ import annotations

import re
from dataclasses import replace

from instance.faults.model import Answer, Fault, Request, World, html, refusal

# No route at all below these; and paths that take fewer methods.
NO_ROUTE = re.compile(r"/api/(feeds|stitching_categories)(/.*)?$")
FEWER = re.compile(r"/api/funnel_groups/[^/]+$")
LOST = frozenset({"DELETE", "PATCH"})
GONE = {
    "list_feeds",
    "create_feed",
    "get_feed",
    "update_feed",
    "delete_feed",
    "list_stitching_categories",
    "create_stitching_category",
    "get_stitching_category",
    "update_stitching_category",
    "delete_stitching_category",
    "list_stitching_category_rules",
    "create_stitching_category_rule",
    "get_stitching_category_rule",
    "update_stitching_category_rule",
    "delete_stitching_category_rule",
    "update_funnel_group",
    "delete_funnel_group",
}


async def _lack(request: Request, world: World) -> Answer:
    if NO_ROUTE.fullmatch(request.path):
        return await world.forward(replace(request, path="/api/there/is/nothing"))
    if FEWER.fullmatch(request.path) and request.method in {"OPTIONS", *LOST}:
        answer = refusal(405)
        return replace(answer, headers=(*answer.headers, ("allow", "GET")))
    return await world.forward(request)


async def _deny(request: Request, world: World) -> Answer:
    """A gateway that answers OPTIONS by itself, alike for every path."""
    if request.method == "OPTIONS":
        return Answer(204, (("allow", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),))
    return await _lack(request, world)


async def _page(request: Request, world: World) -> Answer:
    """A single-page application: what is no route is its start page."""
    answer = await _lack(request, world)
    if answer.status == 404 and b"nothing at this path" in answer.body:
        return html(200, "Welcome")
    return answer


def _breakage(name: str, what: str, alter: object) -> Fault:
    return Fault(name, what, (), (), alter, beyond=True)  # type: ignore[arg-type]


LACKING = _breakage("lacking", "some operations are not there", _lack)
SILENT = _breakage("silent", "some operations are not there, and OPTIONS tells nothing", _deny)
PAGES = _breakage("pages", "what is not there is answered with a page", _page)
