"""What a hospital writes in its own way: codes of sex, the order of day and month, birthdays for ages."""

from __future__ import annotations

import datetime

import pandas as pd

from helpers.patients import spellings
from helpers.study.sites import CohortTable

DAY_COLUMNS = ["ct_date", "dxa_date", "birth_date"]
_BORN_SINCE = 1880


def in_common_words(texts: pd.DataFrame, table: CohortTable) -> pd.DataFrame:
    """The cells of our columns, in spellings that need no explanation.

    Parameters
    ----------
    texts : DataFrame
        Our columns as the hospital wrote them.
    table : CohortTable
        Says what codes of sex mean, and which of day and month comes first.

    Returns
    -------
    DataFrame
        Sexes in words, dates as 2024-03-01, and ages in years at the CT where only birthdays are given (blank
        where one of the two days cannot be read). What is not explained stays.
    """
    texts = texts.copy()
    if table.sexes and "sex" in texts:
        meant = {spellings.plain(str(code)).casefold(): sex for code, sex in table.sexes.items()}
        texts["sex"] = [meant.get(spellings.plain(text).casefold(), text) for text in texts["sex"]]
    for name in DAY_COLUMNS if table.dates else []:
        if name in texts:
            texts[name] = [spellings.iso_date(text, table.dates == "day first") for text in texts[name]]
    if "birth_date" in texts and "age" not in texts and "ct_date" in texts:
        texts["age"] = [_age(*days) for days in zip(texts["birth_date"], texts["ct_date"], strict=True)]
    return texts.drop(columns="birth_date", errors="ignore")


def _age(birth: str, scan: str) -> str:
    born, scanned = spellings.date(birth, since=_BORN_SINCE), spellings.date(scan)
    return "" if born is None or scanned is None else str(years_between(born, scanned))


def years_between(born: datetime.date, later: datetime.date) -> int:
    """Whole years of age on a day."""
    return later.year - born.year - ((later.month, later.day) < (born.month, born.day))
