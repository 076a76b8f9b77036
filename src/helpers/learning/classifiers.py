"""Classifiers on the selected features, tuned by inner cross-validation (paper 2.5, 3.3).

Each model is one pipeline: z-score, SMOTE, classifier. So the inner cross-validation scales and resamples
its training folds only, and nothing of a held-out patient enters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline
from lightgbm import LGBMClassifier
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from helpers.checked_inputs import checked_outcome
from helpers.learning.draws import divisible_folds
from helpers.learning.smote import LimitedSmote

# In the order of the paper's Table 3; what it does not have comes after.
MODELS = ["LR", "KNN", "SVM", "XGBoost", "RF", "LightGBM"]
GRIDS = {
    "LR": {"C": [0.001, 0.01, 0.1, 1, 10]},
    "KNN": {"n_neighbors": [5, 9, 15, 25, 45, 75]},
    "SVM": {"estimator__C": [0.01, 0.1, 1, 10], "estimator__gamma": [0.001, 0.01, "scale"]},
    "XGBoost": {"max_depth": [1, 2, 3], "n_estimators": [25, 50, 150]},
    "RF": {"max_depth": [3, 6, None], "min_samples_leaf": [1, 5]},
    "LightGBM": {"num_leaves": [2, 4, 8], "n_estimators": [25, 50, 150]},
}

_PARAMETERS = {
    "C": "C (inverse of the penalty)",
    "n_neighbors": "neighbours",
    "gamma": "gamma (inverse width)",
    "max_depth": "depth of a tree",
    "n_estimators": "trees",
    "min_samples_leaf": "patients in a leaf, at least",
    "num_leaves": "leaves of a tree",
}


@dataclass(frozen=True)
class FittedModel:
    """One tuned classifier, fitted on all training patients.

    Attributes
    ----------
    pipeline : Pipeline
        Steps scale, smote (optional), classifier.
    chosen : dict
        The hyper-parameters with the smallest cross-validated log loss.
    tried : dict of str to list
        The grid they were chosen from.
    cv_auc, cv_sd : float
        Mean and SD of the AUC over the inner folds, for the chosen values. The mean is slightly too high,
        being that of the best of several.
    """

    pipeline: Pipeline
    chosen: dict
    tried: dict
    cv_auc: float
    cv_sd: float


def fit_models(
    features: pd.DataFrame, outcome: np.ndarray, folds: int, smote: bool, seed: int, workers: int
) -> dict[str, FittedModel]:
    """Tune and fit the classifiers on the training patients.

    Settings are chosen by log loss: it judges the probabilities, to whose scale the AUC is blind.

    Parameters
    ----------
    features : DataFrame, shape (patients, features)
        Raw values of the selected features.
    outcome : array of 0 and 1, shape (patients,)
    folds : int
        Of the inner stratified cross-validation; fewer where `divisible_folds` says so.
    smote : bool
        Whether training folds, and the final training set, are balanced with synthetic patients.
    seed : int
        For folds, SMOTE and classifiers.
    workers : int
        0 for all cores; the result does not depend on it.

    Raises
    ------
    StudyError
        When a training fold would hold fewer than two patients of a class.
    """
    y = checked_outcome(outcome)
    folds = divisible_folds(y, folds)
    rarest = _rarest_in_fold(y, folds)
    cv = StratifiedKFold(folds, shuffle=True, random_state=seed)
    balance = [("smote", LimitedSmote(random_state=seed))] if smote else []
    fitted = {}
    for name in MODELS:
        grid = _feasible(GRIDS[name], smallest_fold=len(y) - -(-len(y) // folds))
        classifier = _classifier(name, seed, rarest)
        search = GridSearchCV(
            Pipeline([("scale", StandardScaler()), *balance, ("classifier", classifier)]),
            {f"classifier__{key}": values for key, values in grid.items()},
            scoring={"auc": "roc_auc", "log_loss": "neg_log_loss"},
            refit="log_loss",
            cv=cv,
            n_jobs=workers or -1,
            error_score="raise",
        ).fit(features.to_numpy(float), y)
        chosen, tried = (
            {key.split("__")[-1]: value for key, value in one.items()} for one in (search.best_params_, grid)
        )
        auc, sd = (float(search.cv_results_[f"{of}_test_auc"][search.best_index_]) for of in ("mean", "std"))
        fitted[name] = FittedModel(search.best_estimator_, chosen, tried, auc, sd)
    return fitted


def predict(models: dict[str, FittedModel], features: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Predicted probabilities in the long format of the ``predictions`` artifact.

    Parameters
    ----------
    features : DataFrame, shape (patients, features)
        Raw values of the selected features, in the order used for fitting.
    patients : DataFrame
        Row for row the same patients: patient_id, cohort, outcome.
    """
    rows, values = patients[["patient_id", "cohort", "outcome"]], features.to_numpy(float)
    parts = [
        rows.assign(model=name, probability=model.pipeline.predict_proba(values)[:, 1].astype(float))
        for name, model in models.items()
    ]
    return pd.concat(parts, ignore_index=True)


def settings_table(models: dict[str, FittedModel]) -> pd.DataFrame:
    """One row a hyper-parameter: model, parameter, values tried, value chosen, cross-validated AUC and SD."""
    return pd.DataFrame(
        {
            "model": name,
            "parameter": parameter,
            "tried": ", ".join(map(str, model.tried[parameter])),
            "chosen": str(value),
            "cv_auc": model.cv_auc,
            "cv_sd": model.cv_sd,
        }
        for name, model in models.items()
        for parameter, value in model.chosen.items()
    )


def settings_in_words(settings: pd.DataFrame) -> pd.DataFrame:
    """The table of `settings_table` for readers: parameters in words, and no limit where there is none."""
    values = {name: settings[name].str.replace("None", "no limit") for name in ("tried", "chosen")}
    return settings.assign(parameter=settings["parameter"].replace(_PARAMETERS), **values)


def logistic_coefficients(model: FittedModel) -> dict:
    """Intercept, and coefficient per training SD of each feature, of the fitted logistic regression."""
    classifier = model.pipeline["classifier"]
    return {"intercept": float(classifier.intercept_[0]), "coefficients": classifier.coef_[0].tolist()}


def logistic_probability(intercept: float, coefficients: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Probability of a logistic model, 1 / (1 + exp(-(intercept + values @ coefficients)))."""
    return expit(intercept + np.asarray(values, float) @ np.asarray(coefficients, float))


def _rarest_in_fold(y: np.ndarray, folds: int) -> int:
    smallest = int(np.bincount(y).min())
    return smallest - -(-smallest // folds)


def _feasible(grid: dict[str, list], smallest_fold: int) -> dict[str, list]:
    # As many neighbours as half of the patients would no longer be neighbours.
    if "n_neighbors" not in grid:
        return grid
    fitting = [k for k in grid["n_neighbors"] if k <= smallest_fold / 2]
    return {"n_neighbors": fitting or [max(1, smallest_fold // 2)]}


def _classifier(name: str, seed: int, rarest: int) -> BaseEstimator:
    # One thread each: the folds run in parallel, and sums do not depend on the number of threads.
    if name == "LR":
        return LogisticRegression(max_iter=5000, tol=1e-8)
    if name == "KNN":
        return KNeighborsClassifier(n_jobs=1)
    if name == "SVM":
        # Distances from the margin become probabilities by Platt's sigmoid.
        cv = StratifiedKFold(min(3, rarest), shuffle=True, random_state=seed)
        return CalibratedClassifierCV(SVC(), method="sigmoid", cv=cv, ensemble=False)
    if name == "XGBoost":
        return XGBClassifier(learning_rate=0.1, subsample=0.8, random_state=seed, n_jobs=1)
    if name == "RF":
        return RandomForestClassifier(n_estimators=200, random_state=seed, n_jobs=1)
    if name == "LightGBM":
        once = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
        return LGBMClassifier(learning_rate=0.1, random_state=seed, n_jobs=1, **once)
    raise ValueError(f"'{name}' is in MODELS and has no classifier here.")
