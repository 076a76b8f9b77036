"""Figure 1 and the ages of the patients."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers.patients.flow_chart import LET_IN, OTHER_REASONS
from helpers.patients.table_1 import by_cohort
from helpers.plots.style import (
    OUTCOME_COLOURS,
    cohort_panels,
    font_families,
    head_panel,
    legend_beside,
    panel_grid,
)
from helpers.study.cohorts import cohort_title, is_cohort

_REASONS_SHOWN = 8


def plot_flow_chart(flow: pd.DataFrame, positive: str) -> Figure:
    """Draw Figure 1: one column a site, from those screened to the cohorts.

    Parameters
    ----------
    flow : DataFrame
        From `flow_chart`, or as `Run.write_table` returns it, with small counts as text.
    positive : str
        What patients with the outcome are called.
    """
    sites = flow["site"].unique()
    figure, axes = panel_grid(len(sites), 7.6 if "analysed" in set(flow["stage"]) else 5.0)
    for axis, site in zip(axes, sites, strict=True):
        _draw_site(axis, flow[flow["site"] == site], positive)
    return figure


def _draw_site(axis: Axes, flow: pd.DataFrame, positive: str) -> None:
    count = flow.set_index("stage")["patients"]
    steps = [("Included", "excluded", "Excluded", count["included"])]
    if "analysed" in count:
        steps.append(("Analysed", "unusable", "Image, mask or features unusable", _analysed(count)))
    top = 4 + 6 * len(steps)
    axis.set(xlim=(0, 10), ylim=(0, top))
    axis.axis("off")
    box = _box(axis, (2.3, top - 0.8), f"{flow['site'].iloc[0]}\nscreened: {count['screened']}")
    for number, (title, stage, leaving, staying) in enumerate(steps):
        height = top - 3.65 - 6 * number
        gone = _box(axis, (7.1, height), _gone_text(leaving, flow[flow["stage"] == stage]), align="left")
        stayed = _box(axis, (2.3, height - 2.95), f"{title}: {staying}")
        _arrow(axis, box, stayed)
        _arrow(axis, axis.text(2.3, height, ""), gone)
        box = stayed
    _draw_cohorts(axis, box, flow[flow["stage"].map(is_cohort)], positive)


def _analysed(count: pd.Series) -> str:
    let_in = f"\nlet in against a rule: {count[LET_IN]}" if LET_IN in count else ""
    return f"{count['analysed']}{let_in}"


def _draw_cohorts(axis: Axes, above: Text, cohorts: pd.DataFrame, positive: str) -> None:
    places = [2.3, 7.3] if len(cohorts) > 1 else [2.3]
    height = above.get_position()[1] - 2.6
    for place, row in zip(places, cohorts.itertuples(), strict=False):
        title = textwrap.fill(cohort_title(row.stage), 20)
        text = f"{title}: {row.patients}\n{positive}: {row.outcome}"
        _arrow(axis, above, _box(axis, (place, height), text))


def _gone_text(title: str, gone: pd.DataFrame) -> str:
    """Total and reasons, the rarer ones taken together where there are many."""
    total = _sum(gone["patients"])
    lines = [title if total is None else f"{title}: {total}"]
    for row in gone.head(_REASONS_SHOWN).itertuples():
        lines += textwrap.wrap(f"{row.reason}: {row.patients}", 28, subsequent_indent="   ")
    rest = _sum(gone["patients"].iloc[_REASONS_SHOWN:])
    return "\n".join(lines + ([f"{OTHER_REASONS}: {rest}"] if rest else []))


def _sum(counts: pd.Series) -> int | None:
    """Sum of counts; None when one of them is not shown."""
    numbers = pd.to_numeric(counts, errors="coerce")
    return None if numbers.isna().any() else int(numbers.sum())


def _box(axis: Axes, place: tuple[float, float], text: str, align: str = "center") -> Text:
    frame = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "#555555"}
    style = {"fontsize": 7.5, "fontfamily": font_families(text), "multialignment": align}
    return axis.text(*place, text, ha="center", va="center", bbox=frame, zorder=3, **style)


def _arrow(axis: Axes, start: Text, end: Text) -> None:
    """From the edge of one box to the edge of another."""
    # Drawn after the boxes, whose frames take their places only when drawn.
    style = {"arrowstyle": "-|>", "color": "#555555", "lw": 1.2, "shrinkA": 0, "shrinkB": 1}
    edges = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    axis.annotate("", end.get_position(), start.get_position(), arrowprops=style | edges, zorder=4)


def plot_ages(cohort: pd.DataFrame, titles: dict[int, str]) -> Figure:
    """Ages by cohort and outcome (called ``titles``), in bins of 5 years, as shares of each outcome group."""
    cohorts = dict(by_cohort(cohort))
    figure, axes = cohort_panels(list(cohorts), 2.7, sharey=True)
    low, high = cohort["age"].min(), cohort["age"].max()
    bins = np.arange(5 * (low // 5), high + 5, 5)
    for axis, (name, people) in zip(axes, cohorts.items(), strict=True):
        for flag, values in people.groupby("outcome")["age"]:
            style = {"histtype": "stepfilled", "alpha": 0.45, "color": OUTCOME_COLOURS[flag]}
            weights = np.full(len(values), 100 / len(values))
            axis.hist(values, bins=bins, weights=weights, label=titles[flag], **style)
        axis.set(xlabel="Age (years)", ylabel="Share of the group (%)")
        head_panel(axis, name, after=f" (n = {len(people)})")
    legend_beside(figure, *axes[0].get_legend_handles_labels(), len(cohorts))
    return figure
