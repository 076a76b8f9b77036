"""A table is read the same whatever program saved it, and a file that is none says so."""

import gzip
from pathlib import Path

import pytest

from helpers.errors import StudyError
from helpers.patients.cells import read_cells, same_header

DATA = Path(__file__).parents[1] / "data"
HEADERS = ["编号", "T值（腰椎）", "备注"]
ROWS = [["001", "-2.5", "骨折, 右"], ["002", "0.3", ""]]


@pytest.fixture
def written(tmp_path):
    """Write a file and read it as a table."""

    def read(content: bytes, sheet: str | None = None):
        (tmp_path / "dxa").write_bytes(content)
        return read_cells(tmp_path / "dxa", sheet, "Table 'dxa'")

    return read


def text(delimiter: str, newline: str = "\r\n") -> str:
    quoted = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in [HEADERS, *ROWS]]
    return newline.join(delimiter.join(row) for row in quoted) + newline


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters_change_nothing(written, encoding, delimiter):
    table = written(text(delimiter).encode(encoding))
    assert list(table.columns) == HEADERS
    assert table.to_numpy().tolist() == ROWS
    assert list(table.index) == [2, 3]


def test_a_table_packed_by_gzip_is_read_as_if_unpacked(written):
    plain = text(";").encode("gbk")
    assert written(gzip.compress(plain)).equals(written(plain))
    book = (DATA / "dxa.xlsx").read_bytes()
    assert written(gzip.compress(book), "登记表").equals(written(book, "登记表"))


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: packed[:12] + b"x" * 40])
def test_a_damaged_gzip_file_says_so(written, damage):
    with pytest.raises(StudyError, match="'dxa' is a damaged gzip file: copy it again"):
        written(damage(gzip.compress(text(",").encode())))


def test_western_accents_are_not_taken_for_chinese(written):
    table = written("Nummer;Größe;männlich\n1;1,65;ja\n".encode("cp1252"))
    assert list(table.columns) == ["Nummer", "Größe", "männlich"]
    assert table.loc[2, "Größe"] == "1,65"


def test_what_excel_hides_or_leaves_behind_is_left_out(written):
    table = written(b'sep=;\nDXA list, 2024;;\n\nID;Age;Sex;;\n="001";61;F;;\n;;;;\n2;70;M;;\n')
    assert list(table.columns) == ["ID", "Age", "Sex"]
    assert table.loc[4].tolist() == ["001", "61", "F"]
    assert list(table.index) == [4, 6]


@pytest.mark.parametrize("name", ["dxa.xlsx", "dxa.xls"])
def test_excel_is_read_as_it_shows_its_cells(name):
    """The files (tests/data, invented patients) have a merged title, dates, and a T-score from a formula."""
    table = read_cells(DATA / name, "登记表", name)
    assert list(table.index) == [3, 4, 6, 7]
    assert table["患者编号"].tolist() == ["00123", "124", "125", "126"]
    assert table.loc[3, "T值（腰椎）"] == "-2.5"  # stored as -2.4999999999999996
    assert float(table.loc[4, "T值（股骨颈）"]) == pytest.approx(
        0
    )  # stored as 5.5e-17, not as text "5.5E-17"
    assert table.loc[3, "CT日期"] == "2024-03-01"
    assert len(table.columns) == 11


def test_a_sheet_that_is_not_there_is_told():
    with pytest.raises(StudyError, match="no sheet 'DXA'; its sheets are 说明, 登记表"):
        read_cells(DATA / "dxa.xlsx", "DXA", "Table 'dxa.xlsx'")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no row with more than one cell"),
        (b"\n\n", "no row with more than one cell"),
        (b"<html><table>", "web page under a table's name"),
        (b"PK\x03\x04 damaged", "cannot be opened as an Excel file"),
        (b"\xd0\xcf\x11\xe0 damaged", "cannot be opened as an Excel file"),
        (b"ID,Age,T\n1,61,-2,5\n2,70,-1,0\n", r"row\(s\) 2, 3 have more cells"),
        (b"a,b\n\x81,\xff\n", "unknown encoding"),
    ],
)
def test_what_is_no_table_is_refused_with_a_remedy(written, content, message):
    with pytest.raises(StudyError, match=message):
        written(content)


def test_headers_are_compared_as_people_see_them():
    assert same_header("T值（腰椎） ") == same_header("t值(腰椎)")
    assert same_header("Age\n(years)") == same_header("age (years)")
