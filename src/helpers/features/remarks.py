"""Remarks on patients: several on one patient stand in one text, divided by semicolons."""

from __future__ import annotations

import pandas as pd


def joined(*remarks: str) -> str:
    """Remarks as one text, without the empty ones."""
    return "; ".join(filter(None, remarks))


def append(table: pd.DataFrame, column: str, rows: pd.Series, texts: pd.Series) -> None:
    """Put ``texts`` behind what the chosen rows of a column of ``table`` say already."""
    both = zip(table.loc[rows, column], texts[rows], strict=True)
    table.loc[rows, column] = pd.Series([joined(*two) for two in both], table.index[rows], dtype=object)
