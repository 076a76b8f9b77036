"""Tables for people open in a spreadsheet program as what they are: nothing runs, nothing is lost."""

import zipfile
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from helpers.study.spreadsheets import write_csv, write_excel

TABLE = pd.DataFrame(
    {
        "number": ["0012", "=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", '患者 <&> "x"', "\x07"],
        "risk": [0.25, np.nan, 1e-12, -3, 2.0, 1, 0, 5],
        "said": [None, "yes", "no", pd.NA, "a\nb", "", " x", "]]>"],
    }
)


def test_csv_holds_no_formula_and_is_known_as_unicode(tmp_path):
    write_csv(tmp_path / "t.csv", TABLE)
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    read = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert not read.map(lambda cell: cell[:1] in "=+@\t" and cell != "").any(axis=None)
    assert read["number"].tolist()[:3] == ["0012", "'=1+1", "'+cmd|' /C calc'!A0"]


def test_excel_holds_the_same_as_text_and_numbers(tmp_path):
    """Read back by an independent reader; no cell is a formula."""
    write_excel(tmp_path / "t.xlsx", TABLE)
    read = pd.read_excel(tmp_path / "t.xlsx", engine="calamine", dtype={"number": str}, keep_default_na=False)
    assert (
        read["number"].tolist()[:5] == TABLE["number"].tolist()[:5]
        and read["number"][6] == TABLE["number"][6]
    )
    risks = pd.to_numeric(read["risk"], errors="coerce")
    np.testing.assert_allclose(risks, TABLE["risk"])
    with zipfile.ZipFile(tmp_path / "t.xlsx") as book:
        parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist()}
    assert not [cell for cell in parts["xl/worksheets/sheet1.xml"].iter() if cell.tag.endswith("}f")]
    before = (tmp_path / "t.xlsx").read_bytes()
    write_excel(tmp_path / "t.xlsx", TABLE)
    assert (tmp_path / "t.xlsx").read_bytes() == before
