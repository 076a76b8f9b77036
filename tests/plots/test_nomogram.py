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


def test_a_long_outcome_is_no_wider_than_the_papers(births):
    table, model, chart = births
    figure = plot_nomogram(chart, typical_patient(table, model.predictors), {}, "death within three years")
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert "Risk of death within\nthree years" in titles and "Total points" in titles
    plt.close(figure)
