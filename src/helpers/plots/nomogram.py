"""The nomogram as printed (paper Figure 5)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from helpers.learning.nomogram import RISK_TICKS, Nomogram, axis_points, pretty
from helpers.plots.panels import NARROW
from helpers.plots.style import font_families

MARK = "#D55E00"
_TITLE_ABOVE = 0.42  # its line: between them its tick labels have room
_LINE = 0.2  # of a title
_TITLE_WIDTH = 34  # letters: beside the title of the last axis stands the patient's risk
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}


def plot_nomogram(
    nomogram: Nomogram, example: Mapping[str, float | str], titles: Mapping[str, str], outcome: str
) -> Figure:
    """Draw the nomogram (paper Figure 5) with one patient read off it.

    Parameters
    ----------
    nomogram : Nomogram
    example : mapping
        A patient's value of each predictor, marked on the axes.
    titles : mapping
        Axis title of each predictor.
    outcome : str
        What the risk is of.
    """
    rows, risk = len(nomogram.predictors) + 3, textwrap.wrap(f"Risk of {outcome}", _TITLE_WIDTH)
    more = _LINE * (len(risk) - 1)
    figure, axis = plt.subplots(figsize=(NARROW, 0.85 * (rows + more) + 0.2))
    axis.set(xlim=(-4, 104), ylim=(0.55 - rows - more, 0.7))
    axis.axis("off")
    _draw_scale(axis, 0, "Points", {str(tick): tick for tick in range(0, 101, 10)}, side=1)
    axis.vlines(range(0, 101, 2), 0, 0.06, color="black", linewidth=0.5)
    points = nomogram.points(example)
    for row, name in enumerate(nomogram.predictors, start=1):
        places = axis_points(nomogram, name)
        labels = map(_label, nomogram.axes[name])
        _draw_scale(axis, -row, titles.get(name, name), dict(zip(labels, places, strict=True)))
        _mark(axis, points[name], (0, -row), dots=[-row])
    _draw_total_and_risk(axis, nomogram, sum(points.values()), (2 - rows, 1 - rows - more), "\n".join(risk))
    return figure


def _draw_total_and_risk(
    axis: plt.Axes, nomogram: Nomogram, total: float, heights: tuple[float, float], title: str
) -> None:
    """Total points and risk share a scale of their own, stretched to the width of the figure."""
    reach = sum(max(axis_points(nomogram, name)) for name in nomogram.predictors)
    totals = pretty(0, max(reach, total), 10)
    stretch = 100 / totals[-1]
    upper, lower = heights
    _draw_scale(axis, upper, "Total points", {_label(value): value * stretch for value in totals})
    risks = [risk for risk in RISK_TICKS if 0 <= nomogram.total_at(risk) <= totals[-1]]
    ticks = {f"{risk:g}": nomogram.total_at(risk) * stretch for risk in risks}
    _draw_scale(axis, lower, title, ticks)
    place = total * stretch
    _mark(axis, place, heights, dots=[upper, lower])
    text = f"{total:.0f} points, risk {nomogram.probability(total):.2f}"
    axis.text(103, lower + _TITLE_ABOVE, text, color=MARK, va="bottom", ha="right", bbox=PAPER, zorder=4)


def _label(value: float | str) -> str:
    return value.capitalize() if isinstance(value, str) else f"{value:g}"


def _draw_scale(axis: plt.Axes, y: float, title: str, ticks: Mapping[str, float], side: int = -1) -> None:
    """One line with ticks {label: points}; a label that would touch its neighbour changes the side."""
    style = {"fontsize": 9, "weight": "bold", "fontfamily": font_families(title)}
    # Above its line: beside it there is no room on a phone.
    axis.text(-3, y + _TITLE_ABOVE, title, va="bottom", ha="left", bbox=PAPER, zorder=2, **style)
    places = ticks.values() or [0]
    axis.hlines(y, min(places), max(places), color="black", linewidth=1.1)
    reached = {-1: -np.inf, 1: -np.inf}
    for label, place in sorted(ticks.items(), key=lambda tick: tick[1]):
        half = 1.1 * len(label) + 0.6
        free = [way for way in (side, -side) if place - half > reached[way]]
        way = free[0] if free else side
        axis.vlines(place, y, y + 0.12 * way, color="black", linewidth=0.9)
        if free:
            reached[way] = place + half
            align = "top" if way < 0 else "bottom"
            axis.text(place, y + 0.17 * way, label, ha="center", va=align, fontsize=8.5, bbox=PAPER, zorder=3)


def _mark(axis: plt.Axes, place: float, ends: tuple[float, float], dots: list[float]) -> None:
    axis.plot([place, place], ends, color=MARK, linewidth=0.9, linestyle=":", zorder=1)
    axis.plot([place] * len(dots), dots, "o", color=MARK, markersize=6, zorder=5)
