"""Bugs of tokens (AUTH)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from instance.faults import fitting
from instance.faults.callers import TRACE, executed, known_token, refusing, showing, telling
from instance.faults.model import TOKEN, Alteration, Answer, Request, World, breaks, broken, html, refusal

WRITES = (
    "create_report update_report delete_report create_segment_note update_email delete_feed share_segment_with_user"
)
# A read, a list, and three writes, with and without features.
OPERATIONS = "get_tag list_tags create_tag update_report delete_tag"


def without_token(answered: Callable[[], Answer] | None) -> Alteration:
    """A request without a token gets a made-up answer, or is let through."""

    async def alter(request: Request, world: World) -> Answer:
        if request.header(TOKEN) is not None:
            return await world.forward(request)
        return answered() if answered else await world.forward(world.as_admin(request))

    return alter


# Who comes without a token comes with one in the wrong place, too.
OPEN = "AUTH-04 AUTH-05"
broken("no-token-needed", "a request without a token is let through", OPERATIONS, "AUTH-01", without_token(None), OPEN)
broken(
    "login-page",
    "a request without a token is redirected to a login page",
    OPERATIONS,
    "AUTH-01",
    without_token(lambda: Answer(302, (("location", "/login"),))),
    "AUTH-04",
)
broken(
    "no-token-is-500",
    "a request without a token is 500",
    OPERATIONS,
    "AUTH-01 CODE-01",
    without_token(lambda: refusal(500)),
    "AUTH-04",
)
broken(
    "no-token-is-400",
    "a request without a token is 400",
    OPERATIONS,
    "AUTH-01",
    without_token(lambda: refusal(400)),
    "AUTH-04",
)
broken(
    "no-token-is-403",
    "a request without a token is 403",
    OPERATIONS,
    "AUTH-01",
    without_token(lambda: refusal(403)),
    softly=True,
)


def wrong_token(answered: Callable[[], Answer] | None) -> Alteration:
    """A token that is sent and does not count gets a made-up answer, or is let through."""

    async def alter(request: Request, world: World) -> Answer:
        if request.header(TOKEN) is None or world.features(request) is not None:
            return await world.forward(request)
        return answered() if answered else await world.forward(world.as_admin(request))

    return alter


broken(
    "any-token-counts",
    "any token is let through",
    OPERATIONS,
    "AUTH-02 AUTH-03",
    wrong_token(None),
    "AUTH-05 AUTH-06 ROLE-07",
)
broken(
    "wrong-token-is-500",
    "an unknown token is 500",
    OPERATIONS,
    "AUTH-02 CODE-01",
    wrong_token(lambda: refusal(500)),
    "AUTH-03 AUTH-06 ROLE-07",
)
broken(
    "wrong-token-is-404",
    "an unknown token is 404",
    OPERATIONS,
    "AUTH-02",
    wrong_token(lambda: refusal(404)),
    "AUTH-03 AUTH-06 ROLE-07",
)


def lenient(same: Callable[[bytes, bytes], bool]) -> Alteration:
    """A token counts when it is the same as a valid one in a lenient way of looking at it."""

    async def alter(request: Request, world: World) -> Answer:
        known = world.memory.setdefault("known", [])
        sent = request.header(TOKEN)
        if sent is None:
            return await world.forward(request)
        if world.features(request) is not None:
            known.append(sent)
        match = next((token for token in known if same(sent, token)), sent)
        return await world.forward(request.with_header(TOKEN, match))

    return alter


def half(token: bytes) -> bytes:
    return token[: len(token) // 2]


# In the short profile an operation is asked with six of the twelve forms: these see the one that tells.
broken(
    "token-first-half",
    "the first half of a token is enough",
    "get_user_role get_feed",
    "AUTH-03",
    lenient(lambda s, k: half(s) == half(k) or s[:-1] == k[:-1]),
)
broken(
    "token-by-prefix",
    "the start of a token is enough",
    "list_tags",
    "AUTH-03",
    lenient(lambda s, k: k.startswith(s) and len(s) > 9),
)
broken(
    "token-trailing",
    "what follows a valid token does not matter",
    "list_tags create_tag",
    "AUTH-03",
    lenient(lambda s, k: s.startswith(k)),
)
broken(
    "token-without-case",
    "tokens are compared without case",
    "list_tags create_tag",
    "AUTH-03",
    lenient(lambda s, k: s.lower() == k.lower()),
)
broken(
    "token-in-quotes",
    "quotes around a token are taken off",
    "create_tag update_tag",
    "AUTH-03",
    lenient(lambda s, k: s.strip(b'"') == k),
)
broken(
    "token-after-bearer",
    "the word Bearer before a token is taken off",
    "update_tag get_user_role",
    "AUTH-03",
    lenient(lambda s, k: s.removeprefix(b"Bearer ") == k),
)
broken(
    "token-without-blanks",
    "blanks in a token are taken out",
    "update_tag",
    "AUTH-03",
    lenient(lambda s, k: s.replace(b" ", b"") == k),
)
broken(
    "token-first-of-two",
    "of two tokens in a header the first counts",
    "update_tag",
    "AUTH-03",
    lenient(lambda s, k: s.split(b",")[0] == k),
)
broken("empty-token-counts", "an empty token is let through", "get_user_role", "AUTH-03", lenient(lambda s, k: not s))
broken(
    "blank-token-counts",
    "a blank token is let through",
    "list_tags create_tag",
    "AUTH-03",
    lenient(lambda s, k: not s.strip()),
)


def odd_token(odd: Callable[[bytes], bool], answer: Answer) -> Alteration:
    async def alter(request: Request, world: World) -> Answer:
        return answer if odd(request.header(TOKEN) or b"") else await world.forward(request)

    return alter


broken(
    "long-token-is-500",
    "a token of 8,000 characters is 500",
    "create_tag list_tags",
    "AUTH-03 CODE-01",
    odd_token(lambda t: len(t) > 4096, refusal(500)),
)
broken(
    "long-token-is-redirected",
    "a token of 8,000 characters is sent to a page to log in",
    "create_tag list_tags",
    "AUTH-03",
    odd_token(lambda t: len(t) > 4096, Answer(302, (("location", "/login"),))),
)
broken(
    "odd-token-is-500",
    "a token of non-ASCII bytes is 500",
    "create_tag update_tag",
    "AUTH-03 CODE-01",
    odd_token(lambda t: not t.isascii(), refusal(500)),
)


def token_in(find: Callable[[Request], str | None]) -> Alteration:
    """A token in another place than its header counts, too."""

    async def alter(request: Request, world: World) -> Answer:
        found = find(request)
        if request.header(TOKEN) is None and found:
            request = request.with_header(TOKEN, found.encode())
            if isinstance(request.json, dict):
                request = request.with_body({n: v for n, v in request.json.items() if n != "token"})
            request = request.asking(token=None, access_token=None)
        return await world.forward(request)

    return alter


def in_cookie(*names: str) -> Callable[[Request], str | None]:
    """The value of a cookie with one of these names."""

    def found(request: Request) -> str | None:
        cookies = [c.partition("=") for c in (request.header(b"cookie") or b"").decode().split("; ")]
        return next((value for name, _, value in cookies if name in names), None)

    return found


broken(
    "token-in-query",
    "a token in the query counts",
    "get_tag get_user_role",
    "AUTH-04",
    token_in(lambda r: r.get("token") or r.get("access_token")),
)
broken(
    "token-in-cookie",
    "a token in a cookie counts",
    "get_tag get_user_role create_tag",
    "AUTH-04",
    token_in(in_cookie("access_token")),
)
broken(
    "token-in-authorization",
    "a token after Authorization: Bearer counts",
    "get_user_role create_tag",
    "AUTH-04",
    token_in(lambda r: (r.header(b"authorization") or b"").decode().removeprefix("Bearer ")),
)
broken(
    "token-in-body",
    "a token in the body counts",
    "create_tag",
    "AUTH-04",
    token_in(lambda r: r.json.get("token") if isinstance(r.json, dict) else None),
    fits=fitting.writes,
)


broken(
    "refused-but-done",
    "a write without a valid token is refused, and done all the same",
    WRITES,
    "AUTH-05",
    executed(401),
)


@breaks("logout-does-nothing", "a token that was ended by logout counts on", OPERATIONS, "AUTH-06")
async def logout_does_nothing(request: Request, world: World) -> Answer:
    row = known_token(request, world)
    return await world.forward(world.as_admin(request) if row and row[1] else request)


@breaks("renewed-is-refused", "a renewed token does not count", "get_tag list_tags get_report", "AUTH-06")
async def renewed_is_refused(request: Request, world: World) -> Answer:
    row = known_token(request, world)
    if row:
        tokens = "SELECT hash FROM token WHERE user_id=? ORDER BY rowid LIMIT 1"
        first = world.store.connection.execute(tokens, (row[0],)).fetchone()[0]
        if first != hashlib.sha256(request.header(TOKEN) or b"").digest():
            return await world.forward(request.with_header(TOKEN, b"renewed"))
    return await world.forward(request)


broken(
    "refusal-in-html", "a 401 comes in HTML", OPERATIONS, "AUTH-07 MEDIA-01 CODE-06", refusing(401, lambda a: html(401))
)
broken(
    "refusal-shows-record",
    "a 401 brings the record",
    "get_tag update_tag",
    "AUTH-07",
    showing(401),
    fits=fitting.item,
)
broken(
    "refusal-shows-list",
    "a 401 brings the list",
    "list_tags",
    "AUTH-07",
    showing(401),
    fits=fitting.lists,
)
broken(
    "refusal-shows-trace",
    "a 401 shows a stack trace",
    OPERATIONS,
    "AUTH-07 CODE-07",
    refusing(401, telling(detail=TRACE)),
)


@breaks(
    "valid-token-refused",
    "an operation refuses every token",
    "get_report list_feeds update_email delete_segment_note",
    "AUTH-08",
    also="CODE-02",
)
async def valid_token_refused(request: Request, world: World) -> Answer:
    return await world.forward(request.with_header(TOKEN, None))


OPEN_OPERATIONS = "get_auth_options get_wbs_customer get_wbs_segments get_wbs_ip"


@breaks(
    "open-wants-token", "an open operation wants a token", OPEN_OPERATIONS, "AUTH-09", fits=fitting.open_by_its_page
)
async def open_wants_token(request: Request, world: World) -> Answer:
    return refusal(401) if request.header(TOKEN) is None else await world.forward(request)


@breaks(
    "open-breaks-without-token",
    "an open operation is 500 without a token",
    OPEN_OPERATIONS,
    "AUTH-09 CODE-01",
    fits=fitting.open_by_its_page,
)
async def open_breaks_without_token(request: Request, world: World) -> Answer:
    return refusal(500) if request.header(TOKEN) is None else await world.forward(request)


@breaks(
    "open-hides-without-token",
    "an open operation is 404 without a token",
    OPEN_OPERATIONS,
    "AUTH-09",
    fits=fitting.open_by_its_page,
)
async def open_hides_without_token(request: Request, world: World) -> Answer:
    return refusal(404) if request.header(TOKEN) is None else await world.forward(request)
