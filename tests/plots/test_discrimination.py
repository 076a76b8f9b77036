"""ROC figures: one panel a set, the AUC in the legend."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up_predictions import two_sets
from sklearn.metrics import roc_auc_score

from helpers.plots.discrimination import plot_differences, plot_p_matrices, plot_roc_panels


@pytest.fixture
def predictions():
    return two_sets()


def test_roc_figure_has_one_panel_a_set_and_auc_in_its_legend(predictions):
    figure = plot_roc_panels(predictions, ["LR"])
    assert len(figure.axes) == 2
    assert figure.axes[1].get_legend().get_texts()[0].get_text().startswith("LR 0.")
    plt.close(figure)


def test_the_alternative_text_tells_the_best_model_of_each_set(predictions):
    both = pd.concat([predictions, predictions.assign(model="RF", probability=0.5)])
    figure = plot_roc_panels(both, ["RF", "LR"])
    for cohort, title in (("training", "Training"), ("external", "External validation")):
        part = predictions[predictions["cohort"] == cohort]
        area = roc_auc_score(part["outcome"], part["probability"])
        assert f"{title}: highest AUC {area:.3f} (" in figure.get_label()
    assert figure.get_label().count(", LR.") == 2
    plt.close(figure)


def test_the_alternative_text_counts_what_differs():
    tests = pd.DataFrame({"cohort": "training", "first": ["A", "A", "B"], "second": ["B", "C", "C"]})
    tests = tests.assign(p_value=[0.01, 0.3, 0.04], difference=[0.2, 0.05, -0.2])
    tests = tests.assign(ci_low=tests["difference"] - 0.1, ci_high=tests["difference"] + 0.1, p_holm=np.nan)
    assert plot_p_matrices(tests, list("ABC")).get_label() == "Training: 2 of 3 P values below 0.05."
    assert plot_differences(tests).get_label() == "Training: 2 of 3 intervals exclude 0."
    plt.close("all")
