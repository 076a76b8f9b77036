"""A phone shows a figure panel by panel: no panel, legend or remark may be lost or cut."""

import json
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest
from screens import PHONE, smallest_text

from helpers.plots.panels import (
    LEGEND,
    NARROW,
    PANEL,
    REMARK,
    let_read,
    panel_boxes,
    readable_axes,
    wrapped_names,
)
from helpers.plots.style import legend_beside, panel_grid, remark, write_svg

POINTS = 72


pytestmark = pytest.mark.usefixtures("book_style")


@pytest.fixture
def figure():
    figure, axes = panel_grid(3, 2.5)
    for name, axis in zip("abc", axes, strict=True):
        line = axis.plot([0, 1])
        axis.set(xlabel="x", ylabel="y", title=name, label=name, xticks=[0, 1], yticks=[0, 1])
    legend_beside(figure, line, ["a line"], 3)
    remark(figure, "virtual cohort")
    return figure


def test_every_word_of_a_figure_lies_in_one_of_its_panels(figure):
    figure.canvas.draw()
    renderer, height = figure.canvas.get_renderer(), figure.get_size_inches()[1] * POINTS
    boxes = [box for _, box in panel_boxes(figure)]
    for text in figure.findobj(plt.Text):
        if not text.get_text() or not text.get_visible():
            continue
        extent = text.get_window_extent(renderer).get_points() * POINTS / figure.dpi
        (x0, y0), (x1, y1) = extent
        inside = [
            left <= x0 and x1 <= left + width and top <= height - y1 and height - y0 <= top + tall
            for left, top, width, tall in boxes
        ]
        assert sum(inside) == 1, text.get_text()


def test_panels_come_in_reading_order_and_fit_a_phone(figure):
    figure.canvas.draw()
    boxes = panel_boxes(figure)
    assert [name for name, _ in boxes] == ["a", "b", "c", LEGEND, REMARK]
    assert all(box[2] <= PANEL * POINTS + 1 for _, box in boxes)
    assert PANEL * 96 < PHONE


def test_a_legend_above_the_panels_comes_first_and_axes_of_one_label_are_one_panel():
    figure, axes = panel_grid(4, 2)
    for name, axis in zip("aabb", axes, strict=True):
        axis.set_label(name)
    figure.legend(axes[0].plot([0, 1]), ["a line"], loc="outside upper center")
    figure.canvas.draw()
    (_, first), (_, second) = panel_boxes(figure)[1:]
    assert [name for name, _ in panel_boxes(figure)] == [LEGEND, "a", "b"]
    assert first[1] + first[3] <= second[1] + 6 and first[2] > PANEL * POINTS


def test_a_narrow_figure_is_shown_whole_and_its_words_stay_readable():
    figure, axis = plt.subplots(figsize=(NARROW, 2))
    axis.set(xlabel="Age (years)", title="one")
    assert panel_boxes(figure) == []
    assert smallest_text(figure) > 9


def test_the_file_says_where_its_panels_are(figure, tmp_path):
    write_svg(figure, tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    told = json.loads(root.get("data-panels"))
    width, height = (float(root.get(name).removesuffix("pt")) for name in ("width", "height"))
    assert [name for name, *_ in told] == ["a", "b", "c", LEGEND, REMARK]
    for _, left, top, wide, tall in told:
        assert left >= 0 and top >= 0 and left + wide <= width + 0.1 and top + tall <= height + 0.1


def test_axes_that_can_be_read_say_what_their_places_mean(figure, tmp_path):
    axis = figure.axes[1]
    let_read(axis)
    figure.canvas.draw()
    ((left, top, width, height, *limits),) = readable_axes(figure)
    assert limits == [*axis.get_xlim(), *axis.get_ylim()]
    x, y = axis.transData.transform((0.25, 0.75)) * POINTS / figure.dpi
    assert left + width * (0.25 - limits[0]) / (limits[1] - limits[0]) == pytest.approx(x, abs=0.02)
    tall = figure.get_size_inches()[1] * POINTS
    assert top + height * (limits[3] - 0.75) / (limits[3] - limits[2]) == pytest.approx(tall - y, abs=0.02)
    write_svg(figure, tmp_path / "a.svg")
    assert "data-axes" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_long_names_are_broken():
    assert wrapped_names(["GLRLM Run Length Non Uniformity, LoG 3 mm"], 24) == [
        "GLRLM Run Length Non\nUniformity, LoG 3\u00a0mm"
    ]
