"""Ids as large as a number can be and still be exact everywhere."""

from __future__ import annotations

from instance.awkward.kind import Kind

FIRST = 2**53 - 2**40


class LargeIds(Kind):
    name = "large_ids"
    sentence = "the ids of records are integers just below 2^53"
    allowed = "the contract's ids are integers without a largest one; RFC 7493 section 2.2: up to 2^53 they are exact"
