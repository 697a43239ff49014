"""Bugs of texts that are written (MEDIA-06)."""

from __future__ import annotations

import html as markup
import re
import unicodedata
from collections.abc import Callable

from instance.contract import Contract, Operation
from instance.faults import fitting
from instance.faults.model import Alteration, Answer, Request, World, broken


def mangling(change: Callable[[str], str]) -> Alteration:
    """Texts in a body are changed before they are stored."""

    async def alter(request: Request, world: World) -> Answer:
        body = request.json
        if isinstance(body, dict):
            request = request.with_body({n: change(v) if isinstance(v, str) else v for n, v in body.items()})
        return await world.forward(request)

    return alter


def without_high(text: str) -> str:
    return "".join(c for c in text if ord(c) < 0x10000)


def with_pages(o: Operation, c: Contract) -> bool:
    """It writes what may be long: contents and queries."""
    return any(
        fitting.body_with(n)(o, c) for n in ("content_html", "content_json", "content", "query", "body_template")
    )


# In the short profile an operation is asked with three of the six texts: these see the one that tells.
broken(
    "text-normalised",
    "texts are brought to NFC",
    "create_tag create_report",
    "MEDIA-06",
    mangling(lambda t: unicodedata.normalize("NFC", t)),
)
broken(
    "text-folded",
    "texts are brought to NFKC",
    "create_tag create_report",
    "MEDIA-06",
    mangling(lambda t: unicodedata.normalize("NFKC", t)),
)
broken(
    "emoji-stripped",
    "characters beyond 16 bits are lost",
    "create_tag update_funnel_group",
    "MEDIA-06",
    mangling(without_high),
)
broken(
    "emoji-replaced",
    "characters beyond 16 bits become question marks",
    "create_tag",
    "MEDIA-06",
    mangling(lambda t: "".join(c if ord(c) < 0x10000 else "?" for c in t)),
)
broken(
    "text-escaped",
    "texts are stored with HTML entities",
    "update_tag update_report",
    "MEDIA-06",
    mangling(markup.escape),
)
broken(
    "tags-stripped",
    "what looks like HTML is taken out of texts",
    "update_tag update_report",
    "MEDIA-06",
    mangling(lambda t: re.sub(r"<[^>]*>", "", t)),
)
broken(
    "quotes-doubled",
    "single quotes are doubled",
    "update_tag update_report",
    "MEDIA-06",
    mangling(lambda t: t.replace("'", "''")),
)
broken(
    "backslashes-lost",
    "backslashes are taken for escapes",
    "update_tag",
    "MEDIA-06",
    mangling(lambda t: t.replace("\\", "")),
)
broken(
    "text-unquoted",
    "percent signs are decoded",
    "create_tag create_funnel_group",
    "MEDIA-06",
    mangling(lambda t: t.replace("%", "")),
)
broken(
    "spaces-collapsed",
    "white space becomes one blank",
    "create_tag create_report",
    "MEDIA-06",
    mangling(lambda t: " ".join(t.split())),
)
broken(
    "line-ends-changed",
    "line ends are unified",
    "create_tag create_report",
    "MEDIA-06",
    mangling(lambda t: t.replace("\r", "\n")),
)
broken(
    "marks-stripped",
    "direction marks are taken out",
    "create_report update_funnel_group",
    "MEDIA-06",
    mangling(lambda t: t.replace("\u202e", "")),
)
broken("text-cut", "names are cut after 30 characters", "create_tag update_tag", "MEDIA-06", mangling(lambda t: t[:30]))
broken(
    "text-cut-at-255",
    "texts are cut after 255 characters",
    "create_tag update_tag",
    "MEDIA-06",
    mangling(lambda t: t[:255]),
)
broken(
    "texts-end-at-64-kb",
    "texts are cut after 65,535 bytes",
    "create_email update_email_template create_context_query",
    "MEDIA-06",
    mangling(lambda t: t.encode()[:65_535].decode(errors="ignore")),
    fits=with_pages,
    profile="release",
    source="MySQL manual, TEXT: longer values are truncated where strict mode is off",
)
broken(
    "text-trimmed",
    "blanks around a text are cut off",
    "create_tag update_tag create_report",
    "MEDIA-06",
    mangling(str.strip),
    softly=True,
)
broken(
    "text-in-latin",
    "letters that Latin-1 lacks become question marks",
    "create_report update_funnel_group",
    "MEDIA-06",
    mangling(lambda t: t.encode("latin-1", "replace").decode("latin-1")),
)


def echoing(change: Callable[[str], str]) -> Alteration:
    """The answer to a write echoes what was sent; what is read later was changed."""

    async def alter(request: Request, world: World) -> Answer:
        answer = await world.forward(request)
        key = request.operation.item_key if request.operation else None
        if request.method != "GET" or not answer.ok or key is None:
            return answer
        record = answer.json[key]
        return answer.showing({key: {**record, "name": change(record["name"])}})

    return alter


broken(
    "text-changed-later",
    "a text is echoed well and stored without emoji",
    "create_tag",
    "MEDIA-06",
    echoing(without_high),
    through="read",
    fits=fitting.every(fitting.acting("create"), fitting.body_with("name"), fitting.keyed),
)
