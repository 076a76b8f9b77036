"""Figures of many hospitals: forest plots by measure, and the map of their drift."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.frozen.drift import feature_titles
from helpers.plots.forest import plot_forest
from helpers.plots.panels import wrapped_names
from helpers.plots.style import font_families, panel_grid, remark, show_figure, write_svg
from helpers.pooling.estimates import EXTERNAL
from helpers.pooling.registry import Pooled

_LARGEST_SHIFT = 2.0  # training SDs at which the colours end
_BESIDE = 5  # hospitals in one panel


def plot_pooled_forest(measures: pd.DataFrame, summary: pd.DataFrame, model: str, shown: list[str]) -> Figure:
    """A forest plot of each measure in ``shown``; the hospital that made the model has a star, and no weight.

    Parameters
    ----------
    measures, summary : DataFrame
        As `helpers.pooling.estimates.estimates` (or `differences`) and `pooled` give them.
    model : str
    shown : list of str
    """
    starred = "* " + measures["hospital"]
    marked = measures.assign(hospital=measures["hospital"].where(measures["role"] == EXTERNAL, starred))
    hospitals = marked[["hospital"]].drop_duplicates().assign(status="not told")
    return plot_forest(hospitals, marked, summary, model, shown)


def plot_drift_map(drift: pd.DataFrame) -> Figure:
    """Features and predictors by hospital, coloured by how many training SDs the mean has moved.

    Parameters
    ----------
    drift : DataFrame
        As `helpers.pooling.estimates.drift` gives it.
    """
    titles = wrapped_names(feature_titles(pd.Series(drift.index)))
    shown = drift.set_axis(titles, axis=0)
    parts = [shown.iloc[:, first : first + _BESIDE] for first in range(0, drift.shape[1], _BESIDE)]
    figure, axes = panel_grid(len(parts), 1.6 + 0.36 * len(drift))
    for axis, part in zip(axes, parts, strict=True):
        sns.heatmap(
            part,
            ax=axis,
            cmap="PuOr",
            vmin=-_LARGEST_SHIFT,
            vmax=_LARGEST_SHIFT,
            annot=part.map(lambda value: "" if np.isnan(value) else f"{value:.1f}"),
            fmt="",
            annot_kws={"fontsize": 7 if len(parts) > 1 else 8.5},
            cbar=False,  # each shift is printed
            linewidths=0.5,
        )
        names = [textwrap.shorten(name, 24, placeholder="…") for name in part.columns]
        fonts = font_families("".join(names))
        axis.set(xlabel="", ylabel="", title="Shift of the mean (training SDs)")
        axis.set_xticklabels(names, rotation=45, ha="right", fontfamily=fonts)
    return figure


def save_pooled_figure(pooled: Pooled, name: str, figure: Figure) -> None:
    """Write a figure to the pooled folder as SVG and PNG; its corner says whose data, and which pool."""
    remark(figure, f"{pooled.data}, {pooled.id}")
    with pooled.writing_figure(name, "svg") as path:
        write_svg(figure, path)
    with pooled.writing_figure(name, "png") as path:
        figure.savefig(path, format="png", metadata={"Software": None})
    show_figure(name, figure)
