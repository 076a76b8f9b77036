"""Figures of the strict validation: stability, permuted labels, bands, subgroups, muscle."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import SimpleITK as sitk
from matplotlib.figure import Figure

from helpers.evaluation.bootstrap import BootstrapPerformance, calibration_band, net_benefit_band
from helpers.evaluation.calibration import calibration_curve
from helpers.evaluation.decision_curves import net_benefit, treat_all
from helpers.evaluation.performance import THRESHOLDS, Resampled
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.features.names import readable_name
from helpers.imaging.sources import Scan
from helpers.plots.panels import NARROW, wrapped_names
from helpers.plots.style import (
    MODEL_COLOURS,
    SOURCE_COLOURS,
    SOURCE_MARKERS,
    cohort_colours,
    cohort_panels,
    head_panel,
    legend_beside,
    panel_grid,
    stacked_panels,
    tell,
)

_MOST_FREQUENT = 20  # features shown
LEAKY = {"leaky_lr": "leaky, logistic regression", "leaky_rf": "leaky, random forest"}


def plot_stability(frequency: pd.Series) -> Figure:
    """Bar chart of how often the whole selection, repeated, chooses each feature."""
    top = frequency.head(_MOST_FREQUENT)[::-1]
    figure, axis = plt.subplots(figsize=(NARROW, 0.7 + 0.36 * len(top)))
    axis.barh(wrapped_names(map(readable_name, top.index), 30), 100 * top, color=SOURCE_COLOURS["strict"])
    axis.set(xlabel="Chosen in % of bootstrap resamples", xlim=(0, 100), ylim=(-0.7, len(top) - 0.3))
    often = (frequency > 0.5).sum()
    tell(figure, f"{often} features are chosen in more than half of the resamples.")
    return figure


def plot_permuted(table: pd.DataFrame) -> Figure:
    """AUC with permuted labels: strict with its interval, and leaky, one column a permutation."""
    figure, axis = plt.subplots(figsize=(NARROW, 3.4))
    x = np.arange(1, len(table) + 1)
    spread = [table["strict"] - table["ci_low"], table["ci_high"] - table["strict"]]
    axis.axhline(0.5, color="#999999", linewidth=0.9)
    style = {"fmt": SOURCE_MARKERS["strict"], "color": SOURCE_COLOURS["strict"], "capsize": 3}
    axis.errorbar(x, table["strict"], yerr=spread, label="strict, nested", **style)
    for (name, label), colour in zip(LEAKY.items(), ("#E69F00", "#D55E00"), strict=True):
        axis.plot(x, table[name], "o" if name == "leaky_lr" else "^", color=colour, label=label)
    axis.set(xlabel="Permutation of the labels", ylabel="Cross-validated AUC", ylim=(0.25, 1.02), xticks=x)
    figure.legend(loc="outside upper center", ncols=2)
    means = {"strict": "strict", **LEAKY}
    found = [f"{label} {table[name].mean():.2f}." for name, label in means.items()]
    tell(figure, "Mean AUC without any signal:", *found)
    return figure


def plot_bands(
    predictions: pd.DataFrame, model: str, resampled: Mapping[str, Resampled], curves: int
) -> Figure:
    """Calibration and decision curves of one model with 95 % bootstrap bands, one column a set.

    A single set has its two panels side by side.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    model : str
    resampled : mapping of str to Resampled
        By set.
    curves : int
        Of how many resamples the calibration curve is smoothed (each takes a millisecond).
    """
    single = len(resampled) == 1
    if single:
        figure, axes = panel_grid(2, 3.4)
        axes = np.array(axes).reshape(2, 1)
    else:
        figure, axes = stacked_panels(list(resampled), 5.8)
    for column, (cohort, drawn) in enumerate(resampled.items()):
        wide = probabilities_wide(predictions, cohort, [model])
        y, p = wide["outcome"].to_numpy(), wide[model].to_numpy()
        top, bottom = axes[:, column]
        _draw_calibration(top, y, p, drawn.weights[:curves], MODEL_COLOURS[model])
        _draw_decision(bottom, y, p, drawn.performance, MODEL_COLOURS[model])
        head_panel(top, cohort, after=f", n = {len(y)}")
        top.set_ylabel("Observed frequency")
        bottom.set_ylabel("Net benefit")
    legend_beside(figure, *axes[1, 0].get_legend_handles_labels(), axes.shape[1])
    return figure


def _draw_calibration(axis: plt.Axes, y: np.ndarray, p: np.ndarray, weights: np.ndarray, colour: str) -> None:
    grid = np.linspace(p.min(), p.max(), 60)
    low, high = calibration_band(y, p, weights, grid)
    axis.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle=(0, (4, 3)))
    axis.fill_between(grid, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.plot(grid, np.clip(calibration_curve(y, p, grid), 0, 1), color=colour)
    axis.set(xlabel="Predicted risk", xlim=(0, 1), ylim=(0, 1))


def _draw_decision(
    axis: plt.Axes, y: np.ndarray, p: np.ndarray, performance: BootstrapPerformance, colour: str
) -> None:
    low, high = net_benefit_band(performance)
    everybody, benefit = treat_all(y, THRESHOLDS), net_benefit(y, p, THRESHOLDS)
    axis.fill_between(THRESHOLDS, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.plot(THRESHOLDS, benefit, color=colour, label="model")
    axis.plot(THRESHOLDS, everybody, color="#444444", linestyle=(0, (4, 2)), label="treat all")
    axis.axhline(0, color="black", linestyle=(0, (1, 1.5)), label="treat none")
    top = max(benefit.max(), everybody.max())
    axis.set(xlabel="Threshold probability", xlim=(0, 1), ylim=(-0.25 * top, 1.15 * top))


def plot_subgroups(table: pd.DataFrame) -> Figure:
    """Forest plot of `subgroup_table`: AUC with interval, hollow where a class is small; one panel a set."""
    cohorts = present_cohorts(table)
    labels = list(dict.fromkeys(table["characteristic"] + ": " + table["group"]))
    figure, axes = cohort_panels(cohorts, 0.9 + 0.3 * len(labels), sharey=True)
    colours = cohort_colours(cohorts)
    for axis, cohort in zip(axes, cohorts, strict=True):
        part = table[(table["cohort"] == cohort) & table["auc"].notna()]
        for row in part.itertuples():
            place = labels.index(f"{row.characteristic}: {row.group}")
            spread = np.clip([[row.auc - row.ci_low], [row.ci_high - row.auc]], 0, None)
            fill = "white" if row.remark else colours[cohort]
            axis.errorbar(
                row.auc,
                place,
                xerr=spread,
                fmt="o",
                color=colours[cohort],
                markerfacecolor=fill,
                capsize=2,
            )
        axis.axvline(0.5, color="#999999", linewidth=0.8)
        axis.set(xlim=(0.3, 1.02), xlabel="AUC (95 % CI)")
    axes[0].set_yticks(range(len(labels)), wrapped_names(labels))
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure


def plot_muscle(bone: Scan, muscle: Scan) -> Figure:
    """Each region on the slice that shows most of it: the vertebra's as drawn, and the moved one."""
    figure, axes = plt.subplots(1, 2, figsize=(NARROW, 2.5))
    for axis, scan, title in zip(axes, (bone, muscle), ("Vertebra, as drawn", "Muscle, moved"), strict=True):
        inside = sitk.GetArrayFromImage(scan.mask) > 0
        level = int(inside.sum(axis=(1, 2)).argmax())
        axis.imshow(sitk.GetArrayViewFromImage(scan.image)[level], cmap="gray", vmin=-150, vmax=350)
        axis.contour(inside[level], levels=[0.5], colors=["#E69F00"], linewidths=1.2)
        axis.set_title(title)
        axis.set_axis_off()
    return figure
