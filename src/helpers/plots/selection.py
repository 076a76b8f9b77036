"""Figures of the selection chapter: the paper's Figure 3, and the Rad-score by outcome and set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.features.names import readable_name
from helpers.learning.lasso import LassoCv, LassoPath
from helpers.learning.selection import Selection
from helpers.plots.panels import WIDE, wrapped_names
from helpers.plots.style import OUTCOME_COLOURS, font_families, fonts_of, short_title, tell
from helpers.study.cohorts import cohort_title, ordered_cohorts

KEPT, LEFT = "#0072B2", "#bbbbbb"
RAISES, LOWERS = OUTCOME_COLOURS[1], OUTCOME_COLOURS[0]
# As many features as the paper's panel d shows.
MOST_FREQUENT = 25
PANELS = {
    "loss": "Cross-validation",
    "paths": "Coefficient paths",
    "coefficients": "Coefficients",
    "frequency": "Kept in resamples",
}


def plot_selection(selection: Selection, frequency: pd.Series) -> Figure:
    """Draw the paper's Figure 3: cross-validation, paths, coefficients, selection frequency.

    Parameters
    ----------
    selection : Selection
    frequency : Series
        Of each LASSO candidate, as ``selection.selection_frequency`` gives it.
    """
    bars = max(len(selection.coefficients), min(len(frequency), MOST_FREQUENT), 8)
    height = 1 + 0.25 * bars
    figure = plt.figure(figsize=(WIDE, 3.4 + height))
    # Two rows of their own: the names below must not narrow the curves above.
    upper, lower = figure.subfigures(2, 1, height_ratios=[3.4, height])
    axes = [*upper.subplots(1, 2), *lower.subplots(1, 2)]
    plot_cross_validation(axes[0], selection.lasso.cv_, selection.lasso.index_)
    plot_path(axes[1], selection.lasso.cv_.path, selection.lasso.index_)
    plot_coefficients(axes[2], selection.coefficients)
    plot_frequency(axes[3], frequency, selection.survivors["lasso"])
    for letter, axis, (name, title) in zip("abcd", axes, PANELS.items(), strict=True):
        axis.set_label(name)
        axis.set_title(f"({letter}) {title}", loc="left")
    first = selection.coefficients.abs().idxmax()
    kept = f"LASSO keeps {len(selection.coefficients)} features, the largest coefficient is that of"
    tell(figure, kept, f"{readable_name(first)}.")
    return figure


def plot_cross_validation(axis: Axes, cv: LassoCv, taken: int) -> None:
    """Mean loss over the folds with its standard error, against ln(lambda); features kept on top."""
    x = np.log(cv.path.lambdas)
    axis.errorbar(x, cv.cvm, cv.cvsd, fmt="o", color=KEPT, ecolor=LEFT, markersize=2.5, elinewidth=0.8)
    for index, name, style in ((cv.index_min, "min", "--"), (cv.index_1se, "1se", ":")):
        label = f"λ.{name} = {cv.path.lambdas[index]:.4f}, ln λ = {x[index]:.2f}"
        axis.axvline(x[index], color="#333333", linestyle=style, linewidth=1, label=label)
    if taken not in (cv.index_min, cv.index_1se):
        axis.axvline(x[taken], color=RAISES, linewidth=1, label=f"taken: λ = {cv.path.lambdas[taken]:.4f}")
    axis.set(xlabel="ln(λ)", ylabel=cv.loss)
    # Below: inside it would lie on the points.
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=7.5)
    ticks = np.linspace(0, len(x) - 1, 9).astype(int)
    top = axis.secondary_xaxis("top")
    top.set_xticks(x[ticks], [str(count) for count in cv.path.nonzero[ticks]])
    top.set_xlabel("features kept")
    top.tick_params(labelsize=8)


def plot_path(axis: Axes, path: LassoPath, taken: int) -> None:
    """Coefficients (per SD) against ln(lambda); those kept at the penalty taken are coloured."""
    x = np.log(path.lambdas)
    for coefficient, kept in zip(path.coefficients.T, path.coefficients[taken] != 0, strict=True):
        axis.plot(x, coefficient, color=KEPT if kept else LEFT, linewidth=0.9, zorder=2 + kept, alpha=0.8)
    axis.axvline(x[taken], color="#333333", linestyle="--", linewidth=1)
    axis.axhline(0, color="#333333", linewidth=0.6)
    axis.set(xlabel="ln(λ)", ylabel="Coefficient per SD")


def plot_coefficients(axis: Axes, coefficients: pd.Series) -> None:
    """Coefficients as bars, the largest in size on top."""
    values = coefficients[::-1]
    axis.barh(range(len(values)), values, color=[RAISES if value > 0 else LOWERS for value in values])
    axis.set_yticks(range(len(values)), [*wrapped_names(map(readable_name, values.index))], fontsize=7.5)
    axis.axvline(0, color="#333333", linewidth=0.6)
    axis.set(xlabel="Coefficient per SD", ylim=(-0.7, len(values) - 0.3))


def plot_frequency(axis: Axes, frequency: pd.Series, selected: list[str]) -> None:
    """Most frequent candidates over the resamples; those of the selection are coloured."""
    shown = frequency[:MOST_FREQUENT][::-1]
    axis.barh(range(len(shown)), 100 * shown, color=[KEPT if f in selected else LEFT for f in shown.index])
    axis.set_yticks(range(len(shown)), [*wrapped_names(map(readable_name, shown.index))], fontsize=7.5)
    axis.set(
        xlabel="Resamples (%); blue: in the final set",
        xlim=(0, 100),
        ylim=(-0.7, len(shown) - 0.3),
    )


def plot_rad_score(scores: pd.DataFrame, groups: dict[int, str]) -> Figure:
    """Rad-score of every patient by set and outcome, with median and quartiles.

    Parameters
    ----------
    scores : DataFrame
        The ``rad_score`` artifact.
    groups : dict
        What patients without (0) and with the outcome (1) are called.
    """
    cohorts = ordered_cohorts(scores["cohort"])
    figure, axis = plt.subplots()
    common = dict(
        data=scores,
        x="cohort",
        y="rad_score",
        hue="outcome",
        order=cohorts,
        ax=axis,
        palette=OUTCOME_COLOURS,
        dodge=True,
    )
    with _same_jitter():
        sns.stripplot(**common, size=2.2, alpha=0.6, jitter=0.25, legend=False)
    sns.boxplot(**common, width=0.75, fill=False, showfliers=False, linewidth=1.2)
    titles = [cohort_title(name).replace(" ", "\n") for name in cohorts]
    turned = {}
    if len(cohorts) > 3:
        titles, turned = [short_title(name) for name in cohorts], {"rotation": 45, "ha": "right"}
    axis.set_xticks(range(len(cohorts)), titles, fontfamily=font_families("".join(titles)), **turned)
    axis.set(xlabel="", ylabel="Rad-score")
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(
        handles,
        [groups[int(label)] for label in labels],
        prop=fonts_of(list(groups.values())),
        loc="upper center",
        bbox_to_anchor=(0.5, 1.12),
        ncols=2,
    )
    medians = scores.groupby(["cohort", "outcome"])["rad_score"].median()
    found = [f"{cohort_title(name)}, {groups[i]}: {medians[name, i]:.1f}." for name, i in medians.index]
    tell(figure, "Median Rad-score.", *found)
    return figure


@contextmanager
def _same_jitter() -> Iterator[None]:
    """Seaborn moves dots aside by numpy's global generator: each time the same way, for these dots alone."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)
