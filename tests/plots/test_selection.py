"""The same scores make the same picture, and drawing it moves no other random numbers."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.plots.selection import plot_rad_score


def test_the_same_scores_are_drawn_the_same_way_and_other_draws_are_left_alone():
    rng = np.random.default_rng(1)
    scores = pd.DataFrame({"cohort": "training", "outcome": [0, 1] * 20, "rad_score": rng.normal(size=40)})
    pictures = []
    for state in (7, 8):
        np.random.seed(state)
        figure, picture = plot_rad_score(scores, {0: "No", 1: "Yes"}), io.BytesIO()
        assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["No", "Yes"]
        after = np.random.uniform()
        np.random.seed(state)
        assert after == np.random.uniform()
        figure.savefig(picture, format="png")
        plt.close(figure)
        pictures.append(picture.getvalue())
    assert pictures[0] == pictures[1]
