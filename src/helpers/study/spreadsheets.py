"""Tables for people: CSV and Excel that a spreadsheet program opens without running anything in them."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pandas as pd

from helpers.study.formulas import without_formulas
from helpers.study.places import replacing

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # not allowed in XML
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_WIDEST = 80  # letters


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write ``table`` as UTF-8 with a mark by which Excel knows it; no cell is a formula."""
    with replacing(path) as temporary:
        without_formulas(table).to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8-sig")


def to_plain_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a shared ``table`` as programs read it, with ten digits; no cell is a formula."""
    without_formulas(table).to_csv(path, index=False, float_format="%.10g", lineterminator="\n")


def write_excel(path: Path, table: pd.DataFrame) -> None:
    """Write ``table`` as one Excel sheet: numbers as numbers, all else as text, nothing as a formula."""
    files = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/></Types>',
        "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="{escape(path.stem[:31])}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": _sheet(table),
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in files.items():
            # A fixed date: the same table gives the same bytes.
            book.writestr(zipfile.ZipInfo(name), _DECLARED + content, zipfile.ZIP_DEFLATED)


def _relation(kind: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/{kind}" Target="{target}"/></Relationships>'
    )


def _sheet(table: pd.DataFrame) -> str:
    widths = [max(map(len, map(str, [name, *column]))) + 2 for name, column in table.items()]
    columns = "".join(
        f'<col min="{number}" max="{number}" width="{min(width, _WIDEST)}" customWidth="1"/>'
        for number, width in enumerate(widths, start=1)
    )
    lines = [list(table), *table.astype(object).to_numpy().tolist()]
    rows = "".join(f"<row>{''.join(map(_cell, line))}</row>" for line in lines)
    frozen = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    return (
        f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">{frozen}</sheetView>'
        f"</sheetViews><cols>{columns}</cols><sheetData>{rows}</sheetData></worksheet>"
    )


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value != value:  # NaN differs from itself
        return "<c/>"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) != float("inf"):
        return f"<c><v>{float(value):.15g}</v></c>"
    text = escape(_CONTROL.sub(" ", str(value)))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
