"""The page of the cut-off explorer."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.evaluation.cutoffs import roc_points
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.pages.rendering import rendered
from helpers.plots.style import MODEL_COLOURS
from helpers.study.cohorts import cohort_title
from helpers.study.run_folder import Run

# Of real patients, neighbouring cut-offs differ by this many at least (federated networks ask for the same).
SMALLEST_GROUP = 10
Counts = dict[str, list]


def cutoff_data(predictions: pd.DataFrame, grouped: bool, smallest: int = SMALLEST_GROUP) -> dict:
    """Counts at every cut-off that the explorer offers, for each model and set.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    grouped : bool
        Whether single patients must not be recognisable: counts at cut-offs that are at least ``smallest``
        patients apart, instead of at every observed risk.
    smallest : int

    Returns
    -------
    dict
        grouped; models (name, colour); cohorts (name, title); curves by model and cohort: n, events, auc
        (with its limits), cutoffs (ascending), tp and fp (at or above each), youden (the cut-off of the
        largest Youden index). Without a set in which groups of that size cannot be made.
    """
    named = [name for name in reversed(MODEL_COLOURS) if (predictions["model"] == name).any()]
    curves: dict[str, dict] = {}
    for model in named:
        for cohort in present_cohorts(predictions):
            wide = probabilities_wide(predictions, cohort, [model])
            curve = _curve(wide["outcome"].to_numpy(), wide[model].to_numpy(), grouped, smallest)
            if curve:
                curves.setdefault(model, {})[cohort] = curve
    cohorts = [name for name in present_cohorts(predictions) if any(name in sets for sets in curves.values())]
    return {
        "grouped": grouped,
        "models": [{"name": name, "colour": MODEL_COLOURS[name]} for name in curves],
        "cohorts": [{"name": name, "title": cohort_title(name)} for name in cohorts],
        "curves": curves,
    }


def _curve(y: NDArray, p: NDArray, grouped: bool, smallest: int) -> dict | None:
    table = grouped_counts(y, p, smallest) if grouped else exact_counts(y, p)
    if grouped and len(table["cutoffs"]) < 2:
        return None
    area = delong_auc(y, p)
    auc = [value if math.isfinite(value) else None for value in (area.auc, area.ci_low, area.ci_high)]
    events, n = int(y.sum()), len(y)
    index = np.array(table["tp"]) * (n - events) - np.array(table["fp"]) * events
    best = int(np.argmax(index))
    youden = table["cutoffs"][best]
    if not grouped:
        youden = _shortest(table["cutoffs"][best - 1] if best else 0.0, youden)
    return {"n": n, "events": events, "auc": auc, **table, "youden": youden}


def exact_counts(y: ArrayLike, p: ArrayLike) -> Counts:
    """Diseased (tp) and healthy (fp) patients at or above every observed risk, cut-offs ascending."""
    corners = roc_points(y, p).iloc[:0:-1]
    events = int(np.sum(y))
    return {
        "cutoffs": corners["threshold"].tolist(),
        "tp": (corners["sensitivity"] * events).round().astype(int).tolist(),
        "fp": ((1 - corners["specificity"]) * (len(y) - events)).round().astype(int).tolist(),
    }


def grouped_counts(y: ArrayLike, p: ArrayLike, smallest: int) -> Counts:
    """Counts at hundredths, in steps that no single patient can be told from.

    From one cut-off to the next, and from the last one to the end, either none or at least ``smallest``
    patients change sides, among the diseased as among the healthy. So none of the four cells, and no
    difference between two of them, is a count from 1 to ``smallest`` - 1.
    """
    outcome, risk = np.asarray(y), np.asarray(p)
    rows = [(0.0, int(outcome.sum()), int((outcome == 0).sum()))]

    def apart(one: tuple, other: tuple) -> bool:
        return all(a == b or a - b >= smallest for a, b in zip(one[1:], other[1:], strict=True))

    for cutoff in np.arange(1, 100) / 100:
        positive = risk >= cutoff
        row = (float(cutoff), int(outcome[positive].sum()), int((1 - outcome[positive]).sum()))
        if row[1:] != rows[-1][1:] and apart(rows[-1], row) and apart(row, (1.0, 0, 0)):
            rows.append(row)
    if not apart(rows[0], (1.0, 0, 0)):
        return {"cutoffs": [], "tp": [], "fp": []}
    cutoffs, tp, fp = zip(*rows, strict=True)
    return {"cutoffs": list(cutoffs), "tp": list(tp), "fp": list(fp)}


def _shortest(low: float, high: float) -> float:
    """The number of fewest decimals above ``low`` and not above ``high``: it classifies as ``high`` does."""
    for digits in range(2, 10):
        shorter = math.floor(high * 10**digits) / 10**digits
        if low < shorter <= high:
            return shorter
    return high


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page of the explorer includes; none while the run has no predictions that fit it."""
    if not run.has(run.artifact_path("predictions")):
        return {}
    return {"interactive/cutoff_explorer.md": _page(run).encode()}


def _page(run: Run) -> str:
    study = run.study
    # Stricter than Study.is_virtual: one real site among virtual ones is enough for groups.
    grouped = not (study.simulated or all(site.virtual is not None for site in study.sites))
    smallest = max(SMALLEST_GROUP, study.min_cell)
    return rendered(
        "cutoff_explorer.md",
        data=cutoff_data(run.read("predictions"), grouped, smallest) | {"groups": study.outcome.titles},
        smallest=smallest,
        has_picture=run.figure_path("figure_6", "svg").is_file(),
    )
