"""Cells that a spreadsheet program would take for formulas are handed over as text."""

from __future__ import annotations

import re

import pandas as pd
from pandas.api.types import is_numeric_dtype

# How formulas begin (OWASP, "CSV injection"), in half and full width; spreadsheets skip spaces before them.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\n]")  # noqa: RUF001


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table for a CSV or Excel file: an apostrophe before texts and headers that begin like a formula.

    A carriage return, at which spreadsheets begin a new row, is a space, and so is a no-break space. Numbers
    stay numbers, also those written as text (``-0.5``). The given table is not changed.
    """
    plain = table.rename(columns=_plain)
    for place, kind in enumerate(table.dtypes):
        if not is_numeric_dtype(kind):
            plain.isetitem(place, table.iloc[:, place].astype(object).map(_plain).astype(object))
    return plain


def _plain(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ").replace("\xa0", " ")
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text
