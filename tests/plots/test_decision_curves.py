"""Decision curves are drawn set by set."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from reference_values import data, expected

from helpers.evaluation.decision_curves import best_ranges, decision_curves
from helpers.plots.decision_curves import plot_decision_curves

R = expected("decision_curve")
births = data("birthwt_predictions")


@pytest.fixture
def curves():
    frame = pd.DataFrame({"patient_id": births["row"].astype(str), "outcome": births["y"]})
    parts = [
        frame.assign(cohort="internal", model=model, probability=births[column])
        for model, column in (("nomogram", "p_full"), ("clinical", "p_small"))
    ]
    return decision_curves(pd.concat(parts), ["nomogram", "clinical"], R["thresholds"])


def test_figure_has_one_panel_a_set(curves):
    figure = plot_decision_curves(curves, ["clinical", "nomogram"], "nomogram")
    assert len(figure.axes) == 1
    plt.close(figure)


def test_the_alternative_text_tells_where_the_model_is_best(curves):
    figure = plot_decision_curves(curves, ["clinical", "nomogram"], "nomogram")
    longest = best_ranges(curves, "nomogram").query("longest").iloc[0]
    assert f"Internal validation: {longest['low']:.2f} to {longest['high']:.2f}." in figure.get_label()
    plt.close(figure)
