"""Moments as conditions name them: days, times, and words relative to now such as 'now - 6 hours' or '3 days ago'."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta
from typing import NamedTuple

_UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(:\d{2})?)(\.\d{1,6})?Z?", re.ASCII)
_AMOUNT = r"(\d{1,6})\s*(second|minute|hour|day|week|month|year)s?"
_TERM = re.compile(rf"\s*([+-])\s*{_AMOUNT}", re.ASCII)
_AGO = re.compile(rf"{_AMOUNT}\s+(ago|from now)", re.ASCII)
_IN = re.compile(rf"in\s+{_AMOUNT}", re.ASCII)
_ANCHORS = {"now": None, "today": 0, "yesterday": -1, "tomorrow": 1}


class Span(NamedTuple):
    """A day or a second: its first and its last second as 'YYYY-MM-DD HH:MM:SS'. `relative`: it depends on now."""

    first: str
    last: str
    relative: bool


def span(text: str, now: datetime, whole_days: bool = False) -> Span:
    """What a condition's date value stands for.

    A day ('2024-05-01', 'today') is the whole day, a time or an instant ('now', '6 hours ago') one second; with
    `whole_days` (date attributes) always the day. Raises `ValueError` if the text names no moment.
    """
    text = text.strip().lower() if not text[:1].isdigit() or "ago" in text or "from" in text else text.strip()
    if _DAY.fullmatch(text):
        return _day(datetime.fromisoformat(text), False)
    if match := _TIME.fullmatch(text):
        moment = datetime.fromisoformat(f"{match.group(1)} {match.group(2)}")
        return _day(moment, False) if whole_days else _second(moment, False)
    try:
        moment, is_day = _relative(text, now.replace(tzinfo=None))
    except OverflowError:
        raise ValueError("the date is out of range") from None
    return _day(moment, True) if is_day or whole_days else _second(moment, True)


def _relative(text: str, now: datetime) -> tuple[datetime, bool]:
    """The moment and whether it is a whole day. Raises `ValueError` or `OverflowError`."""
    if match := _AGO.fullmatch(text):
        sign = -1 if match.group(3) == "ago" else 1
        return _shift(now, sign * int(match.group(1)), match.group(2)), False
    if match := _IN.fullmatch(text):
        return _shift(now, int(match.group(1)), match.group(2)), False
    word = next((word for word in _ANCHORS if text.startswith(word)), None)
    if word is None:
        raise ValueError("no date")
    days = _ANCHORS[word]
    moment = now + timedelta(days=days or 0)
    is_day = days is not None
    position = len(word)
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None:
            raise ValueError("no date")
        sign = 1 if term.group(1) == "+" else -1
        moment = _shift(moment, sign * int(term.group(2)), term.group(3))
        is_day = is_day and term.group(3) in ("day", "week", "month", "year")
        position = term.end()
    return moment, is_day


def _shift(moment: datetime, amount: int, unit: str) -> datetime:
    """Calendar arithmetic; the last day of a shorter month stands in for a day it has not."""
    if unit in _UNITS:
        return moment + amount * _UNITS[unit]
    months = moment.year * 12 + moment.month - 1 + amount * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def _day(moment: datetime, relative: bool) -> Span:
    day = moment.date().isoformat()
    return Span(f"{day} 00:00:00", f"{day} 23:59:59", relative)


def _second(moment: datetime, relative: bool) -> Span:
    text = moment.isoformat(sep=" ", timespec="seconds")
    return Span(text, text, relative)
