"""No text of a shared table begins like a formula; numbers do not change."""

import csv
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.study.formulas import without_formulas
from helpers.study.run_folder import open_run

FORMULAS = ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1", '=HYPERLINK("x")', "＝1", "-a"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text(text):
    table = pd.DataFrame({text: [text, "plain"], "n": [-1, 2], "x": [-0.5, float("nan")]})
    safe = without_formulas(table)
    assert safe.columns.tolist() == [f"'{text}", "n", "x"]
    assert safe.iloc[:, 0].tolist() == [f"'{text}", "plain"]
    pd.testing.assert_frame_equal(safe[["n", "x"]], table[["n", "x"]])
    assert table.columns[0] == text


@pytest.mark.parametrize("text", ["-0.5", "+3", "-1e-5", "<10", "0.5 to -0.2", "a=b", "", None, True])
def test_numbers_and_other_texts_stay(text):
    assert without_formulas(pd.DataFrame({"x": [text]}))["x"].tolist() == [text]


def test_kinds_of_columns_stay_where_there_is_nothing_to_change():
    table = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, False], "c": ["x", "y"]})
    assert without_formulas(table).to_csv() == table.to_csv()


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=3))
def test_no_cell_begins_like_a_formula(texts):
    for cell in without_formulas(pd.DataFrame({"x": texts}))["x"]:
        assert not re.match(r"[=+\-@\t\r]", cell) or float(cell) is not None


def test_a_carriage_return_begins_no_row():
    assert without_formulas(pd.DataFrame({"x": ["a\r=1", "\r=1"]}))["x"].tolist() == ["a =1", "' =1"]


def test_shared_tables_are_written_so(tmp_path):
    (tmp_path / "study.yml").write_text(
        "name: own\ntitle: Own\nseed: 1\nextraction: e.yml\nsites:\n"
        "- {name: a, role: development, virtual: {protocol: p.yml, patients: 8}}\n"
    )
    run = open_run(tmp_path / "study.yml", tmp_path / "run")
    run.write_table("scanners", pd.DataFrame({"scanner": FORMULAS, "patients": range(len(FORMULAS))}))
    with run.table_path("scanners").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["scanner"] for row in rows] == [f"'{text}" for text in FORMULAS]
    assert [row["patients"] for row in rows] == [str(number) for number in range(len(FORMULAS))]
