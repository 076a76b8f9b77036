"""All files of a folder, sorted by what they may be; tables are opened, images are not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from helpers.errors import StudyError
from helpers.imaging.archives import ENDINGS
from helpers.imaging.dicom_headers import is_dicom
from helpers.imaging.points import COLUMNS
from helpers.intake import columns
from helpers.intake.guesses import Guess
from helpers.patients.cells import read_cells, same_header, sheets
from helpers.study.places import visible_files

# What radbook itself writes beside a study.
STUDY_FILE, FILES, LISTS, EXTRACTION = "study.yml", "radbook_files.csv", "radbook_lists", "extraction.yml"
_OUR_TABLES = re.compile(r"radbook_files(_\d+)?\.csv")
_VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".xlsm", ".csv.gz")
_MARKS = (".mrk.json", ".fcsv")
_FEATURE = re.compile(
    r"(original|wavelet|log-sigma|square|logarithm|exponential|gradient)[-_].+_\w+", re.IGNORECASE
)
_LEAST_FEATURES = 20


@dataclass(frozen=True)
class Table:
    """One table, or one sheet of a workbook.

    Attributes
    ----------
    path : Path
        From the folder that is looked through.
    sheet : str or None
        None where the file has one only.
    cells : DataFrame of str
    kind : {"patients", "points", "features", "other"}
    ours : dict of str to Guess
        Recognised columns of a table of patients.
    """

    path: Path
    sheet: str | None
    cells: pd.DataFrame
    kind: str
    ours: dict[str, Guess]


@dataclass
class Contents:
    """The files of a folder, as paths from it.

    Attributes
    ----------
    top : Path
    dicom, volumes, marks : list of Path
        Marks are files of points, one a patient.
    tables : list of Table
    archives, unreadable, others : int
        Packed files, tables that cannot be read, and files of no known kind.
    """

    top: Path
    dicom: list[Path] = field(default_factory=list)
    volumes: list[Path] = field(default_factory=list)
    marks: list[Path] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    archives: int = 0
    unreadable: int = 0
    others: int = 0

    def within(self, part: str) -> Contents:
        """The contents of one folder at the top; of all for ""."""
        inside = [
            [path for path in paths if not part or path.parts[0] == part]
            for paths in (self.dicom, self.volumes, self.marks)
        ]
        tables = [table for table in self.tables if not part or table.path.parts[0] == part]
        return Contents(self.top, *inside, tables, self.archives, self.unreadable, self.others)


def look_around(folder: Path) -> Contents:
    """Sort the files of a folder and below; earlier results of radbook in it are not among them.

    Raises
    ------
    StudyError
        When there is no such folder.
    """
    if not folder.is_dir():
        raise StudyError(
            f"There is no folder '{folder}'. Name the one that holds images and tables.", "setting"
        )
    contents = Contents(folder)
    for path in _given(folder):
        name, relative = path.name.lower(), path.relative_to(folder)
        if name.endswith(_MARKS):
            contents.marks.append(relative)
        elif name.endswith(_VOLUMES):
            contents.volumes.append(relative)
        elif name.endswith(_TABLES):
            _take_tables(contents, relative)
        elif name.endswith(ENDINGS):
            contents.archives += 1
        elif is_dicom(path):
            contents.dicom.append(relative)
        else:
            contents.others += 1
    return contents


def _given(folder: Path) -> Iterable[Path]:
    runs = {path.parent for path in folder.rglob("run.json")}
    own = {STUDY_FILE, f"{STUDY_FILE}.before", EXTRACTION}
    for path in visible_files(folder):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "~$")) for part in parts)
        mine = parts[0] in own or parts[0] == LISTS or _OUR_TABLES.fullmatch(parts[0])
        if not mine and not hidden and runs.isdisjoint(path.parents):
            yield path


def _take_tables(contents: Contents, relative: Path) -> None:
    path = contents.top / relative
    try:
        names = sheets(path)
        read = [(name, read_cells(path, name, "The table")) for name in names]
    except StudyError:
        contents.unreadable += 1
        return
    for name, cells in read:
        kind = _kind(cells)
        if kind == "points" and not number_columns(cells, 2):  # the points of one patient
            contents.marks.append(relative)
            continue
        ours = columns.recognised(cells) if kind == "patients" else {}
        shown = name if len(names) > 1 else None
        contents.tables.append(
            Table(relative, shown, cells, kind if ours or kind != "patients" else "other", ours)
        )


def _kind(cells: pd.DataFrame) -> str:
    headers = {same_header(header) for header in cells}
    if any(set(places) <= headers for places in COLUMNS.values()):
        return "points"
    if sum(bool(_FEATURE.fullmatch(header)) for header in headers) >= _LEAST_FEATURES:
        return "features"
    return "patients"


def number_columns(cells: pd.DataFrame, rows_each: int = 1) -> list[str]:
    """Headers of columns that may hold patient numbers: filled, and hardly ever the same in several rows.

    Parameters
    ----------
    cells : DataFrame of str
    rows_each : int
        How many rows a patient has.
    """
    found = []
    for header in dict.fromkeys(cells):
        texts = columns.column(cells, header)
        filled = texts[texts != ""]
        named = bool(re.search(columns.HEADERS["patient_id"], same_header(header)))
        if filled.empty or len(filled) < 0.9 * len(texts) or not (named or rows_each == 1):
            continue
        distinct = filled.nunique() >= 0.95 * len(filled) / rows_each
        if distinct and not filled.str.fullmatch(r"-?\d*\.\d+").any() and filled.str.len().max() <= 40:
            found.append(header)
    return found
