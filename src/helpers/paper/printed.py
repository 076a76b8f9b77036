"""Numbers as a paper prints them: what range of values a printed number stands for.

A paper's numbers come as a CSV with one row a number:

- item: where it stands ("Abstract", "Text 3.4"); tables begin with "Table";
- cohort: "training", "external", or a total such as "all";
- subject: who or what has the value: "cohort", a group of patients, a model, a predictor, or a pair of models
  ("LR vs KNN");
- metric: what is printed (``helpers.paper.publication`` lists those that it understands);
- value: as printed. "<0.001" and ">0.05" are limits, "~56" is "about 56". Lost trailing zeros do no harm: the
  decimals of a metric are those of the longest number of its item and cohort;
- ci_low, ci_high: limits of the 95 % confidence interval, or empty;
- note: anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from helpers.errors import StudyError
from helpers.study.places import resolve

KEYS = ["item", "cohort", "subject", "metric"]
NUMBERS = ["value", "ci_low", "ci_high"]
COLUMNS = [*KEYS, *NUMBERS]
CONSISTENT, ROUNDING, INCONSISTENT = "consistent", "rounding", "inconsistent"
# Of the unit of the last digit: 0.0005 is a limit of 0.000 and of 0.001 in binary numbers too.
_SLACK = 1e-6


class Printed(NamedTuple):
    """A printed number: its text, and the values from ``low`` to ``high`` that it stands for.

    ``unit`` is that of the last digit; 0 for whole numbers, which are counts, and for limits ("<0.001").
    """

    text: str
    number: float
    low: float
    high: float
    unit: float

    @classmethod
    def of(cls, text: str, decimals: int) -> Printed:
        """Read a printed number that has ``decimals`` decimals."""
        number = float(text.lstrip("<>~"))
        if text[0] in "<>":
            low, high = (0.0, number) if text[0] == "<" else (number, 1.0)
            return cls(text, number, low, high, 0.0)
        unit = 0.0 if decimals == 0 and text[0] != "~" else 10.0**-decimals
        shown = f"{number:.{decimals}f}" if text[0] != "~" else f"about {text[1:]}"
        return cls(shown, number, number - unit / 2, number + unit / 2, unit)

    @classmethod
    def exact(cls, number: float) -> Printed:
        """A number that is not rounded."""
        return cls(f"{number:g}", number, number, number, 0.0)

    @property
    def is_limit(self) -> bool:
        """Whether only a limit is printed."""
        return self.text[0] in "<>"


class Entry(NamedTuple):
    """One row of the CSV: a printed number, where it stands, and its confidence interval if any."""

    item: str
    cohort: str
    subject: str
    metric: str
    value: Printed | None
    ci_low: Printed | None
    ci_high: Printed | None

    @property
    def where(self) -> str:
        """The place in words."""
        return f"{self.item}: {self.cohort}, {self.subject}"

    @property
    def in_table(self) -> bool:
        """Whether a table prints it: text and abstract are held against the tables."""
        return self.item.startswith("Table")

    @property
    def interval(self) -> tuple[Printed, Printed] | None:
        """Both limits of the confidence interval, if both are printed."""
        return (self.ci_low, self.ci_high) if self.ci_low and self.ci_high else None

    @property
    def text(self) -> str:
        """The number as printed, with its confidence interval."""
        if not self.interval:
            return self.value.text if self.value else ""
        interval = f"{self.ci_low.text} to {self.ci_high.text}"
        return f"{self.value.text} ({interval})" if self.value else interval


@dataclass(frozen=True)
class Reported:
    """All printed numbers of a paper, in the order of the CSV."""

    entries: dict[tuple[str, str, str, str], Entry]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def get(self, item: str, cohort: str, subject: str, metric: str) -> Printed | None:
        """One printed number, or None."""
        entry = self.entries.get((item, cohort, subject, metric))
        return entry.value if entry else None

    def select(self, **wanted: str) -> list[Entry]:
        """Rows whose columns have the wanted values, for example ``select(metric="auc")``."""
        return [entry for entry in self if all(getattr(entry, key) == value for key, value in wanted.items())]


def read_rows(path: Path | str) -> pd.DataFrame:
    """Read the CSV of a paper's printed numbers as text, "" where nothing is printed.

    Raises
    ------
    StudyError
        When the file or a column is missing, a key is there twice, or a value is no number.
    """
    file = resolve(path)
    if not file.is_file():
        raise StudyError(f"There is no table of printed numbers '{path}'. Check its path.")
    table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise StudyError(f"'{path}' lacks the column '{missing[0]}'. It needs: {', '.join(COLUMNS)}.")
    table[COLUMNS] = table[COLUMNS].apply(lambda column: column.str.strip())
    twice = table[table.duplicated(KEYS)]
    if len(twice):
        first = ", ".join(twice.iloc[0][KEYS])
        raise StudyError(f"'{path}' has two rows for {first}. Keep one, or name another item.")
    for column in NUMBERS:
        texts = table[column].str.lstrip("<>~")
        wrong = texts.ne("") & pd.to_numeric(texts, errors="coerce").isna()
        if wrong.any():
            row = wrong.idxmax()
            raise StudyError(
                f"'{path}', row {row + 2}: '{table.loc[row, column]}' in column '{column}' is no number. "
                "Write it with a decimal point; '<', '>' or '~' may stand before it."
            )
    return table


def read_reported(path: Path | str) -> Reported:
    """A paper's printed numbers with the ranges they stand for; errors as in `read_rows`."""
    table = read_rows(path)
    # Limits and "about" say nothing of decimals.
    after_point = table[NUMBERS].apply(lambda texts: texts.str.extract(r"^[^<>~.]*\.(.*)", expand=False))
    lengths = after_point.apply(lambda texts: texts.str.len()).fillna(0).astype(int)
    decimals = lengths.groupby([table["item"], table["cohort"], table["metric"]]).transform("max")
    decimals["ci_low"] = decimals["ci_high"] = decimals[["ci_low", "ci_high"]].max(axis=1)
    entries = {}
    rows = (frame.to_numpy().tolist() for frame in (table[KEYS], table[NUMBERS], decimals))
    for key, texts, places in zip(*rows, strict=True):
        numbers = [Printed.of(*number) if number[0] else None for number in zip(texts, places, strict=True)]
        entries[tuple(key)] = Entry(*key, *numbers)
    return Reported(entries)


class Recomputed(NamedTuple):
    """A number that follows from printed ones: its value, and the range that their rounding allows."""

    number: float
    low: float
    high: float

    @classmethod
    def exact(cls, number: float) -> Recomputed:
        """A number from counts, which are not rounded."""
        return cls(number, number, number)


def recompute(formula: Callable[..., float], *inputs: Printed) -> Recomputed:
    """Apply a formula to printed numbers and to every corner of the ranges they stand for.

    The range is exact for formulas that rise or fall with each input within its rounding.
    """
    corners = product(*(dict.fromkeys([value.low, value.high]) for value in inputs))
    values = [formula(*corner) for corner in corners]
    return Recomputed(formula(*(value.number for value in inputs)), min(values), max(values))


def compare(printed: Printed, low: float, high: float) -> str:
    """Verdict on a printed number and the range ``low`` to ``high`` in which it should lie."""
    gap = max(low - printed.high, printed.low - high, 0.0)
    slack = _SLACK * max(printed.unit, 1e-6)
    if gap <= slack:
        return CONSISTENT
    return ROUNDING if gap <= printed.unit + slack else INCONSISTENT
