"""Figures are saved as a journal asks for them."""

from functools import partial

import pytest
from matplotlib import pyplot as plt
from PIL import Image
from reported_run import reported_run

from helpers.plots.panels import WIDE
from helpers.plots.style import (
    COHORT_COLOURS,
    cohort_colours,
    cohort_panels,
    legend_beside,
    save_figure,
    stacked_panels,
    use_style,
)
from helpers.study.cohorts import PAPER


@pytest.fixture(autouse=True)
def own_settings():
    with plt.rc_context():
        yield
    plt.close("all")


@pytest.fixture
def make_run(tmp_path):
    return partial(reported_run, tmp_path)


def test_pictures_have_300_dots_per_inch(make_run):
    run = make_run()
    use_style()
    figure, _ = plt.subplots(figsize=(2, 1))
    save_figure(run, "dots", figure)
    with Image.open(run.figure_path("dots", "png")) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_several_hospitals_break_the_row_of_panels_and_keep_their_colours():
    cohorts = ["training", "internal", *(f"external: Hospital {letter}" for letter in "ABC")]
    figure, axes = cohort_panels(cohorts, 4)
    assert len(axes) == len(figure.axes) == 5
    assert figure.get_size_inches().tolist() == pytest.approx([WIDE, 12])
    assert axes[4].get_title() == "External validation:\nHospital C"
    colours = cohort_colours(cohorts)
    assert len({colours[name] for name in cohorts}) == 5
    assert colours["training"] == COHORT_COLOURS["training"]
    plt.close(figure)


def test_the_papers_three_sets_stand_in_two_rows_and_the_legend_in_the_free_place():
    use_style()
    figure, axes = cohort_panels(PAPER, 3)
    lines = axes[0].plot([0, 1]) + axes[0].plot([1, 0])
    legend_beside(figure, lines, ["up", "down"], 3)
    figure.canvas.draw()
    free = figure.legends[0].get_window_extent()
    assert free.x0 > axes[2].get_tightbbox().x1 and free.y1 < axes[1].get_tightbbox().y0
    _, parts = stacked_panels([*PAPER, "external: A", "external: B"], 5, ratios=(4, 1))
    assert parts.shape == (2, 5) and [axis.get_label() for axis in parts[1, :3]] == PAPER


def test_a_legend_of_an_even_number_of_panels_stands_below_them():
    use_style()
    figure, axes = cohort_panels(["training", "external"], 3)
    legend_beside(figure, axes[0].plot([0, 1]), ["up"], 2)
    figure.canvas.draw()
    assert figure.legends[0].get_window_extent().y1 < min(axis.get_tightbbox().y0 for axis in axes)
    plt.close(figure)
