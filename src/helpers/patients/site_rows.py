"""One table of several hospitals: which rows are a site's, and what must hold between the sites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import pandas as pd

from helpers.errors import StudyError
from helpers.patients import spellings
from helpers.patients.cells import same_header
from helpers.study.sites import Site


def rows_of_site(cells: pd.DataFrame, site: Site) -> pd.DataFrame:
    """The rows in which every column that ``where`` names says what it says there; all rows without it.

    Raises
    ------
    StudyError
        When there is no such column, or no such row.
    """
    mine, shown = pd.Series(True, index=cells.index), f"Table '{site.table.path}'"
    places = {same_header(header): place for place, header in enumerate(cells.columns)}
    for header, value in site.table.where.items():
        if same_header(header) not in places:
            raise StudyError(
                f"{shown} has no column '{header}', by which site '{site.name}' finds its patients: name the "
                f"right one under where. The table has: {', '.join(cells.columns)}."
            )
        mine &= cells.iloc[:, places[same_header(header)]].map(_word) == _word(str(value))
    if not mine.any():
        said = ", ".join(f"'{value}' in column '{header}'" for header, value in site.table.where.items())
        raise StudyError(f"{shown}: no row has {said} (site '{site.name}'). Check how the table spells it.")
    return cells[mine]


def _word(text: str) -> str:
    return spellings.plain(text).casefold()


def shared_patients(numbers: Sequence[tuple[Site, pd.Series]]) -> list[str]:
    """Patients whom two sites take from the same table, or whose features they take from the same row.

    Parameters
    ----------
    numbers : sequence of (Site, Series)
        Of each site, the raw patient numbers, indexed by their rows in the site's table.
    """
    found = []
    for (one, first), (other, second) in combinations(numbers, 2):
        both = f"both of the sites '{one.name}' and '{other.name}'"
        rows, same = first.index.intersection(second.index), set(first) & set(second)
        if (one.table.path, one.table.sheet) == (other.table.path, other.table.sheet) and len(rows):
            found.append(
                f"Table '{one.table.path}': {len(rows)} row(s) belong to {both}: say under where of each "
                "which rows are its own."
            )
        elif one.features and other.features and one.features.path == other.features.path and same:
            found.append(
                f"Feature table '{one.features.path}': {len(same)} patient number(s) stand for patients of "
                f"{both}: give each patient a number of their own."
            )
    return found


def rows_of_nobody(rows: Iterable[tuple[Site, pd.Index, pd.Index]]) -> list[str]:
    """What to know of rows in shared tables that no site takes.

    Parameters
    ----------
    rows : iterable of (Site, Index, Index)
        Of each site, the rows of its table that are its own, and all that its table has.
    """
    left: dict[tuple, pd.Index] = {}
    for site, mine, all_rows in rows:
        table = (str(site.table.path), site.table.sheet)
        left[table] = left.get(table, all_rows).difference(mine)
    return [
        f"Table '{path}': {len(rest)} row(s) belong to no site of the study (where)."
        for (path, _), rest in left.items()
        if len(rest)
    ]
