"""A small nomogram with one patient on it: static, or moved by its script along the longest axis."""

from __future__ import annotations

import html
from collections.abc import Mapping

from markupsafe import Markup

from helpers.learning.nomogram import Nomogram
from helpers.pages.nomogram_page import nomogram_data
from helpers.pages.rendering import said_in

_BOX, _LEFT, _WIDTH, _STEP, _TOP = 360, 12, 336, 58, 26
_WORDS = "06"  # section of the table of words: the chapter that draws the whole nomogram
_LETTER, _BLANK = 7, 6  # px of a letter of a label, with room, and between two labels


def small_nomogram(chart: Nomogram, outcome: str, patient: Mapping[str, float | str], told: str) -> Markup:
    """Draw an axis for each predictor and one of the risk, 360 px wide, with the patient's values marked.

    Parameters
    ----------
    chart : Nomogram
    outcome : str
        What the risk is of.
    patient : mapping
        Value of each predictor.
    told : str
        Alternative text.
    """
    data = nomogram_data(chart, outcome)
    points = chart.points(patient)
    total = sum(points.values())
    widest = max(place for _, place in data["total_ticks"])
    rows = [(one["title"], one["ticks"], 100.0, points[one["name"]]) for one in data["predictors"]]
    rows.append((data["outcome"], data["risk_ticks"], widest, total))
    drawn = [_axis(number, *row) for number, row in enumerate(rows)]
    height = _TOP + _STEP * len(rows) - 8
    answer = _answer().format(points=f"{total:.0f}", risk=f"{chart.probability(total):.2f}")
    words = (
        f'<text class="radbook-answer-in" x="{_LEFT + _WIDTH}" y="{_y(len(rows) - 1) - 14}">{answer}</text>'
    )
    box = f'viewBox="0 0 {_BOX} {height}" style="width: {_BOX}px"'
    svg = f'<svg class="radbook-whole radbook-small" {box} aria-hidden="true">{"".join(drawn)}{words}</svg>'
    return Markup(f'<div class="radbook-figure" role="img" aria-label="{html.escape(told)}">{svg}</div>')


def script_of(chart: Nomogram, outcome: str, patient: Mapping[str, float | str]) -> dict:
    """What the script needs to move the patient: the axes, and from where it starts."""
    data, points = nomogram_data(chart, outcome), chart.points(patient)
    reaches = {one["name"]: max(place for _, place in one["ticks"]) for one in data["predictors"]}
    longest = max(reaches, key=reaches.get)
    return {
        "row": list(reaches).index(longest),
        "reach": float(reaches[longest]),
        "others": float(sum(points[name] for name in reaches if name != longest)),
        "start": float(points[longest]),
        "widest": float(max(place for _, place in data["total_ticks"])),
        "zero_points": float(chart.zero_points),
        "points_per_unit": float(chart.points_per_unit),
        "answer": _answer(),
        "left": _LEFT,
        "width": _WIDTH,
    }


def _answer() -> str:
    return f"{{points}} {said_in(_WORDS, 'points: risk')} {{risk}}"


def _y(row: int) -> int:
    return _TOP + _STEP * row + 8


def _axis(row: int, title: str, ticks: list, widest: float, place: float) -> str:
    """Title, line, ticks, labels where they have room, and the patient's mark."""
    y, ordered = _y(row), sorted(ticks, key=lambda tick: tick[1])
    ends = [_x(tick[1], widest) for tick in (ordered[0], ordered[-1])] if ordered else [_LEFT, _LEFT]
    shown = html.escape(said_in(_WORDS, title))
    parts = [f'<text class="radbook-title" x="{_LEFT - 8}" y="{y - 14}">{shown}</text>']
    parts.append(f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}"/>')
    reached = -float(_BOX)
    for tick, at in ordered:
        label = said_in(_WORDS, tick)
        x, half = _x(at, widest), _LETTER * len(label) / 2
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 5}"/>')
        middle = min(max(x, half), _BOX - half)  # no label is cut at the edge
        if middle - half > reached + _BLANK:
            parts.append(
                f'<text class="radbook-tick" x="{middle:.1f}" y="{y + 17}">{html.escape(label)}</text>'
            )
            reached = middle + half
    parts.append(f'<circle class="radbook-marker" cx="{_x(place, widest):.1f}" cy="{y}" r="6"/>')
    return "".join(parts)


def _x(place: float, widest: float) -> float:
    return _LEFT + _WIDTH * min(max(place / widest, 0), 1)
