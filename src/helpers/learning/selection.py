"""From 1688 features to the Rad-score: reliability, Mann-Whitney U, Spearman, mRMR, LASSO (paper 2.5, 3.2).

The transformers are the one implementation of the selection: chapter 4 fits their pipeline once, strict
validation fits it anew in every resample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import ClassifierTags
from sklearn.utils.validation import check_is_fitted, validate_data

from helpers.checked_inputs import checked_outcome, named_values
from helpers.errors import StudyError
from helpers.learning.draws import feasible_folds, folds_in_words, rows_within_classes
from helpers.learning.lasso import Family, lasso_cv, lasso_path
from helpers.learning.ranking import is_constant, mann_whitney, mrmr, spearman_prune
from helpers.learning.smote import LimitedSmote
from helpers.study.parallel import on_cores

LAMBDAS = ("min", "1se")
SMOTE_WAYS = ("before", "after", "none")


class _Filter(SelectorMixin, BaseEstimator):
    """A selection step: fitting decides `support_`, a mask of the features (columns) that stay."""

    def fit(self, X, y=None):
        """Decide which features stay; ``y`` is not used."""
        values = validate_data(self, X, dtype=float, ensure_min_samples=2)
        self.support_ = self._decide(self._table(values))
        return self

    def _table(self, values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, columns=getattr(self, "feature_names_in_", None))

    def _get_support_mask(self):
        check_is_fitted(self, "support_")
        return self.support_


class _OutcomeFilter(_Filter):
    """A selection step that looks at the outcome."""

    def fit(self, X, y):
        """Decide which features stay; of the two classes in ``y`` the larger label is the outcome."""
        values, y = validate_data(self, X, y, dtype=float, ensure_min_samples=2)
        classes, outcome = np.unique(y, return_inverse=True)
        if len(classes) != 2:
            raise StudyError(
                f"Selecting features needs two classes of patients; there is {len(classes)} class."
            )
        self.support_ = self._decide(self._table(values), outcome)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.classifier_tags = ClassifierTags(multi_class=False)
        return tags


class IccFilter(_Filter):
    """Keep features whose readers' agreement is above a threshold; where none is, that of the largest ICC.

    Parameters
    ----------
    icc : mapping of str to float
        ICC of each feature; where it could not be computed (NaN) the feature goes. Where it could be for
        none, all stay. ``largest_`` is the largest.
    threshold : float or None
        None keeps every feature, for a study without a second reader.
    """

    def __init__(self, icc: Mapping[str, float], threshold: float | None = 0.80):
        self.icc = icc
        self.threshold = threshold

    def _decide(self, table):
        if self.threshold is None:
            return np.ones(table.shape[1], dtype=bool)
        unknown = [name for name in table if name not in self.icc]
        if unknown:
            raise StudyError(
                f"{len(unknown)} feature(s) have no ICC, for example '{unknown[0]}': run 03_extraction "
                "again, so that features and ICC come from the same settings."
            )
        agreement = np.array([self.icc[name] for name in table])
        if np.isnan(agreement).all():  # fewer than two patients were read twice: reliability is unknown
            return np.ones(table.shape[1], dtype=bool)
        self.largest_ = np.nanmax(agreement)
        return agreement > min(self.threshold, np.nextafter(self.largest_, -2))


class ConstantFilter(_Filter):
    """Drop features that are the same in every patient (within a billionth of their size)."""

    def _decide(self, table):
        support = ~is_constant(table.to_numpy())
        if not support.any():
            raise StudyError("Every feature is the same in all patients: look at the images and masks.")
        return support


class MannWhitneyFilter(_OutcomeFilter):
    """Keep features with P (``p_values_``) below ``p_value``; where none is, the one with the smallest P.

    P values are not corrected for the number of features, as in the paper.
    """

    def __init__(self, p_value: float = 0.05):
        self.p_value = p_value

    def _decide(self, table, outcome):
        self.p_values_ = mann_whitney(table, outcome).p_value
        return self.p_values_ < max(self.p_value, np.nextafter(self.p_values_.min(), 2))


class SpearmanPruner(_Filter):
    """Keep features of which no two have abs(rho) above ``threshold`` (:func:`spearman_prune`)."""

    def __init__(self, threshold: float = 0.90):
        self.threshold = threshold

    def _decide(self, table):
        return table.columns.isin(spearman_prune(table, self.threshold))


class MrmrSelector(_OutcomeFilter):
    """Keep the first ``k`` features by :func:`mrmr`, whose result is ``ranking_``."""

    def __init__(self, k: int = 50, scheme: str = "FCQ"):
        self.k = k
        self.scheme = scheme

    def _decide(self, table, outcome):
        self.ranking_ = mrmr(table, outcome, self.k, self.scheme)
        return table.columns.isin(self.ranking_.features)


class LassoSelector(_OutcomeFilter):
    """Keep features with a LASSO coefficient at the cross-validated penalty (:func:`lasso_cv`).

    Where none has one at that penalty, the largest penalty that keeps a feature is taken instead.

    Parameters
    ----------
    family, folds, seed
        As in :func:`lasso_cv`; a number of folds that the rarer outcome has no patients for is lowered.
    rule : "min" or "1se"
        lambda.min or lambda.1se.

    Attributes
    ----------
    folds_ : int or array
        The folds made.
    cv_ : LassoCv
    index_ : int
        Position of the penalty taken.
    fell_back_ : bool
        Whether none had a coefficient at the cross-validated penalty.
    intercept_ : float
    coef_ : ndarray, shape (features,)
        On the scale of the features as given.
    """

    def __init__(self, family: Family = "binomial", rule: str = "min", folds: int = 10, seed: int = 0):
        self.family = family
        self.rule = rule
        self.folds = folds
        self.seed = seed

    def _decide(self, table, outcome):
        if self.rule not in LAMBDAS:
            raise StudyError(f"lasso_lambda is '{self.rule}'. Choose one of {', '.join(LAMBDAS)}.")
        folds = self.folds
        if isinstance(folds, int | np.integer) and self.family == "binomial":
            folds = feasible_folds(outcome, folds)
        self.folds_ = folds
        self.cv_ = lasso_cv(table, outcome, folds, self.family, seed=self.seed)
        path = self.cv_.path
        index = self.cv_.index_min if self.rule == "min" else self.cv_.index_1se
        self.fell_back_ = bool(path.nonzero[index] == 0)
        if self.fell_back_:
            index = int(np.argmax(path.nonzero > 0))
        self.index_ = index
        self.intercept_, self.coef_ = float(path.intercepts[index]), path.coefficients[index]
        return self.coef_ != 0


@dataclass(frozen=True)
class SelectionSettings:
    """Knobs of chapter 4 with the paper's values, or ours where it is silent (book, chapter 4).

    ``smote``: "before" lets synthetic patients take part in every step from Mann-Whitney on; "after" and
    "none" select on real patients only (and differ in chapter 5, which resamples unless it is "none").
    """

    icc_threshold: float | None = 0.80
    mann_whitney_p: float = 0.05
    spearman_threshold: float = 0.90
    mrmr_features: int = 50
    mrmr_scheme: str = "FCQ"
    lasso_family: Family = "binomial"
    lasso_lambda: str = "min"
    folds: int = 10
    smote: str = "before"

    def __post_init__(self):
        if self.smote not in SMOTE_WAYS:
            raise StudyError(f"smote is '{self.smote}'. Choose one of {', '.join(SMOTE_WAYS)}.")


def selection_pipeline(icc: Mapping[str, float], settings: SelectionSettings, seed: int) -> Pipeline:
    """All steps of the selection as one unfitted estimator for a table of raw features.

    Parameters
    ----------
    icc : mapping of str to float
        Agreement of the two readers for each feature.
    seed : int
        For SMOTE and the LASSO's folds.
    """
    s = settings
    smote = [("smote", LimitedSmote(random_state=seed))] if s.smote == "before" else []
    steps = [
        ("icc", IccFilter(icc, s.icc_threshold)),
        ("constant", ConstantFilter()),
        ("scale", StandardScaler()),
        *smote,
        ("mann_whitney", MannWhitneyFilter(s.mann_whitney_p)),
        ("spearman", SpearmanPruner(s.spearman_threshold)),
        ("mrmr", MrmrSelector(s.mrmr_features, s.mrmr_scheme)),
        ("lasso", LassoSelector(s.lasso_family, s.lasso_lambda, s.folds, seed)),
    ]
    return Pipeline(steps).set_output(transform="pandas")


@dataclass(frozen=True)
class Selection:
    """A fitted selection; ``survivors`` names the features left after each step, "extracted" to "lasso"."""

    settings: SelectionSettings
    pipeline: Pipeline
    survivors: dict[str, list[str]]

    @property
    def lasso(self) -> LassoSelector:
        """The fitted last step."""
        return self.pipeline["lasso"]

    @property
    def coefficients(self) -> pd.Series:
        """LASSO coefficients of the selected features (per SD), largest in size first."""
        chosen = pd.Series(self.lasso.coef_, index=self.lasso.feature_names_in_)[self.lasso.support_]
        return chosen.sort_values(key=lambda value: -value.abs(), kind="stable")

    @property
    def notes(self) -> list[str]:
        """Which of the rules for empty steps were used, in words."""
        notes, icc = [], self.pipeline["icc"]
        if icc.threshold is None:
            notes.append("No ICC: no feature was left out for the disagreement of two readers.")
        elif icc.largest_ <= icc.threshold:
            notes.append(
                f"No feature has an ICC above {icc.threshold:g}; the one with the largest "
                f"({icc.largest_:.2f}) was kept. Compare the two readers' work."
            )
        if self.pipeline["mann_whitney"].p_values_.min() >= self.settings.mann_whitney_p:
            notes.append("No feature passed the Mann-Whitney U test; the one with the smallest P was kept.")
        if self.lasso.fell_back_:
            notes.append("The cross-validated penalty kept no feature; the largest that keeps one was taken.")
        notes += filter(None, [folds_in_words(self.settings.folds, self.lasso.folds_)])
        return notes

    def as_dict(self) -> dict:
        """Everything that later chapters and the frozen model need, as plain values."""
        scaler, cv = self.pipeline["scale"], self.lasso.cv_
        scaling = pd.DataFrame({"mean": scaler.mean_, "sd": scaler.scale_}, index=scaler.feature_names_in_)
        features = self.coefficients.index.tolist()
        return {
            "features": features,
            "coefficients": self.coefficients.tolist(),
            "intercept": self.lasso.intercept_,
            "mean": scaling.loc[features, "mean"].tolist(),
            "sd": scaling.loc[features, "sd"].tolist(),
            "lambda": float(cv.path.lambdas[self.lasso.index_]),
            "lambda_min": cv.lambda_min,
            "lambda_1se": cv.lambda_1se,
            "survivors": self.survivors,
            "settings": asdict(self.settings),
            "notes": self.notes,
        }


def usable_threshold(icc: pd.Series, threshold: float | None) -> float | None:
    """The ICC's threshold; None when no two patients were read twice, so that reliability is unknown."""
    return threshold if icc.notna().any() else None


def select_features(
    features: pd.DataFrame,
    outcome: np.ndarray,
    icc: Mapping[str, float],
    settings: SelectionSettings,
    seed: int,
) -> Selection:
    """Run the whole selection on the training patients.

    Parameters
    ----------
    features : DataFrame, shape (patients, features)
        Raw features, indexed by patient.
    outcome : array of 0 and 1, shape (patients,)
    icc, settings, seed
        As in :func:`selection_pipeline`.

    Raises
    ------
    StudyError
        For missing or infinite features (naming patient and feature), one class only, or a step that keeps
        nothing and has no rule for it.
    """
    named_values(features)
    pipeline = selection_pipeline(icc, settings, seed).fit(features, checked_outcome(outcome))
    survivors = {"extracted": features.columns.tolist()}
    for name in ("icc", "constant", "mann_whitney", "spearman", "mrmr", "lasso"):
        survivors[name] = pipeline[name].get_feature_names_out().tolist()
    return Selection(settings, pipeline, survivors)


def rad_score(selection: dict, features: pd.DataFrame) -> pd.Series:
    """Rad-score = intercept + sum of coefficient x z-score (training mean and SD), one value a patient.

    Parameters and errors as for `z_scores`.
    """
    z = z_scores(selection, features)
    return (selection["intercept"] + z @ np.array(selection["coefficients"])).rename("rad_score")


def z_scores(selection: dict, features: pd.DataFrame) -> pd.DataFrame:
    """The selected features, minus the training mean, divided by the training SD.

    Parameters
    ----------
    selection : dict
        As written by :meth:`Selection.as_dict`.
    features : DataFrame
        Raw features; others than the selected ones are ignored.

    Raises
    ------
    StudyError
        Naming the selected features that the table lacks.
    """
    missing = [name for name in selection["features"] if name not in features]
    if missing:
        raise StudyError(
            f"{len(missing)} of the model's {len(selection['features'])} features are not in the table: "
            f"{', '.join(missing[:5])}. Extract them with the settings the model was made with."
        )
    chosen = features[selection["features"]]
    named_values(chosen)
    return (chosen - np.array(selection["mean"])) / np.array(selection["sd"])


def selection_frequency(
    selection: Selection, features: pd.DataFrame, outcome: np.ndarray, resamples: int, seed: int, workers: int
) -> pd.Series:
    """How often the LASSO keeps each of its candidates when the training patients are drawn again.

    Patients are drawn with replacement within each class, SMOTE (where the selection used it) is done anew,
    and the LASSO is fitted at the penalty of ``selection``. The candidates (mRMR's choice) stay the same: the
    frequencies are therefore higher than a repetition of the whole selection would give.

    Parameters
    ----------
    features, outcome
        Of the training patients, as in :func:`select_features`.
    workers : int
        0 for all cores; the result does not depend on it.

    Returns
    -------
    Series
        Proportion of resamples, indexed by candidate, largest first.
    """
    candidates = selection.lasso.feature_names_in_
    scaled = selection.pipeline[:3].transform(features)  # icc, constant, scale
    z = scaled[candidates].to_numpy()
    penalty = selection.lasso.cv_.path.lambdas[selection.lasso.index_]
    y = checked_outcome(outcome)
    seeds = np.random.SeedSequence(seed).generate_state(resamples).tolist()
    choose = partial(_resampled_choice, z, y, penalty, selection.settings)
    chosen = list(on_cores(choose, seeds, workers, prefer="threads"))
    frequency = pd.Series(np.mean(chosen, axis=0), index=candidates, name="frequency")
    return frequency.sort_values(ascending=False, kind="stable")


def _resampled_choice(
    z: np.ndarray, y: np.ndarray, penalty: float, settings: SelectionSettings, seed: int
) -> np.ndarray:
    rows = rows_within_classes(y, seed)
    resampled, outcome = z[rows], y[rows]
    if settings.smote == "before":
        resampled, outcome = LimitedSmote(random_state=seed).fit_resample(resampled, outcome)
    path = lasso_path(resampled, outcome, np.array([penalty]), settings.lasso_family)
    return path.coefficients[0] != 0
