"""Tables as hospitals save them, CSV of any kind or Excel, read as cells of text."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import re
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import python_calamine

from helpers.errors import StudyError
from helpers.study.one_line import one_line

_GZIP_START = b"\x1f\x8b"
_EXCEL_STARTS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_DELIMITERS = ",;\t|"
_WHOLE_NUMBERS_EXACT_BELOW = 1e15  # Excel keeps 15 digits
_ROUNDING_LEAVES = 1e-14


def read_cells(path: Path, sheet: str | None, shown: str) -> pd.DataFrame:
    """Read a table as text, whatever its kind: what the file holds decides, not the ending of its name.

    Parameters
    ----------
    path : Path
        CSV (UTF-8, UTF-16, GBK or Western European; commas, semicolons or tabs) or Excel; also packed by
        gzip.
    sheet : str or None
        Sheet of an Excel file; None is the first.
    shown : str
        What the file is called in an error.

    Returns
    -------
    DataFrame
        Text without spaces around it; columns are the headers, the index is the row number that a
        spreadsheet shows. Empty rows, and columns without a header, are left out.

    Raises
    ------
    StudyError
        When it cannot be read as a table, with the remedy.
    """
    content = _unpacked(path.read_bytes(), shown)
    if content.startswith(_EXCEL_STARTS):
        rows = _excel_rows(content, sheet, shown)
    else:
        rows = _csv_rows(_decoded(content, shown), shown)
    return _below_headers([[_cell(value) for value in row] for row in rows], shown)


def sheets(path: Path) -> list[str | None]:
    """Names of the sheets of an Excel file that hold something; None alone for any other table."""
    content = path.read_bytes()
    if not content.startswith(_EXCEL_STARTS):
        return [None]
    try:
        book = pd.ExcelFile(io.BytesIO(content), engine="calamine")
    except (python_calamine.CalamineError, ValueError):
        return [None]  # reading it says what is wrong
    return [name for name in book.sheet_names if len(book.parse(name, header=None)) > 1]


def _unpacked(content: bytes, shown: str) -> bytes:
    """The content of a gzip file; any other content as it is."""
    if not content.startswith(_GZIP_START):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise StudyError(f"{shown} is a damaged gzip file: copy it again, or unpack it.") from None


def same_header(header: str) -> str:
    """A header without what people cannot see or do not mean: case, spaces, full-width characters."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", header)).casefold()


def _excel_rows(content: bytes, sheet: str | None, shown: str) -> list[list]:
    try:
        book = pd.ExcelFile(io.BytesIO(content), engine="calamine")
    except (python_calamine.CalamineError, ValueError):
        if _is_other_zip(content):
            raise StudyError(f"{shown} is a zip file. Unpack it, and name the table that is in it.") from None
        raise StudyError(
            f"{shown} cannot be opened as an Excel file; it may be damaged or have a password. Save it again "
            "as .xlsx without a password."
        ) from None
    if sheet is not None and sheet not in book.sheet_names:
        raise StudyError(f"{shown} has no sheet '{sheet}'; its sheets are {', '.join(book.sheet_names)}.")
    # Nothing is guessed: "NA" stays a word, and rows keep their numbers.
    frame = book.parse(0 if sheet is None else sheet, header=None, dtype=object, na_filter=False)
    return frame.to_numpy().tolist()


def _is_other_zip(content: bytes) -> bool:
    """Whether it is a zip file that is no Excel file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "[Content_Types].xml" not in archive.namelist()
    except zipfile.BadZipFile:
        return False


def _decoded(content: bytes, shown: str) -> str:
    if content.lstrip()[:1] == b"<":
        raise StudyError(
            f"{shown} is a web page under a table's name, as some hospital systems export. Open it in Excel "
            "and save it as .xlsx."
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "gb18030" or _is_chinese(text):
            return text
    raise StudyError(f"{shown} is in an unknown encoding: save it as 'CSV UTF-8' or as .xlsx.")


def _is_chinese(text: str) -> bool:
    """Whether text decoded as GB 18030 is: European accents, taken for it, give rare characters."""
    codes = [character.encode("gb18030") for character in text if ord(character) > 127]
    # GB 2312 has its signs and common characters up to row D7.
    common = [code for code in codes if len(code) == 2 and 0xA1 <= code[0] <= 0xD7 and code[1] >= 0xA1]
    return len(common) >= len(codes) / 2


def _csv_rows(text: str, shown: str) -> list[list[str]]:
    """Rows as a spreadsheet numbers them; a first line ``sep=;``, which Excel hides, is none."""
    if text[:4].casefold() == "sep=":
        text = text.partition("\n")[2]
    readings = [_split(text, delimiter, shown) for delimiter in _DELIMITERS]
    # The delimiter that takes the most headers apart: below them, decimal commas divide cells too, but
    # never the headers' own row.
    return max(readings, key=_headers_found)


def _headers_found(rows: list[list[str]]) -> tuple[int, int]:
    """Cells of the first row with more than one, and how far up it stands."""
    return next(((len(row), -number) for number, row in enumerate(rows) if len(row) > 1), (0, 0))


def _split(text: str, delimiter: str, shown: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        raise StudyError(f"{shown} is no table that can be read: save it as 'CSV UTF-8' or .xlsx.") from None


def _cell(value: object) -> str:
    """Text of one cell, numbers without the last digits that only the computer sees."""
    if isinstance(value, (datetime.datetime, pd.Timestamp)):
        return value.date().isoformat()
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        if abs(value) >= _WHOLE_NUMBERS_EXACT_BELOW:
            return f"{value:.5E}"
        # 15 digits, as Excel shows them: 0.3 for 0.1 + 0.2, and 0 for what is left of 0.1 + 0.2 - 0.3.
        rounded = float(f"{value:.15g}") if abs(value) > _ROUNDING_LEAVES else 0.0
        return np.format_float_positional(rounded, trim="-")
    text = one_line(str(value))
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        return text[2:-1].strip()  # how hospital systems keep leading zeros from Excel
    return text


def _below_headers(rows: list[list[str]], shown: str) -> pd.DataFrame:
    """Headers are the first row with more than one cell; a title may stand above them."""
    start = next((number for number, row in enumerate(rows) if sum(map(bool, row)) > 1), None)
    if start is None:
        raise StudyError(
            f"{shown} has no row with more than one cell: it needs a row of headers, and a row a patient."
        )
    headers = [" ".join(header.split()) for header in rows[start]]
    filled = {number: row for number, row in enumerate(rows[start + 1 :], start=start + 2) if any(row)}
    longer = [str(number) for number, row in filled.items() if any(row[len(headers) :])]
    if longer:
        raise StudyError(
            f"{shown}: row(s) {', '.join(longer[:10])} have more cells than there are headers. A "
            "decimal comma in a comma-separated table does that: save the table as .xlsx, or with semicolons."
        )
    width = len(headers)
    cells = [(row + [""] * width)[:width] for row in filled.values()]
    table = pd.DataFrame(cells, index=list(filled), columns=headers, dtype=str)
    return table.loc[:, [bool(header) for header in headers]]
