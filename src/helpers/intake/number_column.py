"""Which column of a table holds the patient numbers: the one whose numbers are those of the files."""

from __future__ import annotations

import re

import pandas as pd

from helpers.intake import columns
from helpers.intake.folder import Table, number_columns
from helpers.intake.guesses import Guess, likely, quoted, said, undecided
from helpers.intake.numbers import Matches, bare, match
from helpers.patients import columns as cells
from helpers.patients.cells import same_header


def number_column(table: Table, kinds: list[list[str]]) -> Guess:
    """The header of the patient numbers.

    Parameters
    ----------
    table : Table
    kinds : list of list of str
        Numbers of files by their kind: DICOM, images, masks, points. Without any the header alone tells.
    """
    kinds = [numbers for numbers in kinds if numbers]
    tried = {
        header: max(
            (match(_numbers_of(table, header), numbers) for numbers in kinds),
            key=lambda one: len(one.pairs),
            default=None,
        )
        for header in number_columns(table.cells)
    }
    named = [header for header in tried if _is_number_header(header)]
    guess = _by_files(tried, named) if kinds else _by_header(named)
    if guess.value in tried and guess.value not in named and _is_running(_numbers_of(table, guess.value)):
        return undecided("number_running", header=guess.value)
    return guess


def _numbers_of(table: Table, header: str) -> pd.Series:
    """The cells of a column, read as patient numbers."""
    return cells.values(columns.column(table.cells, header), "patient_id")


def known_numbers(table: Table | None) -> set[str]:
    """Everything in a table that may be a patient number, as `bare` writes it; row counts are not."""
    if table is None:
        return set()
    texts = [columns.column(table.cells, header) for header in number_columns(table.cells)]
    return {bare(text) for one in texts if not _is_running(one) for text in one if text}


def _is_running(texts: pd.Series) -> bool:
    """Whether a column counts the rows: 1, 2, 3 and so on."""
    return sorted(texts) == sorted(str(number) for number in range(1, len(texts) + 1))


def _is_number_header(header: str) -> bool:
    return bool(re.search(columns.HEADERS["patient_id"], same_header(header)))


def _by_header(named: list[str]) -> Guess:
    if len(named) == 1:
        return likely(named[0], "number_by_header")
    if not named:
        return undecided("number_none")
    return undecided("number_several", headers=quoted(named))


def _by_files(tried: dict[str, Matches], named: list[str]) -> Guess:
    most = max((len(one.pairs) for one in tried.values()), default=0)
    if not most:
        return undecided("number_fits_none", headers=quoted(named) or "-")
    best = [header for header, one in tried.items() if len(one.pairs) == most]
    best = [header for header in best if header in named] or best
    if len(best) > 1 and len({tuple(tried[header].pairs.items()) for header in best}) > 1:
        return undecided("number_several", headers=quoted(best))
    ways = tried[best[0]].ways
    evidence = said("number_by_images", n=most, exact=ways["exact"], number=ways["number"], name=ways["name"])
    sure = "sure" if best[0] in named and not ways["name"] else "likely"
    return Guess(best[0], sure, (evidence,))
