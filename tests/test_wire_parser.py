"""The parser of answers, without sockets: every way to cut the bytes up has to come to the same."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from dataclasses import dataclass

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load.answer import Failure
from load.wire.coding import AnswerError, decode_body
from load.wire.connection import READ_SIZE
from load.wire.parser import AnswerParser, Heads, fields_of
from tests.wire_corpus import ALL, EXACT, GOOD, MAX_BODY, SMALL, Case


@dataclass(frozen=True)
class Parsed:
    """What became of some bytes; `status` 0 and no failure: more is needed."""

    status: int = 0
    body: bytes = b""
    failure: Failure | None = None
    reusable: bool = False
    surplus: bool = False


def parse(pieces: list[bytes], method: str = "GET", closed: bool = False, parser: AnswerParser | None = None) -> Parsed:
    parser = parser or AnswerParser(MAX_BODY)
    parser.expect(no_body=method == "HEAD")
    try:
        whole = False
        for at, piece in enumerate(pieces):
            whole = parser.feed(piece)
            if whole:
                if b"".join(pieces[at + 1 :]):
                    parser.surplus = True  # what a connection sees as bytes while it is idle
                break
        if not whole and not (closed and parser.end()):
            return Parsed()
    except AnswerError as error:
        return Parsed(failure=error.failure)
    if not parser.coded:
        return Parsed(parser.status, parser.body, None, parser.reusable, parser.surplus)
    try:
        return Parsed(parser.status, parser.decoded(), None, parser.reusable, parser.surplus)
    except AnswerError as error:
        return Parsed(parser.status, b"", error.failure, parser.reusable, parser.surplus)


def expected(case: Case) -> Parsed:
    return Parsed(case.status, case.body, case.failure, case.reusable, case.surplus)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """Bytes cut at some places; a piece is never longer than what a connection reads at a time."""
    ends = sorted({*(place % len(raw) for place in places), *range(READ_SIZE, len(raw), READ_SIZE)} - {0})
    return [raw[a:b] for a, b in zip([0, *ends], [*ends, len(raw)], strict=True)]


@pytest.mark.parametrize("case", ALL, ids=str)
def test_in_one_piece(case: Case) -> None:
    assert parse(cut(case.raw, []), case.method, case.until_close) == expected(case)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_split_at_every_byte(case: Case) -> None:
    for at in range(1, len(case.raw)):
        assert parse([case.raw[:at], case.raw[at:]], case.method, case.until_close) == expected(case), at


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_byte_by_byte(case: Case) -> None:
    pieces = [case.raw[at : at + 1] for at in range(len(case.raw))]
    assert parse(pieces, case.method, case.until_close) == expected(case)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_in_odd_pieces(case: Case) -> None:
    drawn = random.Random(case.name)
    for _ in range(20):
        pieces = cut(case.raw, [drawn.randrange(len(case.raw)) for _ in range(drawn.randrange(1, 12))])
        assert parse(pieces, case.method, case.until_close) == expected(case)


@settings(max_examples=300, deadline=None)
@given(case=st.sampled_from(ALL), places=st.lists(st.integers(0, 1 << 20), max_size=8))
def test_in_any_pieces(case: Case, places: list[int]) -> None:
    assert parse(cut(case.raw, places), case.method, case.until_close) == expected(case)


@pytest.mark.parametrize("case", EXACT, ids=str)
def test_cut_off_at_every_byte(case: Case) -> None:
    """A connection that ends early never gives an answer, unless only the end could have said that it is whole."""
    for length in range(len(case.raw)):
        found = parse([case.raw[:length]] if length else [], case.method, closed=True)
        if case.until_close and length > case.raw.index(b"\r\n\r\n") + 3:
            assert found.status == 200
            assert not found.reusable
        else:
            assert found.status == 0, length


def test_one_parser_for_many_answers() -> None:
    """What one answer left behind is never seen in the next."""
    drawn = random.Random(1)
    parser = AnswerParser(MAX_BODY)
    kept = [case for case in (*GOOD, *EXACT) if case.reusable]
    for _ in range(2000):
        case = drawn.choice(kept)
        pieces = cut(case.raw, [drawn.randrange(len(case.raw)) for _ in range(drawn.randrange(3))])
        assert parse(pieces, case.method, parser=parser) == expected(case)
        assert b"X-Nonce" in parser.head


def primed() -> Heads:
    """The heads that are remembered after every good answer of the corpus."""
    heads: Heads = {}
    for case in GOOD:
        parse([case.raw], case.method, case.until_close, AnswerParser(MAX_BODY, heads))
    return heads


@pytest.mark.parametrize("case", ALL, ids=str)
def test_heads_that_are_known_change_nothing(case: Case) -> None:
    heads = primed()
    assert len(heads) > 5
    for place in range(len(case.raw)) if case in SMALL else (0,):
        pieces = cut(case.raw, [place])
        assert parse(pieces, case.method, case.until_close, AnswerParser(MAX_BODY, dict(heads))) == expected(case)


def test_a_known_head_with_a_body_of_another_length() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    heads: Heads = {}
    for raw in (head + b"1234", head + b"5678"):
        assert parse([raw], parser=AnswerParser(MAX_BODY, heads)) == Parsed(200, raw[-4:], None, True)
    assert list(heads) == [head[:-4]]
    assert parse([head + b"123"], parser=AnswerParser(MAX_BODY, heads)) == Parsed()
    assert parse([head + b"123", b"4"], parser=AnswerParser(MAX_BODY, heads)) == Parsed(200, b"1234", None, True)
    assert parse([head + b"12345"], parser=AnswerParser(MAX_BODY, heads)).surplus
    assert parse([head], "HEAD", parser=AnswerParser(MAX_BODY, heads)) == Parsed(200, b"", None, True)
    assert parse([head + b"1234"], "HEAD", parser=AnswerParser(MAX_BODY, heads)).surplus


def test_heads_are_not_remembered_without_end() -> None:
    heads: Heads = {}
    for number in range(3000):
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Id: %d\r\n\r\n1" % number
        assert parse([raw], parser=AnswerParser(MAX_BODY, heads)).status == 200
    assert 0 < len(heads) <= 1024
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Long: %s\r\n\r\n1" % (b"x" * 3000)
    assert parse([long], parser=AnswerParser(MAX_BODY, heads)).status == 200
    assert long[:-5] not in heads


def test_trailers_are_no_headers() -> None:
    case = next(case for case in GOOD if case.name == "trailers")
    parser = AnswerParser(MAX_BODY)
    assert parser.feed(case.raw)
    assert [name for name, _ in fields_of(parser.head)] == [b"X-Nonce", b"Transfer-Encoding"]


def test_small_chunks_do_not_take_more_than_they_hold() -> None:
    parser = AnswerParser(MAX_BODY)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert not parser.feed(head + b"1\r\na\r\n" * 10_000)
    assert parser.feed(b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n")
    assert parser.body == b"a" * 20_000


def test_a_bomb_takes_no_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(AnswerError, match="grows beyond the limit"):
            decode_body("gzip", bomb, MAX_BODY)
        assert tracemalloc.get_traced_memory()[1] < 10 * MAX_BODY
    finally:
        tracemalloc.stop()


# Against another parser

_NAMES = st.from_regex(r"X-[A-Za-z0-9-]{1,12}", fullmatch=True)
_VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
_BODIES = st.binary(max_size=300)


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[str, bytes, bool]:
    """Method, an answer, and whether it ends with the connection."""
    method = draw(st.sampled_from(["GET", "HEAD"]))
    status = draw(st.sampled_from([200, 201, 204, 302, 304, 400, 404, 500, 503]))
    interim = b"".join(draw(st.lists(st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n"]), max_size=2)))
    fields = draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=4))
    lines = [f"{name}: {value}" for name, value in fields]
    body = draw(_BODIES)
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    bodiless = method == "HEAD" or status in (204, 304)
    if framing == "length" and status != 204:
        lines.append(f"Content-Length: {len(body)}")
    if framing == "chunked" and not bodiless:
        lines.append("Transfer-Encoding: chunked")
        sizes = draw(st.lists(st.integers(1, 40), max_size=6))
        rest, coded = body, b""
        for size in [*sizes, len(body)]:
            if part := rest[:size]:
                coded += b"%X\r\n%s\r\n" % (len(part), part)
            rest = rest[size:]
        body = coded + b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"])) + b"\r\n"
    head = "\r\n".join([f"HTTP/1.1 {status} Reason", *lines, "", ""]).encode("ascii")
    until_close = framing == "close" and not bodiless
    return method, interim + head + (b"" if bodiless else body), until_close


@settings(max_examples=300, deadline=None)
@given(answer=well_formed(), places=st.lists(st.integers(0, 2000), max_size=5))
def test_agrees_with_h11(answer: tuple[str, bytes, bool], places: list[int]) -> None:
    method, raw, until_close = answer
    reference = h11.Connection(h11.CLIENT)
    reference.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    reference.send(h11.EndOfMessage())
    reference.receive_data(raw)
    if until_close:
        reference.receive_data(b"")
    head: h11.Response | None = None
    body = b""
    while True:
        event = reference.next_event()
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            assert isinstance(event, h11.InformationalResponse), event
    assert head is not None
    parser = AnswerParser(MAX_BODY)
    found = parse(cut(raw, places), method, until_close, parser)
    assert (found.status, found.body, found.failure) == (head.status_code, body, None)
    assert [(name.lower(), value) for name, value in fields_of(parser.head)] == list(head.headers)


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(min_size=1, max_size=400), closed=st.booleans())
def test_noise_is_no_answer(noise: bytes, closed: bool) -> None:
    found = parse([noise], closed=closed)
    assert found.status == 0
    assert found.failure in (None, Failure.MALFORMED)
