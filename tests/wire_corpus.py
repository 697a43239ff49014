"""Answers as servers send them, good and bad, and what has to become of each."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass

from load.answer import Failure

NONCE = b"@@@@@@@@"  # in the head of every answer; a server puts the request's own in its place
MAX_BODY = 200_000
_MARK = b"X-Nonce: " + NONCE + b"\r\n"
_OK = b"HTTP/1.1 200 OK\r\n" + _MARK
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_LARGE = MAX_BODY + 1


@dataclass(frozen=True)
class Case:
    """`status` 0: no answer comes of it. `reusable`: the next request may go over the same connection. `until_close`:
    the answer ends with the connection. `surplus`: more follows than the answer."""

    name: str
    raw: bytes
    status: int = 200
    body: bytes = b""
    failure: Failure | None = None
    method: str = "GET"
    reusable: bool = True
    until_close: bool = False
    surplus: bool = False

    def __str__(self) -> str:
        return self.name


def _raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(data) + squeezer.flush()


def _sized(body: bytes, *headers: bytes, start: bytes = _OK) -> bytes:
    return start + b"".join(h + b"\r\n" for h in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _start(line: bytes) -> bytes:
    return line + b"\r\n" + _MARK


TEXT = b'{"count": 3, "name": "value"}'
_ZIPPED = gzip.compress(TEXT, mtime=0)
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
_UPGRADE = _start(b"HTTP/1.1 101 S") + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n\0\0"
_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style>; rel=preload\r\n\r\n"

GOOD = (
    Case("length", _sized(TEXT), body=TEXT),
    Case("empty body", _sized(b"")),
    Case("body ends in line ends", _sized(b"abc\r\n\r\n"), body=b"abc\r\n\r\n"),
    Case("body is one line feed", _sized(b"\n"), body=b"\n"),
    Case("body ends in a carriage return", _sized(b"abc\r"), body=b"abc\r"),
    Case("body looks like an answer", _sized(_sized(b"x")), body=_sized(b"x")),
    Case("error with a body", _sized(TEXT, start=_start(b"HTTP/1.1 503 Busy")), 503, TEXT),
    Case("redirect", _sized(b"", b"Location: http://127.0.0.1:1/", start=_start(b"HTTP/1.1 302 Found")), 302),
    Case("no reason phrase", _sized(b"ab", start=_start(b"HTTP/1.1 200")), body=b"ab"),
    Case("blanks around values", _sized(b"ab", b"X-A:  \t a b \t "), body=b"ab"),
    Case("header without a value", _sized(b"ab", b"X-Empty:", b"X-Blank: "), body=b"ab"),
    Case("header beyond ASCII", _sized(b"ab", b"X-A: \xe9\xff"), body=b"ab"),
    Case("letter case of names", _OK + b"cOnTeNt-LeNgTh: 2\r\n\r\nab", body=b"ab"),
    Case("line ends before the answer", b"\r\n\r\n" + _sized(b"ab"), body=b"ab"),
    Case("chunked", _CHUNKED + b"2\r\nab\r\n0\r\n\r\n", body=b"ab"),
    Case("chunks of odd sizes", _CHUNKED + b"1\r\na\r\n7\r\nbcdefgh\r\n3\r\nij\n\r\n000\r\n\r\n", body=b"abcdefghij\n"),
    Case("chunk extensions", _CHUNKED + b"2;name=value\r\nab\r\n0;last\r\n\r\n", body=b"ab"),
    Case("trailers", _CHUNKED + b"2\r\nab\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n", body=b"ab"),
    Case("chunked and empty", _CHUNKED + b"0\r\n\r\n"),
    Case("no content", _start(b"HTTP/1.1 204 No Content") + b"\r\n", 204),
    Case("no content, with a length", _sized(b"ab", start=_start(b"HTTP/1.1 204 N"))[:-2], 204, reusable=False),
    Case("no content, chunked", _CHUNKED.replace(b"200 OK", b"204 N"), 204, reusable=False),
    Case("no content, of length 0", _sized(b"", start=_start(b"HTTP/1.1 204 No Content")), 204),
    Case("not modified", _sized(b"ab", start=_start(b"HTTP/1.1 304 Not Modified"))[:-2], 304),
    Case("interim answers", _INTERIM + _HINTS + _INTERIM + _sized(TEXT), body=TEXT),
    Case("interim, then chunked", _HINTS + _CHUNKED + b"2\r\nab\r\n0\r\n\r\n", body=b"ab"),
    Case("interim, then no content", _INTERIM + _start(b"HTTP/1.1 204 No Content") + b"\r\n", 204),
    Case("gzip", _sized(_ZIPPED, b"Content-Encoding: gzip"), body=TEXT),
    Case("gzip, other letters", _sized(_ZIPPED, b"CONTENT-ENCODING: X-GZip"), body=TEXT),
    Case("gzip of two members", _sized(_ZIPPED * 2, b"Content-Encoding: gzip"), body=TEXT * 2),
    Case("deflate", _sized(zlib.compress(TEXT), b"Content-Encoding: deflate"), body=TEXT),
    Case("bare deflate", _sized(_raw_deflate(TEXT), b"Content-Encoding: deflate"), body=TEXT),
    Case("identity", _sized(TEXT, b"Content-Encoding: identity"), body=TEXT),
    Case("coding of no body", _sized(b"", b"Content-Encoding: gzip")),
    Case(
        "gzip in chunks",
        _OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\n" + _ZIPPED[:5] + b"\r\n%x\r\n" % (len(_ZIPPED) - 5) + _ZIPPED[5:] + b"\r\n0\r\n\r\n",
        body=TEXT,
    ),
    Case("to be closed", _sized(b"ab", b"Connection: close"), body=b"ab", reusable=False),
    Case("HTTP/1.0", _sized(b"ab", start=_start(b"HTTP/1.0 200 OK")), body=b"ab", reusable=False),
    Case(
        "HTTP/1.0 kept alive",
        _sized(b"ab", b"Connection: keep-alive", start=_start(b"HTTP/1.0 200 OK")),
        body=b"ab",
    ),
    Case("until the close", _OK + b"\r\nab", body=b"ab", reusable=False, until_close=True),
    Case("HTTP/1.0 until the close", _start(b"HTTP/1.0 200 OK") + b"\r\nab", 200, b"ab", None, "GET", False, True),
    Case(
        "gzip until the close",
        _OK + b"Content-Encoding: gzip\r\n\r\n" + _ZIPPED,
        body=TEXT,
        reusable=False,
        until_close=True,
    ),
    Case("HEAD with a length", _sized(TEXT)[: -len(TEXT)], method="HEAD"),
    Case("HEAD, chunked", _CHUNKED, method="HEAD"),
    Case("HEAD after an interim answer", _INTERIM + _sized(TEXT)[: -len(TEXT)], method="HEAD"),
    Case("HEAD with a coding", _sized(b"a", b"Content-Encoding: gzip")[:-1], method="HEAD"),
)

SURPLUS = tuple(
    Case(name, raw, status, body, reusable=False, surplus=True, method=method)
    for name, raw, status, body, method in (
        ("a byte after it", _sized(TEXT) + b"X", 200, TEXT, "GET"),
        ("a line end after it", _sized(TEXT) + b"\r\n", 200, TEXT, "GET"),
        ("a line feed after it", _sized(TEXT) + b"\n", 200, TEXT, "GET"),
        ("an answer after it", _sized(TEXT) + _sized(b"other"), 200, TEXT, "GET"),
        ("a change of protocol after it", _sized(TEXT) + _UPGRADE, 200, TEXT, "GET"),
        ("an interim answer after it", _sized(TEXT) + _INTERIM, 200, TEXT, "GET"),
        ("garbage after chunks", _CHUNKED + b"2\r\nab\r\n0\r\n\r\nHTTP", 200, b"ab", "GET"),
        ("garbage after the last", _sized(TEXT, b"Connection: close") + b"X", 200, TEXT, "GET"),
        ("no content, but some", _start(b"HTTP/1.1 204 N") + b"Content-Length: 5\r\n\r\nhello", 204, b"", "GET"),
        ("not modified, but some", _sized(TEXT, start=_start(b"HTTP/1.1 304 N")), 304, b"", "GET"),
        ("HEAD with a body", _sized(TEXT), 200, b"", "HEAD"),
        ("length too short", _OK + b"Content-Length: 2\r\n\r\nabcdef", 200, b"ab", "GET"),
    )
)


def _bad(name: str, raw: bytes, failure: Failure = Failure.MALFORMED, *, until_close: bool = False) -> Case:
    return Case(name, raw, 0, b"", failure, reusable=False, until_close=until_close)


BAD = (
    _bad("two lengths", _OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    _bad("the same length twice", _OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
    _bad("length, then chunked", _OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    _bad("chunked, then length", _OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
    _bad("other transfer coding", _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
    _bad("chunked twice", _OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n2\r\nab\r\n0\r\n\r\n"),
    _bad("length below zero", _OK + b"Content-Length: -2\r\n\r\nab"),
    _bad("length with a sign", _OK + b"Content-Length: +2\r\n\r\nab"),
    _bad("list of lengths", _OK + b"Content-Length: 2, 2\r\n\r\nab"),
    _bad("length without end", _OK + b"Content-Length: 99999999999999999999999\r\n\r\nab"),
    _bad("no length in its header", _OK + b"Content-Length:\r\n\r\nab"),
    _bad("chunk size that is none", _CHUNKED + b"zz\r\nab\r\n0\r\n\r\n"),
    _bad("no chunk size", _CHUNKED + b"\r\nab\r\n0\r\n\r\n"),
    _bad("chunk longer than said", _CHUNKED + b"1\r\nab\r\n0\r\n\r\n"),
    _bad("chunk size without end", _CHUNKED + b"fffffffffffffffff\r\nab\r\n0\r\n\r\n"),
    _bad("length among the trailers", _CHUNKED + b"2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\nhello"),
    _bad("HTTP/2.0", _sized(b"ab", start=_start(b"HTTP/2.0 200 OK"))),
    _bad("HTTP/0.9", _sized(b"ab", start=_start(b"HTTP/0.9 200 OK"))),
    _bad("HTTP/1.2", _sized(b"ab", start=_start(b"HTTP/1.2 200 OK"))),
    _bad("status 000", _sized(b"ab", start=_start(b"HTTP/1.1 000 X"))),
    _bad("status of two digits", _sized(b"ab", start=_start(b"HTTP/1.1 99 X"))),
    _bad("bare line feeds", _sized(b"ab").replace(b"\r\n", b"\n")),
    _bad("folded header", _sized(b"ab", b"X-A: a\r\n b")),
    _bad("blank before the colon", _OK + b"Content-Length : 2\r\n\r\nab"),
    _bad("header without a name", _sized(b"ab", b": a")),
    _bad("zero byte in a header", _sized(b"ab", b"X-A: a\0b")),
    _bad("another protocol", b"SSH-2.0-OpenSSH_9.2 " + NONCE + b"\r\n\r\n"),
    _bad("a page alone", b"<html>" + NONCE + b"</html>\r\n\r\n"),
    _bad("zero bytes", b"\0" * 64),
    _bad("a request", b"GET / HTTP/1.1\r\n" + _MARK + b"\r\n"),
    _bad("change of protocol", _UPGRADE),
    _bad("101 without a protocol", _start(b"HTTP/1.1 101 S") + b"\r\n" + _sized(b"ab")),
    _bad("interim with a length", b"HTTP/1.1 103 E\r\nContent-Length: 2\r\n\r\n" + _sized(b"ab")),
    _bad("interim without end", _INTERIM * 17 + _sized(b"ab")),
    _bad("one long header", _sized(b"ab", b"X-A: " + b"a" * 70_000), Failure.TOO_LARGE),
    _bad("many headers", _sized(b"ab", *[b"X-A: a"] * 10_000), Failure.TOO_LARGE),
    _bad("line ends for ever", b"\r\n" * 40_000, Failure.TOO_LARGE),
    _bad("interim answers of size", (b"HTTP/1.1 103 E\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n") * 9, Failure.TOO_LARGE),
    _bad("large body", _sized(b"a" * _LARGE), Failure.TOO_LARGE),
    _bad("large chunks", _CHUNKED + (b"400\r\n" + b"a" * 1024 + b"\r\n") * 200 + b"0\r\n\r\n", Failure.TOO_LARGE),
    _bad("large until the close", _OK + b"\r\n" + b"a" * _LARGE, Failure.TOO_LARGE, until_close=True),
    _bad("long trailers", _CHUNKED + b"2\r\nab\r\n0\r\nX-A: " + b"a" * 300_000 + b"\r\n\r\n", Failure.TOO_LARGE),
    _bad("long chunk extension", _CHUNKED + b"2;" + b"a" * 300_000 + b"\r\nab\r\n0\r\n\r\n", Failure.TOO_LARGE),
)


def _undecodable(name: str, body: bytes, coding: bytes, failure: Failure = Failure.MALFORMED) -> Case:
    """The message is whole, so its status is known and the connection good; its body is of no use."""
    return Case(name, _sized(body, b"Content-Encoding: " + coding), 200, b"", failure)


UNDECODABLE = (
    _undecodable("gzip that is none", TEXT, b"gzip"),
    _undecodable("gzip cut", _ZIPPED[:-5], b"gzip"),
    _undecodable("gzip with a wrong sum", _ZIPPED[:-8] + b"\0" * 8, b"gzip"),
    _undecodable("garbage after gzip", _ZIPPED + b"abc", b"gzip"),
    _undecodable("deflate that is none", TEXT, b"deflate"),
    _undecodable("garbage after deflate", zlib.compress(TEXT) + b"abc", b"deflate"),
    _undecodable("coding nobody asked for", b"abc", b"br"),
    _undecodable("two codings", gzip.compress(_ZIPPED), b"gzip, gzip"),
    _undecodable("gzip bomb", gzip.compress(b"\0" * 50_000_000), b"gzip", Failure.TOO_LARGE),
    _undecodable("deflate bomb", zlib.compress(b"\0" * 50_000_000), b"deflate", Failure.TOO_LARGE),
)

ALL = (*GOOD, *SURPLUS, *BAD, *UNDECODABLE)
SMALL = tuple(case for case in ALL if len(case.raw) < 2000)
EXACT = tuple(case for case in (*GOOD, *UNDECODABLE) if len(case.raw) < 2000)  # whole with their last byte
