"""What people write into the cells of a table, read as numbers, dates, sexes, and yes or no.

Every reader takes a cell's text and gives None when it cannot tell: guessing is left to nobody.
"""

from __future__ import annotations

import datetime
import re
import unicodedata

MISSING = {"", "-", "--", "/", "\\", "na", "n/a", "nan", "null", "未测", "未查", "不详"}
SEXES = {
    **dict.fromkeys(["female", "f", "woman", "女", "女性"], "female"),
    **dict.fromkeys(["male", "m", "man", "男", "男性"], "male"),
}
YES_NO = {
    **dict.fromkeys(["yes", "y", "true", "1", "是", "有"], True),
    **dict.fromkeys(["no", "n", "false", "0", "否", "无"], False),
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The first of January 1900 is day 1, and Excel believes in a 29 February 1900.
EXCEL_DAY_0 = datetime.date(1899, 12, 30)
YEARS = (1980, 2100)
_MINUS_SIGNS = dict.fromkeys(map(ord, "−–—‒‐‑"), "-")  # noqa: RUF001
_UNITS = re.compile(r"(?<=\d)(岁|周岁|years?|yrs?|y|天|日|days?|d)$", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_TIME = re.compile(r"[T\s]+\d{1,2}[:时].*$")
_DATES = [
    re.compile(r"(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"),
    re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"),
    re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})"),
    re.compile(r"(?P<day>\d{1,2})[- ]?(?P<month>[a-z]{3,9})[-, ]*(?P<year>\d{4})"),
    re.compile(r"(?P<month>[a-z]{3,9})[- ]?(?P<day>\d{1,2})[-, ]+(?P<year>\d{4})"),
]
_TWO_WAYS = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})")
_SERIAL = re.compile(r"\d{5}(\.\d+)?")


def plain(text: str) -> str:
    """The text with half-width characters and a plain minus sign, without spaces and quotes around it."""
    return unicodedata.normalize("NFKC", text).translate(_MINUS_SIGNS).strip(" \t\r\n\"'“”‘’")


def is_missing(text: str) -> bool:
    """Whether the cell says that nothing is known."""
    return plain(text).casefold() in MISSING


def number(text: str) -> float | None:
    """A number with a decimal point or comma, in years or days; "1,234" could be two numbers and is none."""
    digits = _UNITS.sub("", re.sub(r"\s", "", plain(text)))
    if not _NUMBER.fullmatch(digits) or _THOUSANDS.fullmatch(digits):
        return None
    return float(digits.replace(",", "."))


def date(text: str, since: int = YEARS[0]) -> datetime.date | None:
    """A day, in the year ``since`` or later; None for dates that could mean two days, such as 03/04/2024."""
    found = _date(text)
    return found if found and since <= found.year <= YEARS[1] else None


def two_ways(text: str) -> tuple[int, int, int] | None:
    """The numbers of a date whose order only its author knows: 03/04/2024 (25/03/2024 too); else None."""
    parts = _TWO_WAYS.fullmatch(_TIME.sub("", plain(text)))
    return tuple(map(int, parts.groups())) if parts else None


def iso_date(text: str, day_first: bool) -> str:
    """The same cell, as 2024-03-01 where it is a date of the kind 03/04/2024."""
    parts = two_ways(text)
    if parts is None:
        return text
    day, month = parts[:2] if day_first else parts[1::-1]
    return f"{parts[2]}-{month:02d}-{day:02d}"


def _date(text: str) -> datetime.date | None:
    day = _TIME.sub("", plain(text)).casefold()
    if _SERIAL.fullmatch(day):
        return EXCEL_DAY_0 + datetime.timedelta(days=int(float(day)))
    if parts := _TWO_WAYS.fullmatch(day):
        return _one_way(*map(int, parts.groups()))
    for pattern in _DATES:
        if parts := pattern.fullmatch(day):
            month = parts["month"]
            named = MONTHS.index(month[:3]) + 1 if month[:3] in MONTHS else 0
            return _day(int(parts["year"]), int(month) if month.isdecimal() else named, int(parts["day"]))
    return None


def _one_way(first: int, second: int, year: int) -> datetime.date | None:
    """Day and month, when only one order of the two is possible."""
    days = {_day(year, first, second), _day(year, second, first)} - {None}
    return days.pop() if len(days) == 1 else None


def _day(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def sex(text: str) -> str | None:
    """Female or male; numbers such as 1 and 2 have no common meaning and give None."""
    return SEXES.get(plain(text).casefold())


def yes_no(text: str) -> bool | None:
    """The answer to a yes/no question."""
    return YES_NO.get(plain(text).casefold())
