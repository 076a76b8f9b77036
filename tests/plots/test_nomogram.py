"""The nomogram's drawing names its axes and marks a made-up patient."""

from itertools import combinations

import matplotlib.pyplot as plt
import pytest
from reference_values import birthwt
from screens import smallest_text

from helpers.learning.logistic import fit_logistic
from helpers.learning.nomogram import Nomogram, typical_patient
from helpers.plots.nomogram import plot_nomogram
from helpers.plots.style import STYLE

PREDICTORS = ["age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv"]


@pytest.fixture(scope="module")
def births():
    table = birthwt()
    model = fit_logistic(table, "low", PREDICTORS[:-1])
    return table, model, Nomogram(model.coefficients, table)


def test_figure_marks_a_made_up_patient(births):
    table, model, chart = births
    example = typical_patient(table, model.predictors)
    assert example["race"] == "white"
    figure = plot_nomogram(chart, example, {"age": "Age (years)"}, "osteoporosis")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "Age (years)" in texts and "Risk of osteoporosis" in texts
    plt.close(figure)


@pytest.mark.parametrize("outcome", ["low birth weight", "death within three years of the operation"])
def test_no_words_lie_on_other_words(births, outcome):
    """Titles stand above their lines, and the patient's risk beside the last: for long outcomes too."""
    table, model, chart = births
    with plt.style.context(STYLE):
        figure = plot_nomogram(chart, typical_patient(table, model.predictors), {}, outcome)
        assert smallest_text(figure) > 9
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer).padded(-1) for text in figure.axes[0].texts]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(0 <= box.x0 and box.x1 <= figure.bbox.width for box in boxes)
    plt.close(figure)
