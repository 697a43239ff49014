"""The answers of one connection, parsed by llhttp (through httptools).

llhttp is strict where it matters: two lengths, a length beside a transfer coding, folded headers, bare line feeds and
bad chunk sizes are errors. What it does not say is added here: whether bytes came after the answer, answers to HEAD,
bodies that end with the connection, and limits. It is not asked for the headers, because handing them over one by one
costs more than all the rest; whoever wants them gets them out of the head (`fields_of`).

Servers send the same head again and again. One that llhttp has accepted is remembered with what it said, and the next
answer that begins with the very same bytes, and has just the length that they tell, need not be parsed.
"""

from __future__ import annotations

from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from load.answer import Failure
from load.wire.coding import AnswerError, decode_body

MAX_HEAD = 64 * 1024  # bytes of a head, and of trailers or chunk extensions without a byte of body between them
MAX_INTERIM = 16  # answers 1xx before the answer itself
_USUAL = b"HTTP/1.1 "
_HEAD_END = b"\r\n\r\n"
_CR, _LF = b"\r\n"
_HEADS, _LONGEST_HEAD = 1024, 2048  # heads that are remembered, and bytes of one

Fields = tuple[tuple[bytes, bytes], ...]


class KnownHead(NamedTuple):
    """What llhttp said of an answer that came whole and left its connection open."""

    status: int
    length: int  # bytes of the body
    coding: bytes


Heads = dict[bytes, KnownHead]


def fields_of(head: bytes) -> Fields:
    """The headers of a head that llhttp has accepted: raw pairs, names as they came, blanks around values gone."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return tuple((name, value.strip(b" \t")) for name, _, value in pairs)


class AnswerParser:
    """Takes the bytes of one connection as they come. `expect` begins an answer; after `feed` or `end` returned True,
    `status`, `head` (without its last line end), `body` (as sent; when `coded`, `decoded` takes its coding away) and
    `reusable` tell what came.

    An object whose `feed` or `end` raised, or that is not reusable, is of no further use. `heads`: those that are
    remembered, shared by the connections to one server.
    """

    def __init__(self, max_body: int, heads: Heads | None = None) -> None:
        self._max_body = max_body
        self._heads = {} if heads is None else heads
        self._parser = HttpResponseParser(self)
        self._keep = True
        self.status = 0
        self.body = b""
        self.expect(no_body=False)

    def expect(self, no_body: bool) -> None:
        """Begin an answer; `no_body`: the request was a HEAD, its answer has no body whatever its headers say."""
        self.head = b""  # until it is whole
        self.coded = False
        self.whole = False
        self.surplus = False  # bytes came after the answer
        self._no_body = no_body
        self._body: bytes | bytearray = b""
        self._raw = b""  # what there is of a head
        self._passed = 0  # bytes before the head
        self._interim = 0
        self._seen = 0  # bytes of the body at the last look
        self._framing = 0  # bytes since then that were none of the body
        self._wrong: AnswerError | None = None

    @property
    def reusable(self) -> bool:
        """Whether the next answer may come over the same connection."""
        return self._keep and not self.surplus

    def feed(self, data: bytes) -> bool:
        """Take bytes, at least one; True when the answer is whole. Raises AnswerError."""
        if not self.head:
            if self._raw or self._no_body or not data.startswith(_USUAL) or data[9:10] < b"2":
                return self._feed_head(data)
            end = data.find(_HEAD_END)
            if end < 0 or end > MAX_HEAD:
                return self._feed_head(data)
            self.head = head = data[:end]
            known = self._heads.get(head)
            if known is not None and len(data) == end + 4 + known.length:
                self.status, _, self._coding = known
                self.body = data[end + 4 :]
                self.coded = bool(self._coding and self.body)
                self.whole = True
                return True
            if self._feed_rest(data):
                self._remember(len(data) - end - 4)
                return True
            return False
        return self._feed_rest(data)

    def _remember(self, length: int) -> None:
        """Keep the head of an answer that came in one piece, `length` bytes of it after the head."""
        if not self.reusable or length != len(self.body) or len(self.head) > _LONGEST_HEAD:
            return
        heads = self._heads
        if len(heads) >= _HEADS:
            heads.clear()
        heads[self.head] = KnownHead(self.status, length, self._coding)

    def _feed_rest(self, data: bytes) -> bool:
        """Bytes that begin with a whole head, or come after it."""
        last = data[-1]
        try:
            if last not in (_LF, _CR):
                self._parser.feed_data(data)
            else:
                # llhttp passes silently over line ends between answers; so the last one goes in alone.
                self._parser.feed_data(data[:-1])
                if self.whole:
                    self.surplus = True
                else:
                    self._parser.feed_data(data[-1:])
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.whole:
                raise _malformed(error) from None
            self.surplus = True
        if self._wrong is not None:
            raise self._wrong
        if not self.whole:
            return self._within_limits(len(data))
        self._coding = b""
        if self.status == 204 or self.head.lower().find(b"-encoding:") > 0:
            self._settle()
        return True

    def _feed_head(self, data: bytes) -> bool:
        """A head that comes in pieces, is out of the ordinary, or has interim answers before it. The parser gets each
        head alone: nobody can tell it that the answer to a HEAD ends there."""
        while data and not self.head:
            before = len(self._raw)
            raw = self._raw + data
            if not before:
                raw = raw.lstrip(b"\r\n")  # as llhttp does
                self._passed += len(data) - len(raw)
                data = raw
            end = raw.find(_HEAD_END, max(before - 3, 0))
            length = end + 4 - before if end >= 0 else len(data)
            if self._passed + before + length > MAX_HEAD + 4:
                raise AnswerError(Failure.TOO_LARGE, f"head of more than {MAX_HEAD} bytes")
            self._raw = raw
            try:
                self._parser.feed_data(data[:length])
            except (HttpParserError, HttpParserUpgrade) as error:
                raise _malformed(error) from None
            if end < 0:
                return False
            data = data[length:]
            self._raw = b""
            self._passed += before + length
            self._take_head(raw[:end])
        if self.whole:
            self.surplus = bool(data)
            self._settle()
            return True
        return bool(data) and self._feed_rest(data)

    def _take_head(self, head: bytes) -> None:
        """A head is whole: that of the answer, or one of an interim answer (RFC 9110, section 15.2)."""
        status = self._parser.get_status_code()
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            raise AnswerError(Failure.MALFORMED, "HTTP version other than 1.0 and 1.1")
        if status < 100:
            raise AnswerError(Failure.MALFORMED, "status code under 100")
        if status < 200:
            self._interim += 1
            if status == 101:
                raise AnswerError(Failure.MALFORMED, "protocol change that was not asked for")
            if self._framed(head):
                raise AnswerError(Failure.MALFORMED, "interim answer with a body")
            if self._interim > MAX_INTERIM:
                raise AnswerError(Failure.MALFORMED, f"more than {MAX_INTERIM} interim answers")
            return
        self.head = head
        if self._no_body:
            if not self.whole:
                self.status, self._keep = status, self._parser.should_keep_alive()
            self.whole, self.body = True, b""
            self._parser = HttpResponseParser(self)

    def _within_limits(self, length: int) -> bool:
        """Always False: the answer is not whole. Raises AnswerError when it has become too large for one."""
        if len(self._body) > self._max_body:
            raise self._too_large()
        if len(self._body) > self._seen:
            self._seen, self._framing = len(self._body), 0
        else:
            self._framing += length
            if self._framing > 2 * MAX_HEAD:
                raise AnswerError(Failure.TOO_LARGE, "endless trailers or chunk extensions")
        return False

    def end(self) -> bool:
        """The connection has ended; True when that makes the answer whole (RFC 9112, section 6.3, rule 8)."""
        if not self.head or self._framed(self.head):
            return False
        self.status, self._keep, self.whole = self._parser.get_status_code(), False, True
        self.body = bytes(self._body)
        self._read_codings()
        return True

    def decoded(self) -> bytes:
        """The body without its content coding. Raises AnswerError."""
        return decode_body(self._coding.decode("latin-1"), self.body, self._max_body)

    @staticmethod
    def _framed(head: bytes) -> bool:
        """Whether a head says where its body ends."""
        low = head.lower()
        return b"\r\ncontent-length:" in low or b"\r\ntransfer-encoding:" in low

    def _settle(self) -> None:
        """What the headers of a whole answer say beyond llhttp's view. Raises AnswerError."""
        if self.status == 204 and self._framed(self.head):
            # It must not have a body, but says that it has one, and may send it yet.
            lengths = {value for name, value in fields_of(self.head) if name.lower() == b"content-length"}
            self._keep = self._keep and lengths == {b"0"}
        self._read_codings()

    def _read_codings(self) -> None:
        fields = [(name.lower(), value.lower()) for name, value in fields_of(self.head)]
        transfer = [value for name, value in fields if name == b"transfer-encoding"]
        if transfer and transfer != [b"chunked"]:
            raise AnswerError(Failure.MALFORMED, "transfer coding other than chunked")
        if transfer and self._parser.get_http_version() == "1.0":
            self._keep = False  # its framing is not to be relied on (RFC 9112, section 6.1)
        self._coding = b",".join(value for name, value in fields if name == b"content-encoding")
        self.coded = bool(self._coding and self.body)

    def _too_large(self) -> AnswerError:
        return AnswerError(Failure.TOO_LARGE, f"body of more than {self._max_body} bytes")

    # What llhttp calls. An exception in here would reach `feed` as an error of the parser.

    def on_message_begin(self) -> None:
        if self.whole:
            self.surplus = True

    def on_body(self, piece: bytes) -> None:
        body = self._body
        if not body:
            self._body = piece
        elif len(body) + len(piece) > self._max_body:
            self._wrong = self._too_large()
        elif type(body) is bytearray:
            body += piece
        else:
            self._body = bytearray(body)
            self._body += piece

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.whole or status < 200:
            return
        self.status = status
        self._keep = self._parser.should_keep_alive()
        self.whole = True
        body = self._body
        if body:
            self.body = body if type(body) is bytes else bytes(body)
            self._body = b""  # of what may follow
            if len(body) > self._max_body:
                self._wrong = self._too_large()
        else:
            self.body = b""


def _malformed(error: Exception) -> AnswerError:
    if isinstance(error, HttpParserUpgrade):
        return AnswerError(Failure.MALFORMED, "protocol change that was not asked for")
    return AnswerError(Failure.MALFORMED, str(error))
