"""The paper's AUCs beside those of a run (chapter 13)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.panels import NARROW
from helpers.plots.style import cohort_colours
from helpers.study.cohorts import cohort_title

PAPER_COLOUR = "#bbbbbb"


def plot_aucs_beside(aucs: pd.DataFrame) -> Figure:
    """Draw a line for each model and set: the paper's 95 % interval as a bar, the computed one as a dot.

    Parameters
    ----------
    aucs : DataFrame
        As `helpers.paper.comparison.aucs_beside` gives it.
    """
    figure, axis = plt.subplots(figsize=(NARROW, 1.1 + 0.32 * len(aucs)))
    colours, places = cohort_colours(list(aucs["cohort"].unique())), np.arange(len(aucs))
    width = aucs["printed_high"] - aucs["printed_low"]
    axis.barh(places, width, 0.55, aucs["printed_low"], color=PAPER_COLOUR, label="paper, with 95 % interval")
    axis.plot(aucs["printed"], places, "|", color="black", markersize=11)
    for place, row in zip(places, aucs.itertuples(), strict=True):
        colour = colours.get(row.cohort, "black")
        axis.hlines(place, row.computed_low, row.computed_high, color=colour, linewidth=1.6)
        axis.plot(row.computed, place, "o", color=colour, label="computed here, with 95 % interval")
    labels = [f"{cohort_title(row.cohort)}: {row.model}" for row in aucs.itertuples()]
    axis.set_yticks(places, labels)
    axis.set(ylim=(len(aucs) - 0.5, -0.5), xlabel="AUC")
    handles, names = axis.get_legend_handles_labels()
    unique = dict(zip(names, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper center")
    return figure
