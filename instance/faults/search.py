"""Bugs of the search for customers (SEARCH)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from instance.faults import fitting
from instance.faults.listing import arranging, limit, offset, paged, valid
from instance.faults.model import Alteration, Answer, Request, World, broken, records_of, refusal, with_records

SEARCH = "search_customers"
TEXT = "search_text"


def text(request: Request) -> str:
    return request.get(TEXT) or ""


def searching(change: Callable[[str], str]) -> Alteration:
    """Something else is searched for than was asked; the answer tells what was asked."""

    async def alter(request: Request, world: World) -> Answer:
        asked = await world.forward(request)
        changed = change(text(request))
        if not asked.ok or changed == text(request):
            return asked
        got = await world.forward(request.asking(**{TEXT: changed}))
        return with_records(request, asked, records_of(request, got) if got.ok else [])

    return alter


async def everybody(request: Request, world: World) -> list[Any]:
    """Rows of all customers with an address, newest first."""
    answer = await world.forward(request.asking(**{TEXT: "com", "limit": 1000, "offset": None}))
    return records_of(request, answer)


def matching(found: Callable[[str, str], bool], also_nobody: bool = False) -> Alteration:
    """Values are compared in another way."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        if not answer.ok or not valid(request) or (records_of(request, answer) and not also_nobody):
            return answer
        rows = [r for r in await everybody(request, world) if found(text(request), r["value"])]
        return with_records(request, answer, rows[offset(request) : offset(request) + limit(request)])

    return alter


def like(pattern: str, value: str) -> bool:
    """A text as the pattern of a database."""
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.search("".join(parts), value, re.I | re.S) is not None


def glob(pattern: str, value: str) -> bool:
    """A text as the pattern of a shell."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.search("".join(parts), value, re.I | re.S) is not None


# --- SEARCH-01, SEARCH-02 -------------------------------------------------------------------------------------------

broken(
    "long-texts-find-nobody",
    "a text of more than ten characters finds nobody",
    SEARCH,
    "SEARCH-01",
    searching(lambda t: t if len(t) <= 10 else "x" * 40),
    also="SEARCH-03 PAGE-10",
    fits=fitting.only(SEARCH),
)
broken(
    "only-the-start-counts",
    "only the first six characters of a text are compared",
    SEARCH,
    "SEARCH-01",
    searching(lambda t: t[:6] if not t.startswith("cdp-") else t),
    also="SEARCH-02 SEARCH-03",
    fits=fitting.only(SEARCH),
)


async def with_a_stranger(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    found = records_of(request, answer) if answer.ok else []
    if len(found) != 1 or text(request).startswith("cdp-"):
        return answer
    return with_records(request, answer, [*found, *(await everybody(request, world))[-1:]])


broken(
    "stranger-in-the-answer",
    "somebody who has not the text is found with the one who has",
    SEARCH,
    "SEARCH-01",
    with_a_stranger,
    also="SEARCH-03 SEARCH-04",
    fits=fitting.only(SEARCH),
)
broken(
    "nobody-is-everybody",
    "a text that nobody has brings everybody",
    SEARCH,
    "SEARCH-02",
    matching(lambda searched, value: searched.isascii() and searched.replace(" ", "").isalpha() and len(searched) > 20),
    fits=fitting.only(SEARCH),
)


async def nobody_is_404(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    plain = text(request).replace(" ", "").isalpha()
    nobody = answer.ok and plain and not offset(request) and not records_of(request, answer)
    return refusal(404, "Nobody was found.") if nobody else answer


broken(
    "nobody-is-404",
    "a text that nobody has is 404",
    SEARCH,
    "SEARCH-02",
    nobody_is_404,
    also="CODE-01",
    fits=fitting.only(SEARCH),
)

# --- SEARCH-03 ------------------------------------------------------------------------------------------------------

broken(
    "percent-is-a-wildcard",
    "% and _ are wildcards",
    SEARCH,
    "SEARCH-03",
    matching(like),
    fits=fitting.only(SEARCH),
)
broken(
    "star-is-a-wildcard",
    "* and ? are wildcards",
    SEARCH,
    "SEARCH-03",
    matching(glob),
    fits=fitting.only(SEARCH),
)
broken(
    "ampersand-cuts",
    "what stands behind an & or a # is lost",
    SEARCH,
    "SEARCH-03",
    searching(lambda t: re.split("[&#]", t)[0]),
    fits=fitting.only(SEARCH),
)
broken(
    "quotes-stripped",
    "quotes are taken out of a text",
    SEARCH,
    "SEARCH-03",
    searching(lambda t: re.sub("[\"']", "", t)),
    fits=fitting.only(SEARCH),
)
broken(
    "text-told-otherwise",
    "the answer tells another text than was searched",
    SEARCH,
    "SEARCH-03",
    lambda request, world: told_otherwise(request, world),
    fits=fitting.only(SEARCH),
)


async def told_otherwise(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    if not answer.ok:
        return answer
    told = {**answer.json["selection_settings"], TEXT: text(request).replace("\\", "")}
    return answer.showing({**answer.json, "selection_settings": told})


async def scripts_lost(request: Request, world: World) -> Answer:
    answer = await world.forward(request)
    return answer if text(request).isascii() or not answer.ok else with_records(request, answer, [])


broken(
    "only-ascii-is-found",
    "a text with letters beyond ASCII finds nobody",
    SEARCH,
    "SEARCH-03",
    scripts_lost,
    also="SEARCH-01 SEARCH-04",
    fits=fitting.only(SEARCH),
)

# --- SEARCH-04 ------------------------------------------------------------------------------------------------------


def on_other_texts(alteration: Alteration) -> Alteration:
    """The bug is only there for texts that are not the first one to be tried."""

    async def alter(request: Request, world: World) -> Answer:
        first = world.memory.setdefault("text", text(request))
        return await (world.forward(request) if text(request) == first else alteration(request, world))

    return alter


async def offset_by_pages(request: Request, world: World) -> Answer:
    start = offset(request) - offset(request) % max(1, limit(request)) if paged(request) else 0
    return await world.forward(request.asking(offset=start) if valid(request) and offset(request) else request)


broken(
    "results-paged-wrong",
    "the offset of results is rounded to pages",
    SEARCH,
    "SEARCH-04",
    on_other_texts(offset_by_pages),
    fits=fitting.only(SEARCH),
)
broken(
    "results-oldest-first",
    "results come oldest first",
    SEARCH,
    "SEARCH-04",
    on_other_texts(arranging(lambda found, request: found[::-1])),
    softly=True,
    fits=fitting.only(SEARCH),
)
broken(
    "results-by-value",
    "results are sorted by their values",
    SEARCH,
    "SEARCH-04",
    on_other_texts(arranging(lambda found, request: sorted(found, key=lambda r: str(r["value"])))),
    softly=True,
    fits=fitting.only(SEARCH),
)

broken(
    "words-count-alone",
    "a text of several words finds who has one of them",
    SEARCH,
    "SEARCH-03",
    searching(lambda sought: max(sought.split(), key=len) if len(sought.split()) > 1 else sought),
    also="SEARCH-01 SEARCH-02 SEARCH-04",
    fits=fitting.only(SEARCH),
)
broken(
    "only-words-are-found",
    "dashes and dots end a word, and only the first counts",
    SEARCH,
    "SEARCH-03",
    searching(lambda sought: re.split(r"[-.@]", sought)[0] or sought),
    also="SEARCH-01 SEARCH-02 SEARCH-04",
    fits=fitting.only(SEARCH),
)
