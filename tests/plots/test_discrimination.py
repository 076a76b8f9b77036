"""ROC figures: one panel a set, the AUC in the legend."""

import matplotlib.pyplot as plt
import pytest
from made_up_predictions import two_sets

from helpers.plots.discrimination import plot_roc_panels


@pytest.fixture
def predictions():
    return two_sets()


def test_roc_figure_has_one_panel_a_set_and_auc_in_its_legend(predictions):
    figure = plot_roc_panels(predictions, ["LR"])
    assert len(figure.axes) == 2
    assert figure.axes[1].get_legend().get_texts()[0].get_text().startswith("LR 0.")
    plt.close(figure)
