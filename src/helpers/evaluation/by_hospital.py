"""A model judged hospital by hospital, and the random-effects summary of each measure (TRIPOD-Cluster)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from helpers.evaluation.calibration import calibration_summary
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.meta_analysis import FEWEST, random_effects
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.study.cohorts import hospital_of, is_one_of_several

ESTIMATES = ["estimate", "low", "high", "scaled", "variance"]
MEASURE_COLUMNS = ["hospital", "model", "measure", "n", "events", *ESTIMATES]


class Scale(NamedTuple):
    """Scale on which a measure is about normal: to it and back."""

    to: Callable[[NDArray], NDArray]
    back: Callable[[NDArray], NDArray]


def _same(values: NDArray) -> NDArray:
    return values


# As Debray et al. (10.1136/bmj.i6460) pool them.
SCALES = {
    "auc": Scale(logit, expit),
    "slope": Scale(_same, _same),
    "in_the_large": Scale(_same, _same),
    "observed_expected": Scale(np.log, np.exp),
}


def scale_of(measure: str) -> Scale:
    """The scale of a measure: net benefits and differences are their own."""
    return SCALES.get(measure, Scale(_same, _same))


class Apart(NamedTuple):
    """Models judged in each of several hospitals.

    Attributes
    ----------
    hospitals : DataFrame
        hospital, model, n, events and status: "judged", or "one class" (one outcome only).
    measures : DataFrame
        `MEASURE_COLUMNS` and weight (percent), a row a measure of those judged.
    summary : DataFrame
        As `summaries` gives it.
    """

    hospitals: pd.DataFrame
    measures: pd.DataFrame
    summary: pd.DataFrame

    @property
    def has_summary(self) -> bool:
        """Whether there are hospitals enough for a summary."""
        return self.hospitals["hospital"].nunique() >= FEWEST


def judged_apart(predictions: pd.DataFrame, models: list[str]) -> Apart:
    """Judge models in each of several external hospitals; empty tables where there are not several.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact, or of its format.
    models : list of str
    """
    hospitals, parts = [], []
    for cohort in filter(is_one_of_several, present_cohorts(predictions)):
        for model in models:
            wide = probabilities_wide(predictions, cohort, [model])
            y = wide["outcome"]
            known = {"hospital": hospital_of(cohort), "model": model, "n": len(y), "events": int(y.sum())}
            hospitals.append(known | {"status": "judged" if y.nunique() > 1 else "one class"})
            if y.nunique() > 1:
                parts.append(judged(y, wide[model]).reset_index().assign(**known))
    named = ["hospital", "model", "n", "events", "status"]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=MEASURE_COLUMNS)
    measures = with_weights(found[MEASURE_COLUMNS])
    return Apart(pd.DataFrame(hospitals, columns=named), measures, summaries(measures))


def judged(y: ArrayLike, p: ArrayLike) -> pd.DataFrame:
    """Discrimination and calibration of predicted risks in one hospital, with their 95 % intervals.

    Parameters
    ----------
    y, p : array_like, shape (patients,)
        Outcome 0/1, both present, and predicted risks.

    Returns
    -------
    DataFrame
        Indexed by measure, in the order of `SCALES`: estimate, low, high; scaled and variance, on the
        measure's scale. What cannot be estimated is NaN. The AUC has DeLong's variance, carried over to the
        log odds; slope and intercept have Wald's; log(observed / expected) has (1 - prevalence) / events
        (:doi:`10.1177/0962280218785504`).
    """
    area, summary, outcome = delong_auc(y, p), calibration_summary(y, p), np.asarray(y)
    wald = {
        name: (np.diff(getattr(summary, f"{name}_ci"))[0] / (2 * norm.ppf(0.975))) ** 2
        for name in ("slope", "in_the_large")
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        auc_variance = area.variance / np.square(area.auc * (1 - area.auc))
    rows = [
        ("auc", area.auc, auc_variance),
        *((name, getattr(summary, name), variance) for name, variance in wald.items()),
        ("observed_expected", summary.observed_expected, (1 - outcome.mean()) / outcome.sum()),
    ]
    table = on_scales(pd.DataFrame(rows, columns=["measure", "estimate", "variance"]))
    return table.set_index("measure")[ESTIMATES]


def on_scales(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each estimate on its measure's scale, and its 95 % interval back from there.

    Parameters
    ----------
    table : DataFrame
        measure, estimate, and variance on the measure's scale; what has no variance gets no interval.

    Returns
    -------
    DataFrame
        Its columns, scaled, low and high.
    """
    scales = [scale_of(measure) for measure in table["measure"]]
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = zip(scales, table["estimate"], strict=True)
        table = table.assign(scaled=np.array([scale.to(value) for scale, value in pairs], float))
    usable = np.isfinite(table[["scaled", "variance"]]).all(axis=1) & (table["variance"] > 0)
    table.loc[~usable, ["scaled", "variance"]] = np.nan
    half = norm.ppf(0.975) * np.sqrt(table["variance"])
    for side, sign in {"low": -1, "high": 1}.items():
        limits = table["scaled"] + sign * half
        table[side] = [scale.back(value) for scale, value in zip(scales, limits, strict=True)]
    return table


def summaries(measures: pd.DataFrame) -> pd.DataFrame:
    """Random-effects summary (REML, Hartung and Knapp) of each model's measures over the hospitals.

    Parameters
    ----------
    measures : DataFrame
        hospital, model, measure, and the columns of `judged`.

    Returns
    -------
    DataFrame
        model, measure, hospitals (those with an interval), estimate, ci_low, ci_high, pi_low, pi_high (back
        from the measure's scale), tau2, i2, q, q_p (on it). With fewer than three hospitals there is no
        summary: all of these are missing.
    """
    rows = []
    for (model, measure), part in measures.groupby(["model", "measure"], sort=False):
        known = part.dropna(subset=["scaled", "variance"])
        row = {"model": model, "measure": measure, "hospitals": len(known)}
        if len(known) >= FEWEST:
            row |= _summary(known, scale_of(measure).back)
        rows.append(row)
    columns = "model measure hospitals estimate ci_low ci_high pi_low pi_high tau2 i2 q q_p".split()
    return pd.DataFrame(rows, columns=columns)


def _summary(known: pd.DataFrame, back: Callable) -> dict[str, float]:
    found = random_effects(known["scaled"], known["variance"])
    there = {"estimate": found.mean} | {
        name: getattr(found, name) for name in ("ci_low", "ci_high", "pi_low", "pi_high")
    }
    own = {name: getattr(found, name) for name in ("tau2", "i2", "q", "q_p")}
    return {name: float(back(value)) for name, value in there.items()} | own


def with_weights(measures: pd.DataFrame) -> pd.DataFrame:
    """``measures`` with each hospital's weight (percent) in the summary; missing where there is none."""
    weights = pd.Series(np.nan, index=measures.index)
    for _, part in measures.dropna(subset=["scaled", "variance"]).groupby(["model", "measure"]):
        if len(part) >= FEWEST:
            weights[part.index] = random_effects(part["scaled"], part["variance"]).weights
    return measures.assign(weight=weights)
