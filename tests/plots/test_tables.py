"""Styled tables show what the cells say, in a notebook too; bs4 reads the HTML again."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from IPython.core.interactiveshell import InteractiveShell

from helpers.plots import tables
from helpers.plots.style import use_style

HOSTILE = "<img src=x onerror=alert(1)>&lt;"


@pytest.fixture
def shell():
    made = InteractiveShell.instance()
    yield made
    InteractiveShell.clear_instance()


def hostile():
    table = pd.DataFrame({HOSTILE: [HOSTILE, "b", None], "share": [0.5, 1.25, float("nan")]})
    return table.set_index(pd.Index([HOSTILE, 1, "c"], name="<i>")).rename_axis(columns="<u>")


def cells(html):
    page = BeautifulSoup(html, "html.parser")
    assert not page.find_all(["img", "i", "u"])
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.find_all("tr")]


def test_texts_headers_and_names_are_escaped_and_formats_kept():
    styled = hostile().style.format(precision=1, na_rep="-").format("{:.0%}", subset=["share"], na_rep="none")
    head, names, *rows = cells(tables.escaped_html(styled))
    assert head == ["<u>", HOSTILE, "share"]
    assert names[0] == "<i>"
    assert rows == [[HOSTILE, HOSTILE, "50%"], ["1", "b", "125%"], ["c", "-", "none"]]


def test_the_table_itself_is_not_changed():
    table = hostile()
    styled = table.style.hide()
    tables.escaped_html(styled)
    assert styled.data is table
    assert table.equals(hostile())


def test_several_levels_and_colours():
    table = pd.DataFrame([["x'", 2]], columns=pd.MultiIndex.from_tuples([("<b>", "a"), ("<b>", "c")]))
    styled = table.style.map(lambda value: "color: red" if value == "x'" else "")
    html = tables.escaped_html(styled)
    assert "color: red" in html
    assert "<b>" not in html


def test_a_notebook_shows_any_styled_table_escaped(shell):
    use_style()
    data, _ = shell.display_formatter.format(hostile().style.hide().format(precision=2))
    assert [HOSTILE, "0.50"] in cells(data["text/html"])
    data, _ = shell.display_formatter.format(hostile())
    assert [HOSTILE, HOSTILE, "0.50"] in cells(data["text/html"])


def test_every_notebook_asks_for_it():
    from helpers.study.places import REPOSITORY, STEPS

    for step in STEPS.values():
        text = (REPOSITORY / "notebooks" / f"{step}.ipynb").read_text(encoding="utf-8")
        assert '"use_style()' in text, step


def test_headers_are_words_with_units_and_sets_and_flags_are_read():
    raw = pd.DataFrame({"cohort": ["internal", "external: B"], "t_score": 1.0, "longest": [True, False]})
    read = tables.shown(raw.assign(hu_of_it=2), hu_of_it="its HU")
    assert read.columns.tolist() == ["set", "T-score", "longest run", "its HU"]
    assert read["set"].tolist() == ["Internal validation", "External validation: B"]
    assert read["longest run"].tolist() == ["yes", "no"]
    assert raw.columns.tolist() == ["cohort", "t_score", "longest"]  # as it was
    own = pd.DataFrame(columns=["no_word", "External validation: my_site", "smd_external: my_site"])
    assert tables.shown(own).columns.tolist()[1:] == [
        "External validation: my_site", "SMD, external: my_site",
    ]  # fmt: skip


def test_measures_are_named_as_headers_and_in_rows():
    raw = pd.DataFrame({"measure": ["in_the_large", "net benefit at 0.1"], "c_index": 0.7})
    read = tables.shown(raw, c_index="C index")
    assert read["measure"].tolist() == ["calibration in the large", "net benefit at 0.1"]
    assert [*read] == ["measure", "C index"] and [*tables.shown(raw)] == ["measure", "AUC"]
    assert raw["measure"].tolist() == ["in_the_large", "net benefit at 0.1"]  # as it was


def test_tests_are_shown_with_p_values_as_the_paper_prints_them():
    tests = pd.DataFrame({"cohort": ["internal"], "subject": "A vs B", "difference": 0.01234})
    html = tables.shown_tests(tests.assign(p_value=1e-9, p_holm=0.04)).to_html()
    assert "0.012" in html and "<0.001*" in html.replace("&lt;", "<") and "0.040*" in html
    assert "difference of AUC" in html and "P, Holm" in html


def test_a_styled_table_has_words_p_values_and_marks_of_what_is_missing():
    raw = pd.DataFrame({"in_the_large": [0.12345, np.nan], "p_value": [2.6e-12, 0.3], "kept_in": ["a", "b"]})
    rows = cells(tables.styled(raw, 2, missing="not estimable", kept_in="kept in").to_html())
    assert rows == [
        ["calibration in the large", "P", "kept in"],
        ["0.12", "<0.001*", "a"],
        ["not estimable", "0.300", "b"],
    ]
    assert cells(tables.styled(raw[["kept_in"]]).to_html())[0] == ["kept in"]  # nothing of P
    assert cells(tables.styled(pd.DataFrame({"a": [-1e-9], "n": 7})).to_html())[1] == ["0.000", "7"]


def test_p_values_are_written_as_in_the_paper():
    assert [tables.starred_p(p) for p in (0.0004, 0.016, 0.16, np.nan)] == [
        "<0.001*",
        "0.016*",
        "0.160",
        "n/e",
    ]
