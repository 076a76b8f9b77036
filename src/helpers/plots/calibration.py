"""Calibration curves, a panel a cohort (paper Figure 7)."""

from __future__ import annotations

from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.evaluation.calibration import calibration_curve, calibration_summary, risk_groups
from helpers.evaluation.cutoffs import proportion
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.plots.panels import let_read
from helpers.plots.style import (
    MODEL_COLOURS,
    OUTCOME_COLOURS,
    head_panel,
    legend_beside,
    stacked_panels,
    tell,
)
from helpers.study.cohorts import cohort_title


def plot_calibration_panels(
    predictions: pd.DataFrame, models: list[str], main: str, groups: dict[int, str]
) -> Figure:
    """Draw one calibration panel a set (paper Figure 7).

    Every model has a smooth curve; the model ``main`` also has its observed frequencies in up to ten groups
    of risk with Wilson's 95 % intervals, its slope, calibration in the large and Brier score, and the
    number of patients by risk below. ``groups`` names the patients without (0) and with the outcome (1).
    """
    cohorts = present_cohorts(predictions)
    figure, axes = stacked_panels(cohorts, 4.6, ratios=(3.4, 1), sharex=True)
    found = []
    for column, (letter, cohort) in enumerate(zip(ascii_lowercase, cohorts, strict=False)):
        wide = probabilities_wide(predictions, cohort, models)
        outcome, risk = wide["outcome"], wide[main]
        top, bottom = axes[:, column]
        top.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle=(0, (4, 3)))
        for model in models:
            _draw_curve(top, outcome, wide[model], model, bold=model == main)
        _draw_groups(top, outcome, risk, main)
        _draw_counts(bottom, outcome, risk, groups)
        found.append(f"{cohort_title(cohort)}, {main}: {_summary_text(outcome, risk)}.")
        let_read(top)
        below = f", n = {len(wide)}\n{_summary_text(outcome, risk)}"
        head_panel(top, cohort, f"({letter}) ", below, fontsize=9)
        top.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        bottom.set(xlabel=f"Predicted risk ({main} below)", ylabel="Patients")
        top.set_ylabel("Observed frequency")
    legends = [axis.get_legend_handles_labels() for axis in axes[:, 0]]
    handles, labels = ([*first, *second] for first, second in zip(*legends, strict=True))
    legend_beside(figure, handles, labels, len(cohorts))
    tell(figure, *found)
    return figure


def _draw_curve(axis: plt.Axes, y: pd.Series, p: pd.Series, model: str, bold: bool) -> None:
    grid = np.linspace(p.min(), p.max(), 200)
    width, layer = (2.2, 4) if bold else (1.2, 3)
    # The smoother knows no bounds: frequencies below 0 or above 1 do not exist.
    smooth = np.clip(calibration_curve(y, p, grid), 0, 1)
    axis.plot(grid, smooth, color=MODEL_COLOURS[model], linewidth=width, zorder=layer, label=model)


def _draw_groups(axis: plt.Axes, y: pd.Series, p: pd.Series, model: str) -> None:
    # At least about 15 patients a group, or the points only show noise.
    table = risk_groups(y.to_numpy(), p.to_numpy(), int(np.clip(len(y) // 15, 2, 10)))
    counts = table[["observed", "n"]].astype(int).itertuples(index=False)
    seen = pd.DataFrame([proportion(x, n) for x, n in counts])
    spread = [seen["estimate"] - seen["wilson_low"], seen["wilson_high"] - seen["estimate"]]
    axis.errorbar(
        table["risk"], seen["estimate"], yerr=np.clip(spread, 0, None), fmt="o", color=MODEL_COLOURS[model],
        markersize=4, elinewidth=0.8, zorder=5, alpha=0.8,
    )  # fmt: skip


def _summary_text(y: pd.Series, p: pd.Series) -> str:
    summary = calibration_summary(y, p)
    parts = {"slope": summary.slope, "in the large": summary.in_the_large, "Brier": summary.brier}
    return ", ".join(f"{name} {'n/e' if np.isnan(x) else f'{x:z.2f}'}" for name, x in parts.items())


def _draw_counts(axis: plt.Axes, y: pd.Series, p: pd.Series, groups: dict[int, str]) -> None:
    bins = np.linspace(0, 1, 21)
    for outcome, sign in ((1, 1), (0, -1)):
        counts, _ = np.histogram(p[y == outcome], bins=bins)
        style = {"color": OUTCOME_COLOURS[outcome], "label": groups[outcome], "alpha": 0.7}
        axis.bar(bins[:-1], sign * counts, width=0.05, align="edge", **style)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
