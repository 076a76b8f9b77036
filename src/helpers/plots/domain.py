"""Where new patients lie in a frozen model's domain."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers.frozen.verdicts import OUTSIDE, SCORED, WARNED
from helpers.plots.panels import NARROW

TICKS = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000]
LOOKS = {
    SCORED: {"marker": "o", "color": "#0072B2", "s": 22},
    WARNED: {"marker": "o", "facecolors": "white", "edgecolors": "#D55E00", "s": 34, "linewidths": 1.4},
    OUTSIDE: {"marker": "X", "color": "#000000", "s": 46},
}


def plot_domain(domain: Mapping, patients: pd.DataFrame) -> Figure:
    """Each patient's Rad-score and distance from the training patients, and the limits of the domain.

    Parameters
    ----------
    domain : mapping
        As `helpers.frozen.domain.domain_summary` gives it.
    patients : DataFrame
        status, rad_score and distance of everyone measured.
    """
    figure, axis = plt.subplots(figsize=(NARROW, 3.6))
    low, high = domain["rad_score"]["low"], domain["rad_score"]["high"]
    nearest = min(patients["distance"].min(), domain["distance"]) / 1.5
    corner, size = (low, nearest), (high - low, domain["distance"] - nearest)
    axis.add_patch(plt.Rectangle(corner, *size, color="#0072B2", alpha=0.12, linewidth=0, label="domain"))
    for status, look in LOOKS.items():
        rows = patients[patients["status"] == status]
        if len(rows):
            axis.scatter(rows["rad_score"], rows["distance"], label=status, zorder=3, **look)
    # An image in other units lies ten times as far as anybody else.
    axis.set(xlabel="Rad-score", ylabel="Distance from the training patients", yscale="log")
    axis.autoscale_view()
    axis.set_ylim(bottom=nearest)
    axis.minorticks_off()
    low, high = axis.get_ylim()
    axis.set_yticks(ticks := [tick for tick in TICKS if low <= tick <= high], map("{:g}".format, ticks))
    figure.legend(loc="outside lower center", ncols=2)
    return figure
