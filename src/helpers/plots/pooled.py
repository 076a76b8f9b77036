"""Figures of many hospitals: forest plots by measure, and the map of their drift."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.frozen.drift import feature_titles
from helpers.plots.forest import plot_forest
from helpers.plots.style import font_families
from helpers.pooling.estimates import EXTERNAL
from helpers.pooling.registry import Pooled

_LARGEST_SHIFT = 2.0  # training SDs at which the colours end


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
    rows, columns = drift.shape
    figure, axis = plt.subplots(figsize=(min(3.5 + 0.6 * columns, 9), 1.4 + 0.3 * rows))
    titles = feature_titles(pd.Series(drift.index))
    shown = drift.set_axis(titles, axis=0)
    words = shown.map(lambda value: "" if np.isnan(value) else f"{value:.1f}") if columns <= 12 else False
    sns.heatmap(
        shown,
        ax=axis,
        cmap="PuOr",
        vmin=-_LARGEST_SHIFT,
        vmax=_LARGEST_SHIFT,
        annot=words,
        fmt="",
        annot_kws={"fontsize": 7},
        cbar_kws={"label": "shift of the mean (training SDs)"},
        linewidths=0.5,
    )
    axis.set(xlabel="", ylabel="")
    axis.set_xticklabels(
        axis.get_xticklabels(), rotation=45, ha="right", fontfamily=font_families("".join(drift.columns))
    )
    return figure


def save_pooled_figure(pooled: Pooled, name: str, figure: Figure) -> None:
    """Write a figure to the pooled folder as SVG and PNG; its corner says whose data, and which pool."""
    layout = figure.get_layout_engine()
    if layout is not None:  # a strip at the bottom stays free of labels
        layout.set(rect=(0, 0.03, 1, 0.97))
    remark = f"{pooled.data}, pool {pooled.id}"
    figure.text(0.995, 0.002, remark, ha="right", va="bottom", fontsize=7, color="#777777")
    with pooled.writing_figure(name, "svg") as path:
        figure.savefig(path, format="svg", metadata={"Date": None})
    with pooled.writing_figure(name, "png") as path:
        figure.savefig(path, format="png", metadata={"Software": None})
