"""The page of the nomogram calculator."""

from __future__ import annotations

from helpers.errors import StudyError
from helpers.frozen.bundle import MANIFEST, own_bundle
from helpers.learning.nomogram import RISK_TICKS, Nomogram, axis_points, pretty
from helpers.pages.rendering import rendered
from helpers.study.run_folder import Run

TITLES = {"age": "Age (years)", "sex": "Sex", "rad_score": "Rad-score"}


def nomogram_data(chart: Nomogram, outcome: str) -> dict:
    """A nomogram as the calculator draws and computes it.

    Parameters
    ----------
    chart : Nomogram
        Of the frozen model.
    outcome : str
        What the risk is of.

    Returns
    -------
    dict
        intercept (log odds), points_per_unit, outcome; point_ticks, total_ticks and risk_ticks as pairs of
        label and points; predictors: name, title, ticks, lowest (log odds at 0 points), start (shown at
        first), and either coefficient and range, or levels (log odds of each).
    """
    totals = pretty(0, sum(max(axis_points(chart, name)) for name in chart.predictors), 10)
    risks = [(f"{risk:g}", chart.total_at(risk)) for risk in RISK_TICKS]
    return {
        "outcome": f"Risk of {outcome}",
        "intercept": chart.coefficients["Intercept"],
        "points_per_unit": chart.points_per_unit,
        "point_ticks": [[str(tick), tick] for tick in range(0, 101, 10)],
        "total_ticks": [[f"{total:g}", total] for total in totals],
        "risk_ticks": [[label, float(place)] for label, place in risks if 0 <= place <= totals[-1]],
        "predictors": [_predictor(chart, name) | {"start": value} for name, value in _start(chart).items()],
    }


def _start(chart: Nomogram) -> dict[str, float | str]:
    """The patient shown first: the middle of each axis, but the longest one brings the risk near a half."""
    row = chart.middle()
    longest = max(chart.axes, key=lambda name: max(axis_points(chart, name)))
    half = chart.total_at(0.5)
    totals = {value: sum(chart.points({**row, longest: value}).values()) for value in chart.axes[longest]}
    return {**row, longest: min(totals, key=lambda value: abs(totals[value] - half))}


def _predictor(chart: Nomogram, name: str) -> dict:
    axis, points = chart.axes[name], axis_points(chart, name)
    lowest = chart.to_dict()["lowest_log_odds"][name]
    labels = [value if isinstance(value, str) else f"{value:g}" for value in axis]
    common = {"name": name, "title": TITLES.get(name, name), "lowest": lowest}
    common["ticks"] = [list(tick) for tick in zip(labels, points, strict=True)]
    if name in chart.coefficients:
        return common | {"coefficient": chart.coefficients[name], "range": [min(axis), max(axis)]}
    return common | {"levels": {value: chart.coefficients.get(f"{name}={value}", 0.0) for value in axis}}


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page of the calculator includes; none while the run has frozen no model."""
    if not (run.bundle / MANIFEST).is_file():
        return {}
    return {"interactive/nomogram_calculator.md": _page(run).encode()}


def _page(run: Run) -> str:
    data, problem = None, ""
    try:
        bundle = own_bundle(run)
        data = nomogram_data(bundle.chart, bundle.outcome.name)
    except StudyError as error:
        problem = error
    return rendered(
        "nomogram_calculator.md",
        data=data,
        problem=problem,
        virtual=run.study.is_virtual,
        has_picture=run.figure_path("figure_5", "svg").is_file(),
    )
