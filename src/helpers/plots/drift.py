"""How far a new hospital's features lie from the training set's."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers.frozen.drift import feature_titles
from helpers.plots.panels import NARROW, wrapped_names
from helpers.plots.style import tell


def plot_drift(table: pd.DataFrame, whose: str) -> Figure:
    """Mean and SD of each feature at the new site, in units of the training patients' SD.

    Parameters
    ----------
    table : DataFrame
        As `feature_drift` gives it; rows that drifted are drawn filled and in colour.
    whose : str
        Who was measured, as the title.
    """
    figure, axis = plt.subplots(figsize=(NARROW, 1.4 + 0.36 * len(table)))
    axis.axvspan(-1, 1, color="#0072B2", alpha=0.12, linewidth=0, label="training, mean ± SD")
    axis.axvline(0, color="#0072B2", linewidth=0.8)
    for drifted, rows in table.groupby("drifted"):
        colour, title = ("#D55E00", "new, drifted") if drifted else ("#444444", "new, mean ± SD")
        axis.errorbar(
            rows["shift"], rows.index, xerr=rows["sd_ratio"], fmt="o", color=colour, markersize=5,
            markerfacecolor=colour if drifted else "white", elinewidth=1.2, capsize=2, label=title,
        )  # fmt: skip
    axis.set_yticks(range(len(table)), wrapped_names(feature_titles(table["feature"])))
    axis.set_ylim(len(table) - 0.4, -0.6)
    axis.set(xlabel="Training SDs from the training mean", title=textwrap.fill(whose, 50))
    drifted, furthest = table["drifted"].sum(), table["shift"].abs().max()
    tell(figure, f"{drifted} of {len(table)} drifted, the furthest by {furthest:.1f} training SDs.")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
