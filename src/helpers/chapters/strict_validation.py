"""The whole modelling procedure inside resampling of patients: what a methodologist would accept.

The procedure is chapter 4's pipeline of selection steps
(:func:`helpers.learning.selection.selection_pipeline`) followed by a ridge logistic regression whose penalty
is tuned by log-loss. Harmonising, the ICC filter, scaling, SMOTE (off unless asked for), selection and
tuning are all fitted anew in every resample, so that nothing of a held-out patient enters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, StratifiedKFold
from threadpoolctl import threadpool_limits

from helpers.checked_inputs import checked_outcome
from helpers.errors import StudyError
from helpers.evaluation.calibration import calibration_summary
from helpers.evaluation.delong import AucEstimate, delong_auc
from helpers.features.reliability import icc
from helpers.learning.combat import ComBat
from helpers.learning.draws import divisible_folds, feasible_folds, rows_within_classes, stratified_folds
from helpers.learning.ranking import is_constant
from helpers.learning.selection import SelectionSettings, selection_pipeline
from helpers.study.parallel import on_cores, with_progress

PENALTIES = [0.001, 0.01, 0.1, 1, 10]  # scikit-learn's C, the inverse of the penalty
MEASURES = ["c_index", "slope", "intercept", "in_the_large", "brier"]
STRICT = SelectionSettings(smote="none")


@dataclass(frozen=True)
class Procedure:
    """Everything that learns from patients, as one recipe.

    Attributes
    ----------
    icc : mapping of str to float, or DataFrame
        Agreement of the two readers for each feature; or the second reader's features, indexed by patient,
        from which it is computed on those patients of each resample whom both have read.
    settings : SelectionSettings
        Of the selection; ``folds`` also for the tuning of the regression.
    batches : mapping of patient to scanner, optional
        Harmonise by ComBat over these first.
    """

    icc: Mapping[str, float] | pd.DataFrame
    settings: SelectionSettings = STRICT
    batches: Mapping[str, str] | None = None

    def fit(self, features: pd.DataFrame, y: np.ndarray, seed: int) -> Pipeline:
        """Fit on a table of patients (its index); a patient who is there twice stays in one inner fold."""
        settings, inner = self._inner_folds(features.index, y, seed)
        harmonise = [] if self.batches is None else [("combat", ComBat(self.batches))]
        search = GridSearchCV(
            LogisticRegression(solver="newton-cholesky", tol=1e-8),
            {"C": PENALTIES},
            scoring="neg_log_loss",
            cv=inner,
            error_score="raise",
        )
        steps = selection_pipeline(self.agreement(features), settings, seed).steps
        return Pipeline([*harmonise, *steps, ("model", search)]).fit(features, y)

    def agreement(self, features: pd.DataFrame) -> Mapping[str, float]:
        """ICC(2,1) of each feature, for the patients in ``features``; empty when it is not asked for."""
        if self.settings.icc_threshold is None:
            return {}
        if not isinstance(self.icc, pd.DataFrame):
            return self.icc
        both = sorted(set(features.index) & set(self.icc.index))
        if len(both) < 2:
            return dict.fromkeys(features.columns, np.nan)
        first = features.loc[~features.index.duplicated()].loc[both]
        readings = np.stack([first, self.icc.loc[both, first.columns]], axis=-1)
        return dict(zip(first.columns, icc(np.swapaxes(readings, 0, 1)).icc, strict=True))

    def _inner_folds(self, patients: pd.Index, y: np.ndarray, seed: int) -> tuple[SelectionSettings, object]:
        distinct = pd.Series(y, index=patients).groupby(level=0).first()
        folds = feasible_folds(distinct, self.settings.folds)
        if self.settings.smote == "before":
            # Synthetic patients join before the folds are drawn, as in the paper: no fold number fits them.
            cv = StratifiedKFold(folds, shuffle=True, random_state=seed)
            return replace(self.settings, folds=folds), cv
        numbers = stratified_folds(y, folds, seed, patients)
        return replace(self.settings, folds=numbers), PredefinedSplit(numbers)


class Fitted(NamedTuple):
    """Predicted risks of one resample's model, and the features it chose."""

    probability: np.ndarray
    chosen: list[str]


def fit_and_predict(
    procedure: Procedure, features: pd.DataFrame, y: np.ndarray, new: pd.DataFrame, seed: int
) -> Fitted:
    """Fit on ``features`` and ``y``, predict the risks of the patients in ``new``.

    Where no feature varies in a resample, everyone's risk is the share of patients with the outcome.
    """
    if is_constant(features.to_numpy(float)).all():
        return Fitted(np.full(len(new), np.mean(y)), [])
    # One thread: sums would depend on their number.
    with threadpool_limits(1):
        fitted = procedure.fit(features, y, seed)
        return Fitted(fitted.predict_proba(new)[:, 1], fitted["lasso"].get_feature_names_out().tolist())


@dataclass(frozen=True)
class Nested:
    """Risks of patients by models that never saw them.

    Attributes
    ----------
    probability : ndarray, shape (repeats, patients)
    chosen : list of list of str
        Features of each of the repeats x folds models.
    """

    probability: np.ndarray
    chosen: list[list[str]]

    @property
    def mean(self) -> np.ndarray:
        """Each patient's risk averaged over the repeats, shape (patients,)."""
        return self.probability.mean(axis=0)


def nested_predictions(
    procedure: Procedure,
    features: pd.DataFrame,
    y: np.ndarray,
    folds: int,
    repeats: int,
    seed: int,
    workers: int,
    label: str = "Nested cross-validation",
) -> Nested:
    """Repeated stratified cross-validation of the whole procedure.

    Parameters
    ----------
    procedure : Procedure
    features : DataFrame, shape (patients, features)
        Raw features, indexed by patient.
    y : array of 0 and 1, shape (patients,)
    folds, repeats : int
        Outer folds (as many as the rarer class has patients when there are fewer), new ones each repeat.
    seed : int
    workers : int
        0 for all cores; the result does not depend on it.
    label : str
        What the progress bar says.
    """
    y = checked_outcome(y)
    folds = divisible_folds(y, folds)
    seeds = np.random.SeedSequence(seed).generate_state(repeats).tolist()
    numbers = np.array([stratified_folds(y, folds, one) for one in seeds])
    tasks = [(numbers[repeat] == fold, seeds[repeat]) for repeat in range(repeats) for fold in range(folds)]
    run = partial(_held_out, procedure, features, y)
    parts = with_progress(on_cores(run, tasks, workers), tasks, label, unit="fit")
    probability = np.empty(numbers.shape)
    for position, ((held_out, _), part) in enumerate(zip(tasks, parts, strict=True)):
        probability[position // folds, held_out] = part.probability
    return Nested(probability, [part.chosen for part in parts])


def _held_out(procedure: Procedure, features: pd.DataFrame, y: np.ndarray, task: tuple) -> Fitted:
    held_out, seed = task
    return fit_and_predict(procedure, features[~held_out], y[~held_out], features[held_out], seed)


def nested_auc(y: np.ndarray, nested: Nested) -> AucEstimate:
    """AUC of held-out predictions: mean over repeats, with the mean of DeLong's variances.

    The repeats share their patients: averaging over them removes the chance of the folds, not that of the
    patients, so the variance is not divided by their number. The interval leaves out that other training
    patients would have given another model.
    """
    each = [delong_auc(y, probability) for probability in nested.probability]
    auc, variance = (float(np.mean([getattr(one, name) for one in each])) for name in ("auc", "variance"))
    half = norm.ppf(0.975) * np.sqrt(variance)
    return AucEstimate(auc, variance, max(auc - half, 0.0), min(auc + half, 1.0))


def mean_calibration(y: np.ndarray, nested: Nested) -> pd.Series:
    """Mean over repeats of C index, calibration slope, intercepts and Brier score."""
    each = [measures(y, probability) for probability in nested.probability]
    return pd.DataFrame(each).mean()


def measures(y: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """C index, calibration slope, intercepts and Brier score of predicted risks."""
    summary = calibration_summary(y, probability)
    return {name: getattr(summary, name) for name in MEASURES}


@dataclass(frozen=True)
class Optimism:
    """Performance on the training patients, corrected for having been fitted on them.

    Attributes
    ----------
    table : DataFrame
        Indexed by c_index, slope, intercept, in_the_large, brier: apparent, optimism, corrected, resamples
        (in which the procedure could be fitted).
    chosen : list of list of str
        Features that each resample's model chose.
    """

    table: pd.DataFrame
    chosen: list[list[str]]


def bootstrap_optimism(
    procedure: Procedure, features: pd.DataFrame, y: np.ndarray, resamples: int, seed: int, workers: int
) -> Optimism:
    """Harrell's optimism bootstrap of the whole procedure, selection and tuning repeated in each resample.

    Patients are drawn with replacement within each class. The model of a resample is judged there and on the
    original patients; the mean difference is what fitting has flattered (doi
    10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4).

    Parameters
    ----------
    procedure, features, y, seed, workers
        As for `nested_predictions`.
    resamples : int
    """
    y = checked_outcome(y)
    apparent = measures(y, fit_and_predict(procedure, features, y, features, seed).probability)
    seeds = np.random.SeedSequence(seed).generate_state(resamples).tolist()
    run = partial(_resampled, procedure, features, y)
    parts = with_progress(on_cores(run, seeds, workers), seeds, "Bootstrap", unit="fit")
    parts = [part for part in parts if part is not None]
    if not parts:
        raise StudyError("The model could be fitted in no bootstrap resample: there are too few patients.")
    table = pd.DataFrame({"apparent": apparent, "optimism": pd.DataFrame([one for one, _ in parts]).mean()})
    table["corrected"] = table["apparent"] - table["optimism"]
    return Optimism(table.assign(resamples=len(parts)), [chosen for _, chosen in parts])


def _resampled(
    procedure: Procedure, features: pd.DataFrame, y: np.ndarray, seed: int
) -> tuple[dict[str, float], list[str]] | None:
    rows = rows_within_classes(y, seed)
    try:
        fitted = fit_and_predict(procedure, features.iloc[rows], y[rows], features, seed)
    except StudyError:  # too few different patients of a class
        return None
    there, here = measures(y[rows], fitted.probability[rows]), measures(y, fitted.probability)
    return {name: there[name] - here[name] for name in MEASURES}, fitted.chosen


def selection_frequencies(chosen: list[list[str]]) -> pd.Series:
    """Share of models that chose each feature, largest first; those never chosen are left out."""
    counts = pd.Series([name for names in chosen for name in names], dtype=str).value_counts(sort=False)
    frequency = (counts / len(chosen)).rename("frequency").sort_index()
    return frequency.sort_values(ascending=False, kind="stable")


def pairwise_overlap(chosen: list[list[str]]) -> float:
    """Mean Jaccard index of two resamples' choices: 1 when all agree, 0 when none shares a feature."""
    sets = [set(names) for names in chosen]
    pairs = [
        len(one & other) / len(one | other) for i, one in enumerate(sets) for other in sets[:i] if one | other
    ]
    return float(np.mean(pairs)) if pairs else float("nan")


def stability_in_words(chosen: list[list[str]]) -> dict[str, str]:
    """How alike the resamples' choices are, by glue's names."""
    frequency, sizes = selection_frequencies(chosen), [len(names) for names in chosen]
    return {
        "strict-overlap": f"{pairwise_overlap(chosen):.2f}",
        "strict-ever": f"{len(frequency)}",
        "strict-often": f"{(frequency >= 0.5).sum()}",
        "strict-sizes": f"{min(sizes)} to {max(sizes)}",
    }
