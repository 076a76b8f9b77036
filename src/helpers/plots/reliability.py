"""Distribution of the ICC of all features."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.features.names import class_title
from helpers.plots.panels import NARROW
from helpers.plots.style import tell


def icc_figure(table: pd.DataFrame, threshold: float) -> Figure:
    """Histogram of the ICC in each feature class, with the threshold and the share above it."""
    classes = table["feature_class"].unique()
    figure, axes = plt.subplots(-(-len(classes) // 2), 2, figsize=(NARROW, 6.2), sharex=True)
    for ax, name in zip(axes.flat, classes, strict=False):
        values = table.loc[table["feature_class"] == name, "icc"].dropna()
        # Estimates may be negative; below 0 there is nothing to tell apart.
        ax.hist(values.clip(lower=0), bins=np.linspace(0, 1, 21), color="#0072B2")
        ax.axvline(threshold, color="#D55E00", linewidth=1.2)
        ax.set_title(f"{class_title(name)}\n{(values > threshold).mean():.0%} above", fontsize=9)
    for ax in axes.flat[len(classes) :]:
        ax.set_axis_off()
    figure.supxlabel("ICC(2,1); values below 0 drawn at 0", fontsize=9)
    figure.supylabel("Features", fontsize=9)
    above = table["icc"].gt(threshold)
    tell(figure, f"{above.sum()} of {len(table)} features have an ICC above {threshold:.2f}.")
    return figure
