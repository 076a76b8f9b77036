"""Decision curves (paper Figure 8)."""

from __future__ import annotations

from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.evaluation.decision_curves import TREAT_ALL, TREAT_NONE, best_ranges
from helpers.evaluation.predictions import present_cohorts
from helpers.plots.panels import let_read
from helpers.plots.style import MODEL_COLOURS, cohort_panels, head_panel, legend_beside, tell
from helpers.study.cohorts import cohort_title


def plot_decision_curves(curves: pd.DataFrame, models: list[str], main: str) -> Figure:
    """Draw one panel a set (paper Figure 8); shaded where ``main`` has the highest net benefit of all.

    Parameters
    ----------
    curves : DataFrame
        As `decision_curves` gives it.
    models : list of str
        Models in the order of the legend.
    main : str
        The model whose ranges are shaded.
    """
    cohorts = present_cohorts(curves)
    ranges = best_ranges(curves, main)
    figure, axes = cohort_panels(cohorts, 3.2, sharey=True)
    half_step = np.diff(np.unique(curves["threshold"])).min() / 2
    for letter, axis, cohort in zip(ascii_lowercase, axes, cohorts, strict=False):
        part = curves[curves["cohort"] == cohort]
        for strategy in [TREAT_ALL, TREAT_NONE, *models]:
            _draw_strategy(axis, part[part["strategy"] == strategy], strategy, bold=strategy == main)
        for run in ranges[ranges["cohort"] == cohort].itertuples():
            low, high = run.low - half_step, run.high + half_step
            axis.axvspan(low, high, color=MODEL_COLOURS[main], alpha=0.08, linewidth=0)
        let_read(axis)
        head_panel(axis, cohort, f"({letter}) ")
        axis.set(xlabel="Threshold probability", ylabel="Net benefit", xlim=(0, 1))
    top = curves.groupby("cohort")["net_benefit"].max().max()
    # Below that, the curves only say how bad treating everybody is.
    axes[0].set_ylim(-0.25 * top, 1.08 * top)
    longest = ranges[ranges["longest"]].itertuples()
    best = [f"{cohort_title(row.cohort)}: {row.low:.2f} to {row.high:.2f}." for row in longest]
    tell(figure, f"Thresholds at which the {main} is best:", *(best or ["none."]))
    legend_beside(figure, *axes[0].get_legend_handles_labels(), len(cohorts))
    return figure


def _draw_strategy(axis: plt.Axes, part: pd.DataFrame, strategy: str, bold: bool) -> None:
    colours = {TREAT_ALL: "#444444", TREAT_NONE: "#000000"} | MODEL_COLOURS
    dashes = {TREAT_ALL: (0, (4, 2)), TREAT_NONE: (0, (1, 1.5))}
    width, layer = (2.2, 4) if bold else (1.3, 3)
    style = {"color": colours.get(strategy), "linestyle": dashes.get(strategy, "-"), "label": strategy}
    axis.plot(part["threshold"], part["net_benefit"], linewidth=width, zorder=layer, **style)
