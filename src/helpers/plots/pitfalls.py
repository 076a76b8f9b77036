"""Figures of the pitfalls."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.panels import NARROW
from helpers.plots.style import tell

REMARK = {"loc": "right", "fontsize": 8.5, "color": "#666666"}


def plot_ways(table: pd.DataFrame, titles: Mapping[str, str], truth: float) -> Figure:
    """AUC of each simulated study in two ways, a dot each, with their means and the ``truth`` dashed."""
    figure, axis = plt.subplots(figsize=(NARROW, 2.4))
    for place, (name, title) in enumerate(titles.items()):
        # Spread in the order of simulation, so that the same studies give the same picture.
        height = place + np.linspace(-0.25, 0.25, len(table))
        axis.plot(table[name], height, "o", markersize=4, alpha=0.6, color=f"C{place}", label=title)
        axis.plot([table[name].mean()] * 2, [place - 0.38, place + 0.38], color="black", linewidth=2)
    axis.axvline(truth, color="black", linestyle="--", linewidth=1)
    axis.set(yticks=range(len(titles)), yticklabels=titles.values(), xlabel="AUC by cross-validation")
    axis.set(ylim=(len(titles) - 0.5, -0.5), xlim=(min(0.3, table.min().min() - 0.02), 1.0))
    axis.set_title("simulated numbers", **REMARK)
    tell(figure, *(f"Mean AUC {title} {table[name].mean():.2f}." for name, title in titles.items()))
    return figure


def plot_curves(
    table: pd.DataFrame, x: str, titles: Mapping[str, str], labels: tuple[str, str], truth: float | None
) -> Figure:
    """Columns of ``table`` against its column ``x``, with axis ``labels``; the ``truth`` dashed."""
    figure, axis = plt.subplots(figsize=(NARROW, 3.4))
    for (name, title), marker in zip(titles.items(), "osD^", strict=False):
        axis.plot(table[x], table[name], marker=marker, label=title)
    if truth is not None:
        axis.axhline(truth, color="black", linestyle="--", linewidth=1, label="true value")
    axis.set(xlabel=labels[0], ylabel=labels[1], xticks=table[x])
    axis.set_title("simulated numbers", **REMARK)
    figure.legend(loc="outside upper center", ncols=2)
    ends = {title: table[name].iloc[[0, -1]] for name, title in titles.items()}
    tell(figure, *(f"{title}: from {first:.2f} to {last:.2f}." for title, (first, last) in ends.items()))
    return figure
