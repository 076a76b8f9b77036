"""Figures are saved as a journal asks for them."""

from functools import partial

import pytest
from matplotlib import pyplot as plt
from PIL import Image
from reported_run import reported_run

from helpers.plots.style import save_figure, use_style


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
