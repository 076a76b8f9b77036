"""One hospital's part of site.json: its judged patients as measures, counts and means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.predictions import present_models, probabilities_wide
from helpers.frozen.bundle import Bundle
from helpers.frozen.drift import acquisition, category_counts
from helpers.pooling.contract import Hospital, Moments
from helpers.pooling.measures import HU, LEVELS, is_small, measures_of, told_events
from helpers.study.cohorts import EXTERNAL
from helpers.study.small_counts import HIDDEN, shown_count

_EXACT = 15


@dataclass(frozen=True)
class Patients:
    """The patients of one hospital.

    Attributes
    ----------
    predictions : DataFrame
        Of those judged, in the set "external".
    people : DataFrame
        patient_id and clinical predictors of everybody measured.
    features : DataFrame
        patient_id and raw features; of others too.
    quality : DataFrame or None
        Rows of quality control; None where features came ready-made.
    """

    predictions: pd.DataFrame
    people: pd.DataFrame
    features: pd.DataFrame
    quality: pd.DataFrame | None

    @property
    def scans(self) -> pd.DataFrame | None:
        """Rows of quality control of everybody measured."""
        return None if self.quality is None else self.quality[self._are_measured(self.quality)]

    def values(self, names: list[str]) -> pd.DataFrame:
        """Features of everybody measured, by patient_id."""
        return self.features.set_index("patient_id").reindex(self.people["patient_id"])[names]

    def _are_measured(self, table: pd.DataFrame) -> pd.Series:
        return table["patient_id"].isin(self.people["patient_id"])


def described_hospital(
    bundle: Bundle,
    patients: Patients,
    min_cell: int,
    label: str,
    role: str,
    is_number_told: bool = True,
) -> Hospital:
    """One hospital's part of the file.

    Means are of everybody in ``people`` (predictors) and of those among them who have features: the same
    patients as in the hospital's other tables, so that no difference of two means is about the few between.
    Categories are of the judged patients, whose number is told; that of those measured is not told where it
    would tell few of another table (``is_number_told``).
    """
    predictions, people = patients.predictions, patients.people
    models = present_models(predictions, bundle.models)
    wide = probabilities_wide(predictions, EXTERNAL, models)
    outcome, scores = wide["outcome"].to_numpy(int), wide[models]
    judged = people[people["patient_id"].isin(wide["patient_id"])]
    scans = patients.scans
    if scans is not None:
        hu = scans.set_index("patient_id")["trabecular_hu"].reindex(wide["patient_id"])
        scores = scores.assign(**{HU: -hu.to_numpy()}) if hu.notna().all() else scores
    values = patients.values(bundle.features).dropna()
    cutoffs = {name: bundle.model["cutoffs"][name] for name in models}
    measures, covariance = measures_of(outcome, scores, cutoffs, min_cell)
    gaps = is_small([len(values) - len(wide), len(people) - len(wide), len(values)], min_cell)
    described = acquisition(scans)
    of_judged = None if scans is None else acquisition(scans[scans["patient_id"].isin(wide["patient_id"])])
    return Hospital(
        label=label,
        role=role,
        patients=shown_count(len(wide), min_cell) if is_small([len(wide)], min_cell)[0] else len(wide),
        events=told_events(outcome, min_cell),
        models=measures,
        auc_covariance=covariance,
        described=HIDDEN if gaps.any() or not is_number_told else len(values),
        predictors=_described(people[bundle.model["predictors"]], judged, min_cell),
        features={name: _moments(values[name], min_cell) for name in values},
        scans={} if of_judged is None else _described(described, of_judged, min_cell),
    )


def _described(everybody: pd.DataFrame, judged: pd.DataFrame, min_cell: int) -> dict[str, Any]:
    """Means of everybody's numbers; how many of the judged are in each category."""
    told = {}
    levels = LEVELS if min_cell > 1 else 2  # with nothing to hide, ages of few patients are numbers too
    for name in everybody:
        values = everybody[name].dropna()
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > levels:
            told[name] = _moments(values, min_cell)
        else:
            told[name] = _categories(judged[name], min_cell)
    return told


def _moments(values: pd.Series, min_cell: int) -> Moments:
    """Mean and SD; the SD divided by n as in the drift table, for the ratio of two kinds would tell n.

    So would the exact mean of whole numbers, which is whole again times n: both are rounded.
    """
    if len(values) < max(min_cell, 2):
        return Moments(mean=HIDDEN, sd=HIDDEN)
    digits = _digits(values) if min_cell > 1 else _EXACT
    return Moments(mean=round(float(values.mean()), digits), sd=round(float(values.std(ddof=0)), digits))


def _digits(values: pd.Series) -> int:
    """Decimals that do not tell n: n times the last one is as large as the values' step."""
    spread = float(values.std(ddof=0))
    if not spread > 0:
        return _EXACT
    steps = np.diff(np.unique((values / spread).round(9)))
    return math.floor(math.log10(len(values) / (steps.min() * spread)))


def _categories(values: pd.Series, min_cell: int) -> dict[str, int | str]:
    counts = category_counts(values, min_cell)
    return {name: shown_count(n, min_cell) if is_small([n], min_cell)[0] else n for name, n in counts.items()}
