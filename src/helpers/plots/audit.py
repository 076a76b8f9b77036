"""Figures of the audit."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.stats import norm

from helpers.evaluation.cutoffs import PROPORTIONS
from helpers.paper.performance import confusion_matrices, matched_proportions
from helpers.paper.publication import Publication
from helpers.plots.panels import NARROW, wrapped_names
from helpers.plots.style import SOURCE_COLOURS, SOURCE_MARKERS, cohort_panels, legend_beside

_PAPER, _COMPUTED = SOURCE_COLOURS["paper"], SOURCE_COLOURS["computed"]


def plot_auc_intervals(intervals: pd.DataFrame) -> Figure:
    """Draw printed AUC intervals over those expected for the numbers of patients, one panel a cohort.

    ``intervals`` is from `helpers.paper.performance.auc_intervals`.
    """
    if intervals.empty:
        return _nothing("No AUCs with intervals and numbers of patients are printed.")
    cohorts = list(dict.fromkeys(intervals["cohort"]))
    models = list(dict.fromkeys(intervals["subject"]))
    figure, axes = cohort_panels(cohorts, 1.1 + 0.26 * len(models), sharex=True, sharey=True)
    for axis, cohort in zip(axes, cohorts, strict=True):
        part = intervals[intervals["cohort"] == cohort].drop_duplicates("subject")
        auc, rows = part["auc"], part["subject"].map(models.index)
        half = norm.ppf(0.975) * part["expected_se"]
        expected = axis.hlines(rows, auc - half, auc + half, color=_COMPUTED, alpha=0.25, linewidth=8)
        errors = [auc - part["ci_low"], part["ci_high"] - auc]
        style = {"fmt": SOURCE_MARKERS["paper"], "markersize": 4, "color": _PAPER, "capsize": 3}
        printed = axis.errorbar(auc, rows, xerr=errors, **style)
        axis.set_xlabel("AUC")
    axes[0].set(yticks=range(len(models)), yticklabels=models, ylim=(len(models) - 0.5, -0.5))
    labels = ["printed AUC and 95 % CI", "95 % CI expected for so many\npatients (Hanley and McNeil)"]
    legend_beside(figure, [printed, expected], labels, len(cohorts))
    return figure


def plot_confusion_grids(paper: Publication) -> Figure:
    """Draw how many printed proportions the counts around the solution give, one panel a cohort.

    Shown is the model that is printed last, as the main result usually is.
    """
    found = confusion_matrices(paper).dropna()
    if found.empty:
        return _nothing("No printed proportions with counts that give them.")
    item, subject = found[["item", "subject"]].iloc[-1]
    found = found[(found["item"] == item) & (found["subject"] == subject)].drop_duplicates("cohort")
    figure, axes = cohort_panels(list(found["cohort"]), 3.2)
    colours = ListedColormap(["#f2f2f2", "#d9e6f2", "#a6c8e0", "#6aa5cd", "#2f7fb8", "#D55E00"])
    for axis, row in zip(axes, found.itertuples(), strict=True):
        values = [paper.reported.get(item, row.cohort, subject, metric) for metric in PROPORTIONS]
        matched = matched_proportions(values, row.tp + row.fn, row.tn + row.fp)
        axis.imshow(matched, cmap=colours, vmin=-0.5, vmax=5.5, origin="lower", interpolation="none")
        # The neighbourhood of the solution, with one tick on it.
        axis.set(xlim=(row.tn - 7.5, row.tn + 7.5), xticks=[row.tn - 5, row.tn, row.tn + 5])
        axis.set(ylim=(row.tp - 7.5, row.tp + 7.5), yticks=[row.tp - 5, row.tp, row.tp + 5])
        axis.set(xlabel="healthy, called healthy (TN)", ylabel="diseased, called diseased (TP)")
        axis.set_title(f"{axis.get_title()}\n{item}, {subject}")
    swatches = [Patch(color=colours(number), label=f"{number} of 5") for number in range(6)]
    labels = [swatch.get_label() for swatch in swatches]
    legend_beside(figure, swatches, labels, len(axes), title="printed proportions given")
    return figure


def plot_clinical_aucs(paper: Publication, simulated: pd.DataFrame) -> Figure:
    """Draw simulated AUCs of the clinical model against the printed ones, one panel a cohort.

    ``simulated`` is from `helpers.paper.clinical.simulate_clinical_aucs`.
    """
    if simulated.empty:
        return _nothing("The printed numbers do not describe a clinical model that could be drawn.")
    by_law = simulated.groupby(["cohort", "law", "correlation"])["auc"]
    limits = by_law.quantile([0.025, 0.5, 0.975]).unstack()
    cohorts = list(dict.fromkeys(simulated["cohort"]))
    figure, axes = cohort_panels(cohorts, 4.6, sharex=True, sharey=True)
    for axis, cohort in zip(axes, cohorts, strict=True):
        part = limits.loc[cohort]
        errors = [part[0.5] - part[0.025], part[0.975] - part[0.5]]
        rows = range(len(part))
        drawn = axis.errorbar(part[0.5], rows, xerr=errors, fmt="o", color=_COMPUTED, markersize=4, capsize=3)
        handles = _draw_printed(axis, paper, cohort)
        axis.set_xlabel("AUC of the clinical model")
    first = paper.design.categories[paper.design.clinical.category][0]
    titles = [f"{law}, {_tie(first, correlation)}" for law, correlation in part.index]
    axes[0].set(yticks=rows, yticklabels=wrapped_names(titles, 20), ylim=(len(part) - 0.5, -0.5))
    labels = ["simulated: median and 95 %", "printed", "printed 95 % CI"][: 1 + len(handles)]
    legend_beside(figure, [drawn, *handles], labels, len(cohorts))
    return figure


def _tie(first: str, correlation: float) -> str:
    """How the ages of those of the first level lie: "men much younger"."""
    if not correlation:
        return "independent"
    return f"{first} {'much ' if abs(correlation) > 0.5 else ''}{'younger' if correlation < 0 else 'older'}"


def _draw_printed(axis: Axes, paper: Publication, cohort: str) -> list:
    """Line and band of the printed AUC."""
    rows = paper.reported.select(metric="auc", cohort=cohort, subject=paper.design.clinical.model)
    entry = next((row for row in rows if row.in_table), None)
    if entry is None:
        return []
    handles = [axis.axvline(entry.value.number, color=_PAPER)]
    if entry.interval:
        low, high = (limit.number for limit in entry.interval)
        handles.append(axis.axvspan(low, high, color=_PAPER, alpha=0.15))
    return handles


def _nothing(reason: str) -> Figure:
    """A figure that says why there is none."""
    figure, axis = plt.subplots(figsize=(NARROW, 1))
    axis.text(0.5, 0.5, textwrap.fill(reason, 50), ha="center", va="center")
    axis.set_axis_off()
    return figure
