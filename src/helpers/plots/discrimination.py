"""ROC curves, and differences between AUCs by DeLong's method (paper Figures 4 and 6)."""

from __future__ import annotations

from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from helpers.evaluation.cutoffs import roc_points
from helpers.evaluation.delong import delong_auc, p_matrix
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.plots.panels import let_read
from helpers.plots.style import MODEL_COLOURS, cohort_colours, cohort_panels, head_panel, tell
from helpers.plots.tables import starred_p
from helpers.study.cohorts import cohort_title, is_one_of_several


def plot_roc_panels(predictions: pd.DataFrame, models: list[str]) -> Figure:
    """Draw one ROC panel a set (paper Figures 4 and 6), AUC and DeLong interval in the legend.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    models : list of str
        Models in the order of the legend.
    """
    cohorts = present_cohorts(predictions)
    long_titles = 0.5 if any(map(is_one_of_several, cohorts)) else 0
    figure, axes = cohort_panels(cohorts, 4.0 + 0.19 * len(models) + long_titles)
    found = []
    for letter, axis, cohort in zip(ascii_lowercase, axes, cohorts, strict=False):
        wide = probabilities_wide(predictions, cohort, models)
        axis.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle=(0, (4, 3)))
        areas = {model: delong_auc(wide["outcome"], wide[model]) for model in models}
        best = max(models, key=lambda model: areas[model].auc)
        found.append(f"{cohort_title(cohort)}: highest AUC {areas[best]}, {best}.")
        for model in models:
            points = roc_points(wide["outcome"], wide[model])
            label = f"{model} {areas[model]}"
            x, y = 1 - points["specificity"], points["sensitivity"]
            axis.plot(x, y, color=MODEL_COLOURS[model], label=label)
        axis.set(xlabel="1 - specificity", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        let_read(axis)
        head_panel(axis, cohort, f"({letter}) ", f", n = {len(wide)}")
        # Below the axes: a legend inside would hide the low curves.
        axis.legend(title="AUC (95 % CI)", loc="upper center", bbox_to_anchor=(0.5, -0.17), title_fontsize=9)
        axis.set_ylabel("Sensitivity")
    tell(figure, *found)
    return figure


def plot_p_matrices(tests: pd.DataFrame, models: list[str]) -> Figure:
    """Draw one heat map of DeLong P values a set; P < 0.05 stands in bold with an asterisk."""
    cohorts = present_cohorts(tests)
    figure, axes = cohort_panels(cohorts, 3.5)
    for axis, cohort in zip(axes, cohorts, strict=True):
        _draw_p_matrix(axis, p_matrix(tests, cohort, models))
    small = tests["p_value"].lt(0.05).groupby(tests["cohort"]).agg(["sum", "size"])
    counts = [(cohort_title(name), *small.loc[name]) for name in cohorts]
    tell(figure, *(f"{title}: {few} of {pairs} P values below 0.05." for title, few, pairs in counts))
    return figure


def plot_differences(tests: pd.DataFrame) -> Figure:
    """Draw the difference of AUC of every pair with its 95 % interval, one panel a set."""
    cohorts = present_cohorts(tests)
    pairs = tests["first"] + "\n- " + tests["second"]
    names, colours = list(dict.fromkeys(pairs)), cohort_colours(cohorts)
    figure, axes = cohort_panels(cohorts, 1.1 + 0.36 * len(names), sharex=True, sharey=True)
    for axis, cohort in zip(axes, cohorts, strict=True):
        part = tests[tests["cohort"] == cohort]
        rows = pairs[part.index].map(names.index)
        half = part["ci_high"] - part["difference"]
        axis.axvline(0, color="#999999", linewidth=0.8)
        axis.errorbar(part["difference"], rows, xerr=half, fmt="o", color=colours[cohort], capsize=3)
        axis.set_xlabel("Difference of AUC (95 % CI)")
    axes[0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    apart = (tests["ci_low"] > 0) | (tests["ci_high"] < 0)
    counts = [(cohort_title(name), apart[tests["cohort"] == name]) for name in cohorts]
    tell(figure, *(f"{title}: {rows.sum()} of {len(rows)} intervals exclude 0." for title, rows in counts))
    return figure


def _draw_p_matrix(axis: plt.Axes, matrix: pd.DataFrame) -> None:
    values = matrix.to_numpy()
    off_diagonal = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    # Square root of P: the small values, which matter, get most of the colour scale.
    colours = plt.get_cmap("cividis_r").with_extremes(bad="#eeeeee")
    axis.imshow(off_diagonal, cmap=colours, norm=PowerNorm(0.5, 0, 1))
    for (row, column), p in np.ndenumerate(off_diagonal):
        if row != column:
            dark = np.isfinite(p) and p > 0.3
            axis.text(
                column, row, starred_p(p), ha="center", va="center", fontsize=7,
                color="white" if dark else "black", weight="bold" if p < 0.05 else "normal",
            )  # fmt: skip
    axis.set_xticks(range(len(matrix)), matrix.columns, rotation=45, ha="right")
    axis.set_yticks(range(len(matrix)), matrix.index)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
