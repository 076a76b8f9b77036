"""The forest plot shows the numbers of its tables, on their scales, and hides no hospital."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from screens import smallest_text

from helpers.evaluation.by_hospital import judged, summaries, with_weights
from helpers.plots.forest import SHOWN, plot_forest
from helpers.plots.style import STYLE

NAMES = ["Hospital A", "The second hospital, which has a long name", "医院", "D"]


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(2)
    parts = []
    for name in NAMES[:3]:
        p = expit(rng.normal(-0.3, 1, 120))
        part = judged((rng.uniform(size=120) < p).astype(int), p).reset_index()
        parts.append(part.assign(hospital=name, model="nomogram"))
    measures = with_weights(pd.concat(parts, ignore_index=True))
    status = ["judged", "small", "judged", "one class"]
    return pd.DataFrame({"hospital": NAMES, "status": status}), measures, summaries(measures)


def drawn(*tables):
    with plt.style.context(["default", STYLE]):  # whatever tests before have set
        figure = plot_forest(*tables, "nomogram")
        figure.canvas.draw()
    return figure


def labels_of(axis):
    """Names, and the numbers below them."""
    lines = [label.get_text().split("\n") for label in axis.get_yticklabels()]
    return [line[0] for line in lines], [" ".join(line[1:]) for line in lines]


def test_every_hospital_the_summary_and_the_prediction_interval_have_their_numbers(tables):
    hospitals, measures, summary = tables
    figure = drawn(*tables)
    for axis, measure in zip(figure.axes, SHOWN, strict=True):
        names, shown = labels_of(axis)
        assert names == [NAMES[0], "The second hospital,…", *NAMES[2:], "Summary", "Prediction interval"]
        for number, row in enumerate(measures[measures["measure"] == measure].itertuples()):
            interval = f"{row.estimate:.2f} ({row.low:.2f} to\xa0{row.high:.2f})"
            assert shown[number] == f"{interval}, {row.weight:.0f} %"
        total = summary[summary["measure"] == measure].iloc[0]
        assert shown[-1].startswith(f"{total.pi_low:.2f} to\xa0{total.pi_high:.2f}")
        assert shown[3] == "one outcome only"
    plt.close(figure)


def test_the_auc_lies_on_the_scale_of_log_odds_and_is_labelled_as_auc(tables):
    axis = drawn(*tables).axes[0]
    ticks = [float(label.get_text()) for label in axis.get_xticklabels()]
    assert expit(axis.get_xticks()) == pytest.approx(ticks)
    squares = [float(expit(points.get_offsets()[0, 0])) for points in axis.collections]
    estimates = tables[1].query("measure == 'auc'")["estimate"]
    assert squares == pytest.approx(estimates.tolist())
    plt.close("all")


def test_two_hospitals_have_no_summary(tables):
    hospitals, measures, _ = tables
    few = with_weights(measures[measures["hospital"].isin(NAMES[:2])].drop(columns="weight"))
    axis = drawn(hospitals[:2], few, summaries(few)).axes[0]
    assert axis.get_yticklabels()[-1].get_text() == "No summary:\nfewer than three hospitals"
    plt.close("all")


def test_nothing_is_cut_off_and_words_are_readable_on_a_page(tables):
    """No text beyond the figure, none smaller than 9 pixels on a page or a phone."""
    with plt.style.context(["default", STYLE]):  # ticks are chosen anew whenever they are looked at
        figure = drawn(*tables)
        drawn_words = figure.get_tightbbox(figure.canvas.get_renderer())  # no tick that its axis leaves out
    width, height = figure.get_size_inches()
    assert drawn_words.x0 > -0.01 and drawn_words.x1 < width + 0.01
    assert drawn_words.y0 > -0.01 and drawn_words.y1 < height + 0.01
    assert smallest_text(figure) > 9
    plt.close(figure)
