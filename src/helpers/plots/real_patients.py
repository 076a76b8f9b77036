"""Figure of the real patients: what a model promises, and what it keeps, hospital by hospital."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_LOOKS = {
    "apparent": ("apparent, on the others", "o", "#E69F00"),
    "beforehand": ("corrected beforehand", "D", "#009E73"),
    "left_out": ("in the hospital left out", "s", "#0072B2"),
}


def plot_three_aucs(aucs: pd.DataFrame, virtual: pd.DataFrame) -> Figure:
    """Draw a panel for each model, a line for each hospital, and its AUC in three ways.

    Parameters
    ----------
    aucs : DataFrame
        As `helpers.chapters.real_patients.three_aucs` gives it; the hospital left out has its 95 % interval,
        and a hollow square where it has fewer than ten of a class.
    virtual : DataFrame
        Rows of the virtual cohort, last in their panel; or none.
    """
    models = list(dict.fromkeys(aucs["model"]))
    shown = pd.concat([one for one in (aucs, virtual) if len(one)])
    lines = [shown.loc[shown["model"] == model, "hospital"].nunique() for model in models]
    figure, axes = plt.subplots(
        len(models),
        1,
        figsize=(6.4, 1.2 + 0.3 * sum(lines) + 0.35 * len(lines)),
        sharex=True,
        squeeze=False,
        height_ratios=lines,
    )
    for axis, model in zip(axes[:, 0], models, strict=True):
        axis.axvline(0.5, color="#999999", linewidth=0.8)
        _draw(axis, shown[shown["model"] == model])
        axis.set_title(model)
    axes[-1, 0].set(xlim=(0.25, 1.02), xlabel="AUC")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _draw(axis: Axes, rows: pd.DataFrame) -> None:
    places, seen = range(len(rows)), rows[list(_LOOKS)]
    axis.hlines(places, seen.min(axis=1), seen.max(axis=1), color="#cccccc", linewidth=3, zorder=1)
    left_out = rows[["left_out", "left_out_low", "left_out_high"]].to_numpy(float)
    spread = np.abs(left_out[:, 1:] - left_out[:, :1]).T
    axis.errorbar(left_out[:, 0], places, xerr=spread, fmt="none", color=_LOOKS["left_out"][2], capsize=2)
    for name, (label, marker, colour) in _LOOKS.items():
        axis.plot(rows[name], places, marker, color=colour, label=label, markersize=5.5)
    few = np.flatnonzero(rows["status"] == "small")
    axis.plot(
        left_out[few, 0], few, "s", color=_LOOKS["left_out"][2], markerfacecolor="white", markersize=5.5
    )
    axis.set_yticks(places, rows["hospital"])
    axis.set_ylim(len(rows) - 0.5, -0.5)
