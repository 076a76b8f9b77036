"""The nomogram's drawing names its axes and marks a made-up patient."""

import matplotlib.pyplot as plt
import pytest
from reference_values import birthwt

from helpers.learning.logistic import fit_logistic
from helpers.learning.nomogram import Nomogram, typical_patient
from helpers.plots.nomogram import plot_nomogram

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


def test_a_long_outcome_stays_beside_its_line(births):
    table, model, chart = births
    figure = plot_nomogram(chart, typical_patient(table, model.predictors), {}, "death within three years")
    figure.canvas.draw()
    title = next(text for text in figure.axes[0].texts if text.get_text().startswith("Risk of death"))
    start = figure.axes[0].transData.transform((0, 0))[0]
    assert title.get_window_extent().x1 < start
    plt.close(figure)
