"""How many hospitals a folder holds, and which table is whose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from helpers.intake import columns
from helpers.intake.folder import Contents, Table, number_columns
from helpers.intake.guesses import Guess, Said, said, surely, undecided
from helpers.intake.numbers import match
from helpers.intake.site import Found, count, find_site
from helpers.patients.cells import same_header
from helpers.patients.columns import T_SCORES

_LEAST_ROWS = 5  # a table of patients, not one patient's
_MOST_SITES = 12
_CENTRE = r"^(site|centre|center|hospital|institution)|医院|中心|院区|分院"


@dataclass
class Survey:
    """What a whole folder holds.

    Attributes
    ----------
    sites : list of Found
    notes : list of Said
        Of what belongs to no site.
    """

    sites: list[Found]
    notes: list[Said] = field(default_factory=list)


def survey(contents: Contents) -> Survey:
    """Divide a folder into sites and find out about each."""
    tables = [table for table in contents.tables if _is_of_patients(table)]
    parts = _parts_with_both(contents, tables)
    if len(parts) > 1:
        found = [
            _one(contents.within(part), part, [t for t in tables if _part(t.path) == part]) for part in parts
        ]
        left = [path for path in _images(contents) if _part(path) not in parts]
        notes = [said("outside_sites", n=len(left))] if left else []
    else:
        found, notes = [_one(contents, "", tables)], []
    counts = {"archives": contents.archives, "unreadable": contents.unreadable}
    notes += [said(key, n=count) for key, count in counts.items() if count]
    for one in found:
        _note_centres(one)
    return Survey(found, notes)


def _is_of_patients(table: Table) -> bool:
    known = set(table.ours) - {"exclusion", "scanner"}
    return (
        table.kind == "patients"
        and len(table.cells) >= _LEAST_ROWS
        and bool(known)
        and bool(number_columns(table.cells))
    )


def _part(path) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


def _images(contents: Contents) -> list:
    return [*contents.dicom, *contents.volumes, *contents.marks]


def _parts_with_both(contents: Contents, tables: list[Table]) -> list[str]:
    """Folders at the top that have a table of patients and images of their own."""
    with_images = {_part(path) for path in _images(contents)}
    parts = sorted({_part(table.path) for table in tables} & with_images - {""})
    return parts if len(parts) <= _MOST_SITES else []


def _one(contents: Contents, name: str, tables: list[Table]) -> Found:
    table, guess = _table(tables)
    found = find_site(contents, name, table)
    found.keys["table"] = guess
    if len(tables) > 1 and table is not None:
        found.notes.append(
            said("tables_left", n=len(tables) - 1, tables=_listed([t for t in tables if t is not table]))
        )
    _features(found, contents)
    return found


def _table(tables: list[Table]) -> tuple[Table | None, Guess]:
    """The table of the patients: the only one, or the only one with all that is needed."""
    if not tables:
        return None, undecided("table_none")
    whole = [table for table in tables if _is_whole(table)]
    if len(tables) == 1 or len(whole) == 1:
        table = tables[0] if len(tables) == 1 else whole[0]
        key = "table_only" if len(tables) == 1 else "table_whole"
        sure = "sure" if _is_whole(table) else "likely"
        return table, Guess(table.path.as_posix(), sure, (said(key, n=len(table.cells)),))
    key = "tables_several" if whole else "tables_to_join"
    return None, undecided(key, tables=_listed(tables))


def _is_whole(table: Table) -> bool:
    ours = set(table.ours)
    return "sex" in ours and bool({"age", "birth_date"} & ours) and bool(set(T_SCORES) & ours)


def _listed(tables: list[Table]) -> str:
    return ", ".join(f"'{t.path.as_posix()}'" + (f" [{t.sheet}]" if t.sheet else "") for t in tables)


def _features(found: Found, contents: Contents) -> None:
    """A table of ready features instead of images."""
    tables = [table for table in contents.tables if table.kind == "features"]
    if not tables or found.files.get("image"):
        return
    own = {}
    for table in tables:
        for header in number_columns(table.cells):
            pairs = match(found.rows, columns.column(table.cells, header)).pairs
            if all(row == number for row, number in pairs.items()):
                own[table.path.as_posix(), header] = set(pairs)
    best = {place: len(rows) for place, rows in own.items()}
    chosen = max(best, key=best.get, default=None)
    if chosen is None or not best[chosen] or list(best.values()).count(best[chosen]) > 1:
        found.keys["features"] = undecided("features_open", tables=_listed(tables))
    else:
        value = {"path": chosen[0], "patient_id": chosen[1]}
        found.keys["features"] = surely(value, "features", n=best[chosen])
        if found.table is not None:
            header = found.ours["patient_id"].value
            found.ours["patient_id"] = surely(header, "number_by_features", n=best[chosen])
        count(found, own[chosen])
    for key in ("images", "masks"):
        found.keys.pop(key, None)


def _note_centres(found: Found) -> None:
    """A note where one table has patients of several hospitals: a person says who develops."""
    for header in found.table.cells if found.table else ():
        texts = columns.column(found.table.cells, header)
        counts = texts[texts != ""].value_counts()
        several = 2 <= len(counts) <= _MOST_SITES and counts.min() >= _LEAST_ROWS
        if several and re.search(_CENTRE, same_header(header)):
            found.notes.append(said("centres", header=header, n=len(counts)))
