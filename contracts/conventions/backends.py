"""What drivers, databases and runtimes say when they fail: their words tell what is behind an API, and where."""

from __future__ import annotations

import re

from cdp.http import Exchange

_PRIVATE = r"(10\.\d{1,3}|192\.168|172\.(1[6-9]|2\d|3[01])|127\.0)\.\d{1,3}\.\d{1,3}"
# Kind and pattern. Addresses with a port alone: an error may well say where a request came from.
BACKENDS = (
    (
        "an address of the inside",
        re.compile(
            rf"\bdial (tcp|udp|unix)\b|\b(ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT)\b|\b{_PRIVATE}:\d{{2,5}}\b"
        ),
    ),
    (
        "words of a database",
        re.compile(
            r"\bE11000 duplicate key|\bDB::Exception\b|\bData too long for column\b|"
            r"\bDuplicate entry .{1,200}? for key\b|"
            r"\ba foreign key constraint fails\b|\bviolates (not-null|unique|foreign key|check|exclusion) constraint\b|"
            r"\bvalue too long for type\b|\bUnknown column .{1,80}? in\b|\bOut of range value for column\b|"
            r"\bIncorrect \w+ value: .{1,200}? for column\b|\binvalid byte sequence for encoding\b|"
            r"\bout of range for type (integer|bigint|smallint)\b|\bTable '[^']+' doesn't exist|"
            r"\b(MongoServerError|BSONError|ElasticsearchException)\b|\b[a-z]+_parsing_exception\b",
            re.S,
        ),
    ),
    (
        "words of a runtime",
        re.compile(
            r"\bCannot read propert(y|ies) of (undefined|null)|\bundefined method .{1,80}? for (nil|an instance of)|"
            r"\bpanicked at \S+?:\d+|\bindex out of range \[\d+\]|\bnil pointer dereference\b|"
            r"\blist index out of range\b|"
            r"'NoneType' object\b|\bCall to (a member function|undefined)\b|\bUndefined (index|array key)\b|"
            r"\bObject reference not set to an instance\b"
        ),
    ),
)
_TELLING = re.compile(r"exception|stack-?trace|traceback|debug-(file|message|error)", re.IGNORECASE)


def told_in_a_header(exchange: Exchange) -> str:
    """Which header tells of an exception inside; empty when none does."""
    name = next((name for name, value in exchange.headers.items() if value and _TELLING.search(name)), "")
    return f"a header of an exception ({name}: {exchange.headers[name]:.60})" if name else ""
