"""What a page shows of a drawing is the drawing: whole on a wide screen, panel by panel on a phone."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt

from helpers.pages import figures
from helpers.plots.style import panel_grid, use_style, write_svg


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """A figure of two panels, and a narrow one, as SVG."""
    folder, made = tmp_path_factory.mktemp("drawings"), {}
    with plt.rc_context():
        use_style()
        for name, panels in {"two": 2, "narrow": 1}.items():
            figure, axes = panel_grid(panels, 2)
            for letter, axis in zip("ab", axes, strict=False):
                axis.plot([0, 1], label="line")
                axis.set(title=f"panel {letter}", label=letter)
            write_svg(figure, folder / f"{name}.svg")
            made[name] = (folder / f"{name}.svg").read_text(encoding="utf-8")
    plt.close("all")
    return made


def parsed(html):
    return BeautifulSoup(html, "html.parser")


def test_a_phone_has_a_window_for_each_panel_on_the_one_drawing(drawings):
    page = parsed(figures.inline(drawings["two"], 'says "this" & that', "two-chapter"))
    frame = page.find(role="img")
    assert frame["aria-label"] == 'says "this" & that'
    whole, *windows = page.find_all("svg")
    assert [text.get_text() for text in whole.find_all("text") if "panel" in text.get_text()] == [
        "panel a",
        "panel b",
    ]
    assert [window.use["href"] for window in windows] == ["#figure-two-chapter"] * 2
    assert page.find(id="figure-two-chapter") and not [window for window in windows if window.find("text")]
    boxes = [dict(figures.panels_of(drawings["two"]))[name] for name in "ab"]
    assert [[float(part) for part in window["viewbox"].split()] for window in windows] == [
        list(box) for box in boxes
    ]


def test_a_narrow_figure_has_no_windows(drawings):
    page = parsed(figures.inline(drawings["narrow"], "", "narrow"))
    assert len(page.find_all("svg")) == 1 and "radbook-in-panels" not in page.div["class"]


def test_one_panel_is_a_view_of_the_drawing_and_an_unknown_one_the_whole(drawings):
    for name in ("b", "c"):
        (shown,) = parsed(figures.one_panel(drawings["two"], name, "")).find_all("svg")
        left = float(shown["viewbox"].split()[0])
        assert (left > 200) == (name == "b")


def test_figures_of_one_page_share_no_identifier_but_equal_parts(drawings):
    """Two figures both have an axes_1; what nothing refers to loses its name."""
    html = figures.inline(drawings["two"], "", "two")
    names = re.findall(r' id="([^"]+)"', html)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', html))
    assert used and set(names) == used and not any(name.startswith(("axes", "text")) for name in names)
    assert "<style" not in html and "<metadata" not in html and "\n\n" not in html


@pytest.fixture
def chapter():
    """A chapter that showed one saved figure and one picture."""
    picture = {"image/png": "aGk="}
    outputs = [
        nbformat.v4.new_output(
            "display_data", picture, metadata={"radbook": {"figure": "two", "finding": "AUC 0.8."}}
        ),
        nbformat.v4.new_output("display_data", picture),
    ]
    cell = nbformat.v4.new_code_cell("save_figure(...)", outputs=outputs)
    cell.metadata["mystnb"] = {"image": {"alt": "what is seen"}}
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.mark.parametrize("private", [False, True])
def test_a_chapters_saved_figures_become_drawings(drawings, chapter, run, private):
    run.figure_path("two", "svg", private).write_text(drawings["two"], encoding="utf-8")
    figures.put_inline(chapter, run)
    saved, other = chapter.cells[0].outputs
    assert (
        list(saved.data) == ["text/html"] and 'aria-label="AUC 0.8. what is seen"' in saved.data["text/html"]
    )
    assert list(other.data) == ["image/png"]


def test_a_picture_whose_drawing_is_gone_stays(chapter, run):
    figures.put_inline(chapter, run)
    assert list(chapter.cells[0].outputs[0].data) == ["image/png"]


def test_a_drawing_in_another_language_keeps_its_words(drawings, chapter, run):
    run.figure_path("two", "svg").write_text(drawings["two"], encoding="utf-8")
    translated = drawings["two"].replace("panel a", "图 a")
    chapter.cells[0].outputs[0].data = {"image/svg+xml": translated}
    figures.put_inline(chapter, run)
    shown = chapter.cells[0].outputs[0].data["text/html"]
    assert "图 a" in shown and 'aria-label="what is seen"' in shown
