"""MEDIA-06: text that is written comes back unchanged (overview page, Media Types).

A text that is refused with a 4xx is not altered: no page says which texts a field takes, how long they may be, or that
two records may have one name. Only what was taken is judged. It is a finding all the same where no text beyond ASCII is
taken at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st

from cdp.http import Exchange
from contracts.applicability import text_fields
from contracts.books import naming_field, recognise_path
from contracts.calls import Call
from contracts.checks import Broken, NotExercised, check
from contracts.conventions.media.marked_up import marked_up
from contracts.finding import Unavailable
from contracts.observing import record_of
from contracts.subject import Subject, require

# Any three in a row hold quotes, markup, a decomposed letter, a character beyond 16 bits and one that is written to the
# left: a short profile sends no more than three.
# Dense, so that every operation is asked with all of them in every profile: what has a meaning somewhere, other scripts
# and forms of Unicode with blanks at the end, and white space.
TRICKY = (
    "Robert'); DROP TABLE x;-- <b>\"q\"</b> & 'it''s' \\ back\\slash\\\\two 100% _u_ *s* ?q=1&r#f {c} ${7*7} &amp; \\n",
    "שלום \u202eعربي 👩‍👩‍👧 e\u0301 ≠ é, ﬃ, ẞ, “q” ‘s’ – …  ",
    "<i>tab</i>\tline\nboth\r\nreturn\r\u2028end  of  it",
)

# What programs take for something else than a text when it is all that there is.
WORDS = ("null", "007", "false", "=1+1")
LONG = "0123456789" * 30  # 255 characters are the usual length of a short text in a database
# More than 65,535 bytes, where columns of text end. Templates of mails are as long.
PAGE = "Žluťoučký kůň, " * 4600 + "end"
_PAGES = re.compile(r"(^|_)(content|html|template|query)($|_)")
LETTERS = "Žluťoučký kůň"  # nothing but letters and a blank
_PIECE = 30  # characters that fit wherever a name does, behind the run's own


@check("MEDIA-06")
def text_survives(s: Subject) -> None:
    s.control()
    fields = text_fields(s.session.contract, s.operation)
    try:
        call = s.bench.arrangement.call(s.operation)
    except Unavailable as error:
        raise NotExercised(str(error)) from None
    own = s.operation.action == "create" or s.session.contract.by_action(s.operation.entity, "create") is not None
    if not own:
        raise NotExercised(
            "the API cannot create a record of this kind, and texts of other people's records stay as they are"
        )
    texts = _Texts(s, call, fields)
    trimmed: Broken | None = None
    attempts: list[Callable[[], None]] = [partial(texts.rule, text) for text in s.forms(TRICKY)]
    attempts += [
        texts.others,
        texts.long_ones,
        *([] if s.quick else [texts.a_page]),
        partial(marked_up, s, fields, texts.written, texts.came_back),
    ]
    for attempt in attempts:
        try:
            attempt()
        except Broken as broken:
            if not broken.softly:
                raise
            trimmed = broken  # kept back: something worse may follow
    if not s.evidence and trimmed is None and texts.answered:
        raise NotExercised(f"no answer and no other operation shows the {texts.field} that was written")
    characters = st.characters(codec="utf-8", exclude_characters="\x00")
    drawn = st.text(characters, min_size=1, max_size=40).map(str.strip).filter(bool)
    # The first example that Hypothesis tries is always the simplest, a single 0.
    s.for_all(drawn, texts.rule, max(3, s.session.profile.examples))
    texts.more_than_ascii()
    if trimmed is not None:
        raise trimmed
    if not s.evidence:
        raise NotExercised(f"every text that was sent in {texts.field} is refused")


class _Texts:
    """Writes texts and holds what was taken against what comes back."""

    def __init__(self, s: Subject, call: Call, fields: list[str]) -> None:
        self.s, self.call = s, call
        self.field = "name" if "name" in fields else fields[0]
        self.more = [name for name in fields if name != self.field]
        self.answered = False  # whether any text was taken
        self._beyond = False  # whether one beyond ASCII was
        self._refused = False  # whether one was refused

    def written(self, values: dict[str, str]) -> Exchange:
        """The answer to a valid body with these texts."""
        return self.s.bench.execute(self.call.sending({**(self.call.sent or {}), **self._unique(), **values}))

    def _unique(self) -> dict[str, Any]:
        """Fresh values for what must not be sent twice: names, ids chosen by the caller, e-mail addresses."""
        operation = self.s.operation
        if operation.action != "create":
            return {}
        fresh = self.s.bench.arrangement.body_of(operation)
        names = {"id", "email", naming_field(self.s.session.contract, operation)}
        return {name: value for name, value in fresh.items() if name in names}

    def _named(self, text: str) -> str:
        """The text behind the run's prefix and a number, because names may have to be unique."""
        return f"{self.s.bench.arrangement.sampler.text('t')} {text}"

    def rule(self, text: str) -> None:
        """A text in the first field."""
        if not self._judged(text).client_error:
            return
        self._refused |= not text.isascii()
        # It may be too long, or hold what is refused for itself, such as control characters: then its parts do not.
        pieces = [text[start : start + _PIECE].strip() for start in range(0, len(text), _PIECE)]
        for piece in filter(None, pieces if len(pieces) > 1 else ()):
            self._judged(piece)

    def _judged(self, text: str) -> Exchange:
        sent = self._named(text)
        exchange = self.written({self.field: sent})
        if exchange.client_error:
            return exchange
        example = ascii(text)
        require(exchange.ok, f"a text in {self.field} got {exchange.outcome()}", exchange, example)
        self.answered = True
        self._beyond |= not text.isascii()
        self.came_back(exchange, self.field, sent, example)
        return exchange

    def others(self) -> None:
        """The other texts of the record, all at once, and where they are refused each for itself: one of them may have
        a form that its schema does not tell. Words stand alone in its only text, too, which gets a name again then."""
        only = not self.s.quick and not self.more and self.s.operation.action == "update"
        alone = [self.field] if only else []
        texts = (TRICKY[0],) if self.s.quick else (TRICKY[0], TRICKY[1].strip(), TRICKY[2], "")
        sent = [(self.more, text) for text in texts]
        if not self.s.quick:  # the address of a host alone, of which parsers of addresses make another text
            addresses = [name for name in (self.field, *self.more) if "url" in name]
            sent += [(self.more or alone, word) for word in WORDS]
            sent.append((addresses, f"https://{self.s.session.prefix}.example.invalid"))
        try:
            for names, text in sent:
                self._together_or_each(names, text)
        finally:
            if alone:
                self.written({self.field: self._named("again")})

    def _together_or_each(self, names: list[str], text: str) -> None:
        """A text in several fields at once; where that is refused, in one after the other."""
        if names and self._all(names, text).client_error and len(names) > 1:
            for name in names:
                self._all([name], text)

    def _all(self, names: list[str], text: str) -> Exchange:
        """A text in several fields at once."""
        sent = text if text in ("", *WORDS) or "://" in text else self._named(text)
        exchange = self.written(dict.fromkeys(names, sent))
        for name in names if exchange.ok else ():
            self.came_back(exchange, name, sent, ascii(text))
        return exchange

    def long_ones(self) -> None:
        """More than fits where databases keep short texts. It may be refused; what is taken must come back whole."""
        for names in ([*self.more, self.field], self.more, [self.field]):
            sent = self._named(LONG)
            exchange = self.written(dict.fromkeys(names, sent)) if names else None
            if exchange is not None and exchange.ok:
                for name in names:
                    self.came_back(exchange, name, sent, f"{len(sent)} characters")
                if self.field in names:
                    return

    def a_page(self) -> None:
        """A text as long as a template of a mail, where one may stand. It may be refused."""
        for name in [name for name in self.more if _PAGES.search(name)][-1:]:
            exchange = self.written({name: f"{self.s.session.prefix} {PAGE}"})
            if exchange.ok:
                self.came_back(exchange, name, f"{self.s.session.prefix} {PAGE}", f"{len(PAGE)} characters")

    def more_than_ascii(self) -> None:
        """Texts beyond ASCII are taken, if anything of their length is. Asked where all of them were refused."""
        if self._beyond or not self._refused:
            return
        exchange = self._judged(LETTERS)
        if exchange.client_error and self._judged("x" * len(LETTERS)).ok:
            sentence = f"every text beyond ASCII in {self.field} is refused, one of letters with {exchange.outcome()}"
            raise Broken(sentence, exchange, ascii(LETTERS))

    def came_back(self, exchange: Exchange, field: str, sent: str, example: str) -> None:
        """The text stands in the answer, and in the record when it is read again; each of the two is a case. An answer
        without a record tells nothing of texts: it is the matter of SHAPE."""
        s = self.s
        body = exchange.json if isinstance(exchange.json, dict) else {}
        record = body.get(s.operation.item_key) if s.operation.item_key else body
        if isinstance(record, dict) and field in record:
            self._unchanged(field, sent, record[field], "came back", exchange, example)
        read = s.session.contract.by_action(s.operation.entity, "read")
        own = recognise_path(self.call, exchange) if read else None
        if read is None or own is None or not all(p.name in own for p in read.path_parameters):
            return
        again = s.session.send(
            Call(read, {p.name: own[p.name] for p in read.path_parameters}), s.session.admin, judged=False
        )
        stored = record_of(read, again)
        if again.ok and isinstance(stored, dict) and field in stored:
            self._unchanged(field, sent, stored[field], "was stored", again, example)

    def _unchanged(self, field: str, sent: str, got: Any, how: str, exchange: Exchange, example: str) -> None:
        """Blanks cut off at the ends are worth a WARN: many forms do that on purpose. So is null for an empty text, and
        a slash behind an address without a path, which is the same one (RFC 3986 section 6.2.3)."""
        trimmed = isinstance(got, str | None) and (got or "").strip() == sent.strip()
        alike = trimmed or ("://" in sent and got == f"{sent}/")
        cut = f"{len(got)} of {len(sent)} characters: " if isinstance(got, str) and len(got) > len(LONG) else ""
        require(got == sent, f"{field} {how} as {cut}{got!r:.160}", exchange, example, softly=alike)
        self.s.exercised()
