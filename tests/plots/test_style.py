"""Figures are saved as a journal asks for them."""

from functools import partial

import pytest
from matplotlib import pyplot as plt
from PIL import Image
from reported_run import reported_run

from helpers.plots.style import (
    COHORT_COLOURS,
    cohort_colours,
    cohort_panels,
    save_figure,
    stacked_panels,
    use_style,
)
from helpers.study.cohorts import PAPER


@pytest.fixture
def make_run(tmp_path):
    return partial(reported_run, tmp_path)


def test_pictures_have_300_dots_per_inch(make_run):
    run = make_run()
    with plt.rc_context():
        use_style()
        figure, _ = plt.subplots(figsize=(2, 1))
        save_figure(run, "dots", figure)
        plt.close(figure)
    with Image.open(run.figure_path("dots", "png")) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_several_hospitals_break_the_row_of_panels_and_keep_their_colours():
    cohorts = ["training", "internal", *(f"external: Hospital {letter}" for letter in "ABC")]
    figure, axes = cohort_panels(cohorts, (18, 4))
    assert len(axes) == len(figure.axes) == 5
    assert figure.get_size_inches().tolist() == pytest.approx([18 * 3 / 5, 8])
    assert axes[4].get_title() == "External validation:\nHospital C"
    colours = cohort_colours(cohorts)
    assert len({colours[name] for name in cohorts}) == 5
    assert colours["training"] == COHORT_COLOURS["training"]
    plt.close(figure)


def test_the_papers_three_sets_stand_in_one_row():
    figure, axes = cohort_panels(["training", "internal", "external"], (9, 3))
    assert figure.get_size_inches().tolist() == [9, 3] and len({axis.get_position().y0 for axis in axes}) == 1
    figure, parts = stacked_panels([*PAPER, "external: A", "external: B"], (15, 5), height_ratios=[4, 1])
    assert parts.shape == (2, 5) and len(figure.axes) == 10
    plt.close("all")
