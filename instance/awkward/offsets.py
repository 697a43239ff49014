"""Timestamps with an offset, where no page shows their form."""

from __future__ import annotations

import zlib

from instance.awkward.fractions import Fractions


class Offsets(Fractions):
    name = "offsets"
    sentence = "half of the timestamps come with an offset, in four ways of writing it, some to the nanosecond"
    allowed = (
        "no page shows the form of these; the contract's DateTime takes those of ISO 8601; what clients write stays"
    )

    def form(self, day: str, time: str) -> str:
        mark = zlib.crc32(f"{time} {day}".encode())
        if mark // 2 % 2:
            return f"{day} {time}"  # left to other kinds
        fraction = ("", f".{mark % 1_000_000_000:09d}")[mark // 4 % 2]
        return f"{day}{' T'[mark % 2]}{time}{fraction}{('+00:00', '+0000', '+00', '-00:00')[mark // 8 % 4]}"
