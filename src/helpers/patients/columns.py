"""The columns of a hospital's table: which there are, what their cells mean, and which say nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from helpers.patients import spellings
from helpers.study.cohorts import PAPER

REQUIRED = ["patient_id", "age", "sex"]
T_SCORES = ["t_score", "t_score_lumbar", "t_score_femoral_neck", "t_score_total_hip"]
DATES = ["ct_date", "dxa_date"]
YES_NO = ["fracture", "contrast"]
OPTIONAL = ["interval_days", *DATES, "scanner", "exclusion", "accepted", "allocation", *YES_NO]
LIMITS = {"age": (0, 120), "t_score": (-8, 8), "interval_days": (0, 3650)}  # years, SD, days
_NOT_EXCLUDED = {"no", "none", "0", "否", "无", "不排除"}
_EXCLUDED = {"yes", "1", "是", "排除"}
_MOST_CATEGORIES = 10
_KINDS = dict.fromkeys(T_SCORES, "t_score") | dict.fromkeys(DATES, "date") | dict.fromkeys(YES_NO, "yes_no")
_REMEDIES = {
    "date": "not one certain day (such as 03/04/2024 or a year of two digits); write 2024-03-01, or say "
    "in the study file whether day or month comes first (table: dates)",
    "sex": "write female or male, F or M, 女 or 男, or say in the study file what the codes mean "
    "(table: sexes)",
    "yes_no": "write yes or no, 是 or 否",
    "outcome": "write 1 (has the outcome) or 0",
    "accepted": "write the reason why this patient is let in, not only yes",
    "allocation": "write training or internal, or leave the cell empty",
}


class Fault(NamedTuple):
    """Rows in which something is wrong, the remedy, and what those cells hold where it may be shown."""

    wrong: pd.Series
    remedy: str
    shown: pd.Series | None = None


def values(texts: pd.Series, name: str) -> pd.Series:
    """Read the cells of our column ``name``; missing where a cell is blank or cannot be read.

    Ages in years, intervals in days, dates as days; sex female or male; fracture and contrast as booleans;
    a predictor as numbers, as yes and no, or as the words that are there.
    """
    kind = _KINDS.get(name, name)
    if kind in LIMITS:
        return _mapped(texts, spellings.number, float)
    if kind == "date":
        return _mapped(texts, spellings.date, "datetime64[s]")
    if kind == "sex":
        return _mapped(texts, spellings.sex, object)
    if kind == "yes_no":
        return _mapped(texts, lambda text: spellings.yes_no(text) is True, bool)
    if kind == "outcome":
        return _mapped(texts, spellings.yes_no, float)
    if kind == "exclusion":
        return _mapped(texts, _reason, object)
    if kind == "accepted":
        return _mapped(texts, _written, object)
    if kind == "patient_id":
        # A number that passed through a statistics package may carry an empty decimal place.
        return texts.str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    return texts if kind in ("scanner", "allocation") else _predictor(texts)


def faults(texts: pd.Series, name: str, must_be_filled: pd.Series) -> list[Fault]:
    """What is wrong in the cells of our column ``name``.

    Parameters
    ----------
    texts : Series
    name : str
    must_be_filled : Series of bool
        Rows in which a blank cell is wrong.
    """
    if name == "patient_id":
        found = _id_faults(values(texts, name))
    else:
        blank = is_missing(texts)
        # Dates are identifiers of a kind: the row tells enough.
        shown = None if name in DATES else texts
        found = [
            Fault(_unreadable(texts, name) & ~blank, _remedy(texts, name), shown),
            Fault(blank & must_be_filled, "no value; fill it in, or write under exclusion why not"),
        ]
    return [fault for fault in found if fault.wrong.any()]


def is_missing(texts: pd.Series) -> pd.Series:
    """Which cells say that nothing is known."""
    return _mapped(texts, spellings.is_missing, bool)


def _mapped(texts: pd.Series, reader: Callable[[str], object], dtype: type | str) -> pd.Series:
    return pd.Series([reader(text) for text in texts], index=texts.index, name=texts.name, dtype=dtype)


def _reason(text: str) -> str:
    """A written reason; "" where the cell says that the patient stays."""
    said = spellings.plain(text)
    if spellings.is_missing(text) or said.casefold() in _NOT_EXCLUDED:
        return ""
    return "reason not stated" if said.casefold() in _EXCLUDED else said


def _written(text: str) -> str:
    """Why somebody is let in; "" where the cell says nothing, or no."""
    said = spellings.plain(text)
    return "" if spellings.is_missing(text) or said.casefold() in _NOT_EXCLUDED else said


def _predictor(texts: pd.Series) -> pd.Series:
    """Numbers where most cells are numbers, yes and no in whatever spelling, else words."""
    if _is_numeric(texts):
        return _mapped(texts, spellings.number, float)
    answers = _mapped(texts, spellings.yes_no, object)
    if answers[~is_missing(texts)].notna().all():
        return answers.map({True: "yes", False: "no"})
    return _mapped(texts, spellings.plain, object)


def _is_numeric(texts: pd.Series) -> bool:
    """Whether most of the filled cells are numbers; the others are slips then."""
    numbers = _mapped(texts, spellings.number, float)
    return bool(numbers.notna().sum() > 0.5 * (~is_missing(texts)).sum())


def _unreadable(texts: pd.Series, name: str) -> pd.Series:
    """Cells that mean nothing to us."""
    kind, read = _KINDS.get(name, name), values(texts, name)
    if kind in LIMITS:
        return ~read.between(*LIMITS[kind])
    if kind == "yes_no":
        return _mapped(texts, spellings.yes_no, object).isna()
    if kind in ("date", "sex", "outcome"):
        return read.isna()
    if kind == "allocation":
        return ~texts.isin(["", *PAPER])
    if kind == "accepted":
        return _mapped(texts, lambda text: spellings.yes_no(text) is True, bool)
    if kind in ("scanner", "exclusion"):
        return pd.Series(False, index=texts.index)
    if _is_numeric(texts):
        return read.isna()
    return pd.Series(read.nunique() > _MOST_CATEGORIES, index=texts.index)


def _remedy(texts: pd.Series, name: str) -> str:
    kind = _KINDS.get(name, name)
    if kind in LIMITS:
        low, high = LIMITS[kind]
        return f"needs a number from {low} to {high}"
    if kind in _REMEDIES:
        return _REMEDIES[kind]
    if _is_numeric(texts):
        return "most of this predictor's cells are numbers, this is none"
    return f"more than {_MOST_CATEGORIES} different words; a predictor is a number or one of a few categories"


def _without_case(number: str) -> str:
    """A patient number as file systems without capitals see it."""
    return spellings.plain(number).casefold()


def _id_faults(numbers: pd.Series) -> list[Fault]:
    twice = numbers.duplicated(keep=False) & (numbers != "")
    alike = numbers.map(_without_case)
    nearly = alike.duplicated(keep=False) & (numbers != "") & ~twice
    rounded = numbers.str.fullmatch(r"\d(\.\d+)?E\+?\d+", case=False)
    return [
        Fault(numbers == "", "every row needs a patient number"),
        Fault(twice, "the same patient stands in several rows; keep one row a patient"),
        Fault(
            nearly,
            "patient numbers that differ in capitals alone: no file is surely one or the other's; write "
            "each as its files are called, or remove the row that stands there twice",
        ),
        Fault(rounded, "Excel has rounded this long number; format the column as text and enter it again"),
        Fault(numbers.str.contains(r"[/\\]|^\.+$"), "a number with a slash cannot be a file's name"),
    ]
