"""Warned patients, and those outside the domain, are marked in the figure, with its limits."""

import matplotlib.pyplot as plt
import pandas as pd

from helpers.plots.domain import LOOKS, plot_domain


def test_every_status_has_a_look_of_its_own_and_the_limits_are_drawn():
    patients = pd.DataFrame(
        {"status": list(LOOKS) * 2, "rad_score": [0.0, 1, -9, 1, 2, 3], "distance": [3.0, 4, 40, 5, 6, 2]}
    )
    figure = plot_domain({"rad_score": {"low": -6.0, "high": 6.0}, "distance": 10.0}, patients)
    axis = figure.axes[0]
    drawn = {one.get_label(): one for one in axis.collections}
    assert set(drawn) == set(LOOKS) and all(len(one.get_offsets()) == 2 for one in drawn.values())
    corner, domain = axis.patches[0].get_xy(), axis.patches[0]
    assert corner[0] == -6 and domain.get_width() == 12 and corner[1] + domain.get_height() == 10
    assert corner[1] < 2 and axis.get_ylim()[1] > 40
    assert [label.get_text() for label in axis.get_yticklabels()] == ["2", "3", "5", "10", "20", "30"]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"domain", *LOOKS}
    plt.close(figure)
