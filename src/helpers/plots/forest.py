"""Forest plots: one measure hospital by hospital, its random-effects summary and prediction interval."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.evaluation.by_hospital import scale_of
from helpers.plots.style import font_families, panel_grid, tell
from helpers.study.number_texts import NOT_ESTIMABLE, estimate_text, span

TITLES = {
    "auc": "AUC",
    "slope": "Calibration slope",
    "in_the_large": "Calibration in the large",
    "observed_expected": "Observed / expected",
}
SHOWN = ("auc", "slope", "observed_expected")
# Of no use, or right: the line that the estimates are held against.
_REFERENCE = {"auc": 0.5, "slope": 1.0, "in_the_large": 0.0, "observed_expected": 1.0}
# What is drawn at the utmost; intervals beyond end in an arrow.
_UTMOST = {"auc": (0.05, 0.98), "slope": (-2, 4), "in_the_large": (-4, 4), "observed_expected": (0.1, 10)}
_TICKS = {
    "auc": [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98],
    "observed_expected": [0.1, 0.2, 0.33, 0.5, 0.75, 1, 1.33, 2, 3, 5, 10],
}
_NOT_JUDGED = {
    "one class": "one outcome only",
    "not fitted": "no model could be made",
    "not told": "not told",
}
_COLOUR, _SUMMARY = "#0072B2", "#D55E00"


def plot_forest(
    hospitals: pd.DataFrame, measures: pd.DataFrame, summary: pd.DataFrame, model: str, shown=SHOWN
) -> Figure:
    """Draw a panel for each measure of one model: hospitals, summary (diamond) and prediction interval.

    The AUC lies on the scale of log odds and observed / expected on that of logarithms, labelled with the
    values themselves; the area of a square is the hospital's weight. Below each name stand its numbers.

    Parameters
    ----------
    hospitals, measures, summary : DataFrame
        As in :class:`helpers.chapters.hospitals_in_turn.InTurn`.
    model : str
    shown : sequence of str
        Measures, in the order of the panels.
    """
    names = list(dict.fromkeys(hospitals["hospital"]))
    figure, axes = panel_grid(len(shown), 0.8 + 0.36 * (len(names) + 2))
    status = hospitals.groupby("hospital", sort=False)["status"].first()
    size = 7.5 if len(shown) > 1 else 8.5  # pt; a phone shows a single panel smaller
    found = []
    for axis, measure in zip(axes, shown, strict=True):
        part = measures[(measures["model"] == model) & (measures["measure"] == measure)]
        own = summary[(summary["model"] == model) & (summary["measure"] == measure)]
        rows = part.set_index("hospital").reindex(names)
        _draw(axis, measure, rows, own.iloc[0] if len(own) else None, status)
        axis.tick_params(axis="y", labelsize=size)
        if len(own) and np.isfinite(own.iloc[0]["estimate"]):
            found.append(f"{axis.get_title()}: {', '.join(_summary_words(own.iloc[0]))}.".replace("\n", " "))
    tell(figure, *found)
    return figure


def _draw(axis: Axes, measure: str, rows: pd.DataFrame, total: pd.Series | None, status: pd.Series) -> None:
    scale, summarised = scale_of(measure), total is not None and np.isfinite(total["estimate"])
    ends = rows[["low", "high", "estimate"]].to_numpy().ravel()
    ends = [*ends, _REFERENCE.get(measure, 0.0), *(total[["pi_low", "pi_high"]] if summarised else [])]
    low, high = np.clip([np.nanmin(ends), np.nanmax(ends)], *_UTMOST.get(measure, (-1, 1)))
    inside = scale.to(np.array([low, high]))
    room = 0.04 * np.ptp(inside) or 0.1  # no hospital tells the measure
    limits = (inside[0] - room, inside[1] + room)
    for place, (_, row) in enumerate(rows.iterrows()):
        _draw_hospital(axis, scale, place, row, limits)
    labels = [
        f"{textwrap.shorten(name, 26, placeholder='…')}\n{_words(row, status[name])}"
        for name, row in rows.iterrows()
    ]
    if summarised:
        _draw_summary(axis, scale, len(rows), total, limits)
        labels += _summary_words(total)
    else:
        labels.append("No summary:\nfewer than three hospitals")
    axis.set_yticks(range(len(labels)), labels, fontfamily=font_families("".join(labels)))
    title = TITLES.get(measure, measure[:1].upper() + measure[1:])
    axis.set(xlim=limits, ylim=(len(rows) + 1.6, -0.6), title=title)
    axis.axvline(scale.to(_REFERENCE.get(measure, 0.0)), color="#999999", linewidth=0.8, zorder=0)
    axis.axhline(len(rows) - 0.5, color="#cccccc", linewidth=0.6)
    axis.tick_params(axis="y", length=0)
    if measure in _TICKS:
        ticks = [tick for tick in _TICKS[measure] if limits[0] <= scale.to(tick) <= limits[1]]
        axis.set_xticks(scale.to(np.array(ticks)), [f"{tick:g}" for tick in ticks])
    else:  # as many whatever the width: others than those the layout knew might not fit
        axis.xaxis.set_major_locator(MaxNLocator(5))


def _draw_hospital(axis: Axes, scale, place: int, row: pd.Series, limits: tuple[float, float]) -> None:
    if not np.isfinite(row["estimate"]):
        return
    with np.errstate(divide="ignore"):  # an AUC of 0 or 1 lies at the end of the axis
        at = np.clip(scale.to(row["estimate"]), *limits)
    _line(axis, place, scale.to(row["low"]), scale.to(row["high"]), limits, _COLOUR)
    weight = row["weight"] if np.isfinite(row["weight"]) else 0
    fill = _COLOUR if weight else "white"
    axis.scatter(at, place, s=12 + 1.6 * weight, marker="s", facecolor=fill, edgecolor=_COLOUR, zorder=3)


def _line(axis: Axes, place: int, low: float, high: float, limits: tuple[float, float], colour: str) -> None:
    """An interval; where it goes on beyond the axis, an arrow."""
    if not np.isfinite([low, high]).all():
        return
    axis.plot(np.clip([low, high], *limits), [place, place], color=colour, linewidth=1.2)
    for end, beyond, marker in ((limits[0], low < limits[0], "<"), (limits[1], high > limits[1], ">")):
        if beyond:
            axis.plot(end, place, marker, color=colour, markersize=5, clip_on=False)


def _draw_summary(axis: Axes, scale, place: int, total: pd.Series, limits: tuple[float, float]) -> None:
    low, middle, high = (scale.to(total[name]) for name in ("ci_low", "estimate", "ci_high"))
    corners = np.clip([low, middle, high, middle], *limits)
    axis.fill(corners, [place, place - 0.3, place, place + 0.3], color=_SUMMARY)
    _line(axis, place + 1, scale.to(total["pi_low"]), scale.to(total["pi_high"]), limits, _SUMMARY)


def _summary_words(total: pd.Series) -> list[str]:
    """The two lines below the hospitals, each with its numbers."""
    mean = estimate_text(total["estimate"], total["ci_low"], total["ci_high"])
    spread = f"{span(total['pi_low'], total['pi_high'])}, I² {total['i2']:.0f} %"
    return [f"Summary\n{mean}", f"Prediction interval\n{spread}"]


def _words(row: pd.Series, status: str) -> str:
    """A hospital's numbers, below its name: estimate, interval and weight."""
    if not np.isfinite(row["estimate"]):
        return _NOT_JUDGED.get(status, NOT_ESTIMABLE)
    weight = f", {row['weight']:.0f} %" if np.isfinite(row["weight"]) else ""
    return estimate_text(row["estimate"], row["low"], row["high"]) + weight
