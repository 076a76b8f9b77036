"""AUCs from different sources side by side: the paper's, computed as in the paper, computed strictly."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots.panels import NARROW
from helpers.plots.style import SOURCE_COLOURS, SOURCE_MARKERS, font_families, short_title, tell


def plot_sources(aucs: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """A line for each model and set, a mark for each source, an interval where the source has one.

    Parameters
    ----------
    aucs : DataFrame
        model, cohort, and for each source its AUC in a column of its name; ``<source>_low`` and
        ``<source>_high`` where there are intervals.
    titles : dict of str to str
        What each source is called, by its name in ``SOURCE_COLOURS``. Where all have intervals, each has a
        height of its own in the line.
    """
    models = list(dict.fromkeys(aucs["model"]))
    rows = aucs.sort_values("model", key=lambda names: names.map(models.index), kind="stable")
    figure, axis = plt.subplots(figsize=(NARROW, 1.1 + 0.3 * len(rows) + 0.12 * len(models)))
    # A little room between the models.
    places = np.arange(len(rows)) + 0.4 * rows["model"].map(models.index).to_numpy()
    shown = rows[list(titles)].astype(float)
    if len(titles) > 1 and all(f"{source}_low" in rows for source in titles):
        heights = np.linspace(-0.18, 0.18, len(titles))
    else:
        heights = np.zeros(len(titles))
        axis.hlines(places, shown.min(axis=1), shown.max(axis=1), color="#cccccc", linewidth=3, zorder=1)
    for height, (source, title) in zip(heights, titles.items(), strict=True):
        _draw_source(axis, rows, places + height, source, title)
    labels = [f"{row.model}, {short_title(row.cohort)}" for row in rows.itertuples()]
    axis.set_yticks(places, labels, fontfamily=font_families("".join(labels)))
    axis.set(xlabel="AUC", ylim=(places[-1] + 0.7, -0.7))
    axis.axvline(0.5, color="#999999", linewidth=0.8, zorder=0)
    figure.legend(loc="outside upper center", ncols=len(titles))
    ends = {title: (shown[name].min(), shown[name].max()) for name, title in titles.items()}
    tell(figure, *(f"AUC {title}: {low:.2f} to {high:.2f}." for title, (low, high) in ends.items()))
    return figure


def _draw_source(axis: Axes, rows: pd.DataFrame, places: np.ndarray, source: str, title: str) -> None:
    colour, marker = SOURCE_COLOURS[source], SOURCE_MARKERS[source]
    if f"{source}_low" in rows:
        ends = rows[[f"{source}_low", f"{source}_high"]].astype(float)
        axis.hlines(places, *ends.to_numpy().T, color=colour, linewidth=1, zorder=2)
    axis.plot(rows[source].astype(float), places, marker, color=colour, markersize=6, label=title, zorder=3)


def paper_and_computed(table_5: pd.DataFrame) -> Figure:
    """The paper's and the run's AUC of each model in each set; the run's alone where the paper has none."""
    computed = {"auc": "computed", "ci_low": "computed_low", "ci_high": "computed_high"}
    aucs = table_5.rename(columns=computed | {"paper_auc": "paper"})
    titles = {"computed": "computed here, 95 % CI"}
    if "paper" in aucs and aucs["paper"].notna().any():
        titles = {"paper": "the paper's", **titles}
    return plot_sources(aucs, titles)


def printed_and_computed(aucs: pd.DataFrame) -> Figure:
    """The AUCs of `helpers.paper.comparison.aucs_beside`, the paper's and the run's, with their intervals."""
    return plot_sources(aucs, {"paper": "the paper's, 95 % CI", "computed": "computed here, 95 % CI"})


def both_ways(table: pd.DataFrame, way: str) -> Figure:
    """AUC of each model in each set as it is usually computed, and strictly.

    Parameters
    ----------
    table : DataFrame
        From `helpers.chapters.strict_tables.paper_beside_strict`.
    way : {"paper", "usual"}
        What the usual way is called.
    """
    aucs = table[table["quantity"] == "AUC"]
    aucs = aucs.rename(columns={f"{way}_mode": "computed", "strict_mode": "strict"})
    usual = "as in the paper" if way == "paper" else "as usual"
    return plot_sources(aucs, {"computed": f"computed {usual}", "strict": "strict"})
