"""Figure of the real patients: what a model promises, and what it keeps, hospital by hospital."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots.panels import NARROW
from helpers.plots.style import SOURCE_COLOURS, SOURCE_MARKERS, tell

# The colour says who the patients are, the mark how they were judged.
_LOOKS = {
    "apparent": ("apparent, on the others", "o"),
    "beforehand": ("corrected beforehand", "D"),
    "left_out": ("in the hospital left out", SOURCE_MARKERS["real"]),
}
_HOLLOW = "apparent"


def plot_three_aucs(aucs: pd.DataFrame, virtual: pd.DataFrame) -> Figure:
    """Draw a panel for each model, a line for each hospital, and its AUC in three ways.

    Parameters
    ----------
    aucs : DataFrame
        As `helpers.chapters.real_patients.three_aucs` gives it; the hospital left out has its 95 % interval,
        and a hollow mark where it has fewer than ten of a class.
    virtual : DataFrame
        Rows of the virtual cohort, last in their panel; or none.
    """
    models = list(dict.fromkeys(aucs["model"]))
    sources = {"real": aucs, "computed": virtual}
    shown = pd.concat([one.assign(source=name) for name, one in sources.items() if len(one)])
    lines = [shown.loc[shown["model"] == model, "hospital"].nunique() for model in models]
    figure, axes = plt.subplots(
        len(models),
        1,
        figsize=(NARROW, 1.5 + 0.3 * sum(lines) + 0.35 * len(lines)),
        sharex=True,
        squeeze=False,
        height_ratios=lines,
    )
    for axis, model in zip(axes[:, 0], models, strict=True):
        axis.axvline(0.5, color="#999999", linewidth=0.8)
        _draw(axis, shown[shown["model"] == model])
        axis.set_title(model)
    axes[-1, 0].set(xlim=(0.25, 1.02), xlabel="AUC")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    own = aucs[aucs["model"] == models[0]]
    ends = {label: (own[name].min(), own[name].max()) for name, (label, _) in _LOOKS.items()}
    tell(figure, f"AUC, {models[0]}:", *(f"{label} {a:.2f} to {b:.2f}." for label, (a, b) in ends.items()))
    return figure


def _draw(axis: Axes, rows: pd.DataFrame) -> None:
    seen = rows[list(_LOOKS)]
    places = np.arange(len(rows))
    axis.hlines(places, seen.min(axis=1), seen.max(axis=1), color="#cccccc", linewidth=3, zorder=1)
    for place, row in enumerate(rows.itertuples()):
        colour = SOURCE_COLOURS[row.source]
        axis.hlines(place, row.left_out_low, row.left_out_high, color=colour, linewidth=1)
        for name, (label, marker) in _LOOKS.items():
            hollow = name == _HOLLOW or (name == "left_out" and row.status == "small")
            style = {"markersize": 5.5, "color": colour, "markerfacecolor": "white" if hollow else colour}
            axis.plot(getattr(row, name), place, marker, label="" if place else label, **style)
    axis.set_yticks(places, rows["hospital"])
    axis.set_ylim(len(rows) - 0.5, -0.5)
