"""The clinical model and the nomogram, with its scale of points (paper 3.4, Figure 5).

A study without clinical predictors has no clinical model, and a nomogram of the Rad-score alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from helpers.errors import StudyError
from helpers.learning.logistic import LogisticModel, fit_logistic, levels_of, predictors_of

NO_CLINICAL = "there is none, because the study names no clinical predictors"
RISK_TICKS = [0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99]


def fit_models(training: pd.DataFrame, predictors: list[str]) -> dict[str, LogisticModel]:
    """The clinical model (where there are predictors) and the nomogram, fitted on the training patients.

    ``training`` has a row a patient: outcome, rad_score and the study's clinical predictors.
    """
    used = {"clinical": predictors, "nomogram": [*predictors, "rad_score"]}
    return {name: fit_logistic(training, "outcome", names) for name, names in used.items() if names}


def formulas(fitted: Mapping[str, LogisticModel]) -> dict[str, str]:
    """The log odds of the clinical model and the nomogram written out, or why there is none."""
    return {
        name: fitted[name].formula() if name in fitted else NO_CLINICAL for name in ("clinical", "nomogram")
    }


def with_models(
    predictions: pd.DataFrame, patients: pd.DataFrame, fitted: Mapping[str, LogisticModel]
) -> pd.DataFrame:
    """Predictions with those of the clinical, radiomics and nomogram models in place of any older ones.

    As in the paper (Table 5 equals Table 3) the radiomics model is chapter 05's logistic regression, LR.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    patients : DataFrame
        patient_id, cohort, outcome and the models' predictors, one row a patient.
    fitted : mapping of str to LogisticModel
        The other models, by name.
    """
    keys = patients[["patient_id", "cohort", "outcome"]]
    added = [
        keys.assign(model=name, probability=model.probability(patients)) for name, model in fitted.items()
    ]
    radiomics = predictions[predictions["model"] == "LR"].assign(model="radiomics")
    kept = predictions[~predictions["model"].isin(["radiomics", *fitted])]
    return pd.concat([kept, radiomics, *added], ignore_index=True)


def typical_patient(data: pd.DataFrame, predictors: list[str]) -> dict[str, float | str]:
    """A made-up patient: the median of each number, the most frequent level of each text."""
    return {
        name: float(column.median()) if pd.api.types.is_numeric_dtype(column) else str(column.mode()[0])
        for name, column in data[predictors].items()
    }


def describe(row: Mapping[str, float | str], titles: Mapping[str, str]) -> str:
    """A patient's values in words, for example ``Age (years) 61, Sex female``."""
    return ", ".join(
        f"{titles.get(name, name)} {value if isinstance(value, str) else f'{value:.3g}'}"
        for name, value in row.items()
    )


class Nomogram:
    """A logistic model as points, scaled as R ``rms::nomogram`` does.

    The widest axis has 100 points, and the value of lowest risk on each axis has none. Points follow the
    ticks, which may go beyond the data: an axis runs over R's ``pretty(range, n = 10)``, or over the values
    themselves when a predictor has ten or fewer.

    Parameters
    ----------
    coefficients : mapping of str to float
        ``Intercept`` and one coefficient a numeric predictor (``age``) or level (``sex=male``).
    data : DataFrame, or mapping of str to list
        The patients whose values the axes cover, or the ready axes (ticks; levels, the reference first).

    Attributes
    ----------
    axes : dict of str to list
        Ticks or levels of each predictor.
    points_per_unit : float
        Points for one unit of log odds.
    zero_points : float
        Log odds at 0 total points.

    Raises
    ------
    StudyError
        When no predictor changes the risk.
    """

    def __init__(self, coefficients: Mapping[str, float], data: pd.DataFrame | Mapping[str, list]) -> None:
        self.coefficients = {name: float(value) for name, value in coefficients.items()}
        self.predictors = predictors_of(self.coefficients)
        if isinstance(data, pd.DataFrame):
            levels = levels_of(data, self.predictors)
            self.axes = {name: levels.get(name) or axis_ticks(data[name]) for name in self.predictors}
        else:
            self.axes = {name: list(data[name]) for name in self.predictors}
        log_odds = {name: [self._log_odds(name, value) for value in axis] for name, axis in self.axes.items()}
        self._lowest = {name: min(values) for name, values in log_odds.items()}
        widest = max(max(values) - min(values) for values in log_odds.values())
        if not widest > 0:
            raise StudyError(
                "A nomogram needs a predictor that changes the risk, but all coefficients are 0."
            )
        self.points_per_unit = 100 / widest
        self.zero_points = self.coefficients["Intercept"] + sum(self._lowest.values())

    def _log_odds(self, predictor: str, value: float | str) -> float:
        if predictor in self.coefficients:
            return self.coefficients[predictor] * float(value)
        if value == self.axes[predictor][0]:
            return 0.0
        if f"{predictor}={value}" not in self.coefficients:
            known = ", ".join(self.axes[predictor])
            raise StudyError(f"The nomogram has no value '{value}' of {predictor}; it knows {known}.")
        return self.coefficients[f"{predictor}={value}"]

    def middle(self) -> dict[str, float | str]:
        """A made-up patient: the middle of each axis, the reference level of each text."""
        middles = {
            name: 0 if isinstance(axis[0], str) else len(axis) // 2 for name, axis in self.axes.items()
        }
        return {name: self.axes[name][place] for name, place in middles.items()}

    def points(self, row: Mapping[str, float | str]) -> dict[str, float]:
        """Points of one patient for each predictor; values beyond an axis have points beyond it."""
        return {
            name: (self._log_odds(name, row[name]) - self._lowest[name]) * self.points_per_unit
            for name in self.predictors
        }

    def total_points(self, data: pd.DataFrame) -> NDArray[np.float64]:
        """Sum of points, shape (patients,)."""
        return np.array([sum(self.points(row).values()) for row in data[self.predictors].to_dict("records")])

    def probability(self, total_points: float | NDArray) -> float | NDArray[np.float64]:
        """Predicted risk at a sum of points."""
        return expit(self.zero_points + np.asarray(total_points) / self.points_per_unit)[()]

    def total_at(self, probability: float | NDArray) -> float | NDArray[np.float64]:
        """Sum of points at a predicted risk: the inverse of `probability`."""
        return ((logit(probability) - self.zero_points) * self.points_per_unit)[()]

    def to_dict(self) -> dict:
        """Everything in JSON's types; ``Nomogram(d["coefficients"], d["axes"])`` makes it again."""
        return {
            "coefficients": self.coefficients,
            "axes": self.axes,
            "lowest_log_odds": self._lowest,
            "points_per_unit": self.points_per_unit,
            "zero_points": self.zero_points,
        }


def axis_ticks(values: pd.Series) -> list[float]:
    """Ticks of a numeric axis: the values themselves up to ten, else R's ``pretty(range, n = 10)``."""
    distinct = np.unique(values.astype(float))
    return distinct.tolist() if distinct.size <= 10 else pretty(distinct[0], distinct[-1], 10)


def pretty(low: float, high: float, n: int = 10) -> list[float]:
    """About ``n`` round numbers that cover ``low`` to ``high``, as R's ``pretty()`` chooses them."""
    # R's bias towards larger units: h = 1.5, and h5 = 0.5 + 1.5 h for steps of 5.
    cell, h, h5 = (high - low) / n, 1.5, 2.75
    unit = base = 10.0 ** np.floor(np.log10(cell))
    if 2 * base - cell < h * (cell - unit):
        unit = 2 * base
    if 5 * base - cell < h5 * (cell - unit):
        unit = 5 * base
    if 10 * base - cell < h * (cell - unit):
        unit = 10 * base
    # Rounded to the unit's own digits, so that 0.30000000000000004 is 0.3.
    first, last = np.floor(low / unit + 1e-7), np.ceil(high / unit - 1e-7)
    digits = max(0, int(np.ceil(-np.log10(unit))) + 1)
    return [round(float(step * unit), digits) for step in np.arange(first, last + 1)]


def axis_points(nomogram: Nomogram, name: str) -> list[float]:
    """Points of every tick or level on one axis."""
    row = {other: values[0] for other, values in nomogram.axes.items()}
    return [nomogram.points({**row, name: value})[name] for value in nomogram.axes[name]]
