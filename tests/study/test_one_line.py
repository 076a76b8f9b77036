"""What no picture or spreadsheet can hold does not come in."""

import pytest

from helpers.patients.cells import read_cells
from helpers.study.one_line import one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GE\x00Optima\x08", "GE Optima"),
        ("a\r\nb\tc", "a b c"),
        ("a\u202eb\u2028c", "a b c"),
        (" 张伟  -0.5 ", "张伟  -0.5"),
        ("Müller, <b>", "Müller, <b>"),
    ],
)
def test_control_characters_are_spaces(text, shown):
    assert one_line(text) == shown


def test_a_table_s_cells_are_lines(tmp_path):
    (tmp_path / "a.csv").write_text('ID,Reason\n1,"lost\nto follow-up\x0b"\n', encoding="utf-8")
    table = read_cells(tmp_path / "a.csv", None, "The table")
    assert table["Reason"].tolist() == ["lost to follow-up"]
