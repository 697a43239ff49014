"""MEDIA-06: texts that are templates: with scripts and styles, comments for one mail program, and placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from cdp.http import Exchange
from contracts.checks import Broken
from contracts.subject import Subject

# What cleaners of HTML take out, and what engines of templates fill in.
MARKUP = (
    '<style>p{color:red}</style><script>f("x")</script><!--[if mso]><p>m</p><![endif]-->'
    '<a href="javascript:f()" onclick="f()">a</a><p style="a:b">{{ customer.name }}{% if a %}b{% endif %}</p>'
)
# Not a mere `content`: notes may be cleaned on purpose.
_TEMPLATES = re.compile(r"(^|_)(content|body)_|_template$|(^|_)html($|_)")

Written = Callable[[dict[str, str]], Exchange]
CameBack = Callable[[Exchange, str, str, str], None]


def marked_up(s: Subject, fields: Sequence[str], written: Written, came_back: CameBack) -> None:
    """Templates come back as they were written. Where the text is none, as in names, a cleaner is worth a WARN. It may
    be refused everywhere: by what stands in front of an API, or because a placeholder is unknown."""
    templates = [name for name in fields if _TEMPLATES.search(name)]
    names = templates or ([] if s.quick else list(fields[:1]))
    sent = f"{s.session.prefix} {MARKUP}"
    values: Mapping[str, str] = dict.fromkeys(names, sent)
    exchange = written(dict(values)) if names else None
    if exchange is None or not exchange.ok:
        return
    for name in names:
        try:
            came_back(exchange, name, sent, "a template of HTML")
        except Broken as broken:
            broken.softly = broken.softly or name not in templates
            raise
