"""Pitfalls to show in a course, on simulated numbers whose truth is known: no patient takes part."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from helpers.evaluation.cutoffs import confusion_counts, youden_cutoff
from helpers.features.reliability import icc

FOLDS = 5
EVENTS = 30  # where many features are fitted to few patients
NEW_PATIENTS = 2000  # enough to take what a model does in them for the truth


def selection_leak(
    rng: np.random.Generator, patients: int = 100, features: int = 1000, kept: int = 10, repeats: int = 30
) -> pd.DataFrame:
    """AUC by cross-validation of pure noise, with features selected before it and inside its folds.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the simulated patients.
    patients, features : int
        Simulated patients, half of them with the outcome, and features that know nothing of it.
    kept : int
        Features with the largest F value that go into a logistic regression.
    repeats : int
        Simulated studies.

    Returns
    -------
    DataFrame
        Columns before and inside, a row a study. The true AUC is 0.5.

    Notes
    -----
    Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, section 7.10.2.
    """
    outcome = np.arange(patients) % 2
    rows = []
    for _ in range(repeats):
        noise = rng.standard_normal((patients, features))
        seed = int(rng.integers(2**31))
        chosen = SelectKBest(k=kept).fit_transform(noise, outcome)
        inside = make_pipeline(SelectKBest(k=kept), LogisticRegression())
        before = _cross_validated(LogisticRegression(), chosen, outcome, seed)
        rows.append({"before": before, "inside": _cross_validated(inside, noise, outcome, seed)})
    return pd.DataFrame(rows)


def smote_leak(rng: np.random.Generator, repeats: int) -> pd.DataFrame:
    """AUC by cross-validation of pure noise, with SMOTE before it and inside its training folds.

    Of 200 patients 40 have the outcome; ten features know nothing of it.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the simulated patients.
    repeats : int
        Simulated studies.

    Returns
    -------
    DataFrame
        Columns before and inside, a row a study: five nearest neighbours. The true AUC is 0.5.
    """
    outcome = (np.arange(200) < 40).astype(int)
    neighbours = KNeighborsClassifier(n_neighbors=5)
    rows = []
    for _ in range(repeats):
        noise = rng.standard_normal((200, 10))
        seed = int(rng.integers(2**31))
        smote = SMOTE(random_state=seed)
        inside = make_pipeline(smote, neighbours)
        before = _cross_validated(neighbours, *smote.fit_resample(noise, outcome), seed)
        rows.append({"before": before, "inside": _cross_validated(inside, noise, outcome, seed)})
    return pd.DataFrame(rows)


def _cross_validated(model: BaseEstimator, X: NDArray, y: NDArray, seed: int) -> float:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(1):
        return float(cross_val_score(model, X, y, cv=folds, scoring="roc_auc").mean())


def cutoff_optimism(
    rng: np.random.Generator, sizes: Sequence[int] = (20, 40, 80, 160, 320), repeats: int = 300
) -> pd.DataFrame:
    """Mean Youden index at a cut-off chosen on the test set itself, and at one chosen on other patients.

    The score is normal with SD 1 and its mean is 1 higher with the outcome, which every second patient has.
    No cut-off does better in the long run than 0.5, with a Youden index of 2 Φ(0.5) - 1 = 0.383.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the simulated patients.
    sizes : sequence of int
        Patients of the test set, and as many of the training set.
    repeats : int
        Simulated studies of each size.

    Returns
    -------
    DataFrame
        patients, own (chosen on the test set), locked (chosen on the training set).
    """
    rows = []
    for patients in sizes:
        outcome = np.arange(patients) % 2
        found = []
        for _ in range(repeats):
            test, training = rng.standard_normal((2, patients)) + outcome
            cutoffs = youden_cutoff(outcome, test), youden_cutoff(outcome, training)
            found.append([_youden_index(outcome, test, cutoff) for cutoff in cutoffs])
        rows.append([patients, *np.mean(found, axis=0)])
    return pd.DataFrame(rows, columns=["patients", "own", "locked"])


def _youden_index(outcome: NDArray, score: NDArray, cutoff: float) -> float:
    return 2 * confusion_counts(outcome, score, cutoff).balanced_accuracy - 1


def features_per_event(
    rng: np.random.Generator, repeats: int, counts: Sequence[int] = (1, 3, 6, 10, 15, 30)
) -> pd.DataFrame:
    """AUC of a logistic regression in its own patients and in new ones, by the number of features.

    30 patients have the outcome, and as many have it not. One feature tells it (its mean is 1 higher with it,
    so that its true AUC is Φ(1/√2) = 0.760), all others are noise.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the simulated patients.
    repeats : int
        Simulated studies for each number of features.
    counts : sequence of int
        Numbers of features.

    Returns
    -------
    DataFrame
        features, events_per_feature, training, new (means over the studies).
    """
    rows = []
    for count in counts:
        found = [_training_and_new(rng, count) for _ in range(repeats)]
        rows.append([count, EVENTS / count, *np.mean(found, axis=0)])
    return pd.DataFrame(rows, columns=["features", "events_per_feature", "training", "new"])


def _training_and_new(rng: np.random.Generator, count: int) -> tuple[float, float]:
    sets = []
    for patients in (2 * EVENTS, NEW_PATIENTS):
        outcome = np.arange(patients) % 2
        values = rng.standard_normal((patients, count))
        values[:, 0] += outcome
        sets.append((values, outcome))
    # Plain maximum likelihood, as in most papers; where patients are separated it stops at max_iter.
    model = LogisticRegression(C=1e6, solver="newton-cholesky")
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(*sets[0])
        training, new = (roc_auc_score(y, model.decision_function(X)) for X, y in sets)
    return training, new


def one_way_icc(ratings: ArrayLike) -> NDArray[np.float64]:
    """ICC(1,1): every patient read by other readers, so that a reader's habit counts as error.

    Parameters
    ----------
    ratings : array_like, shape (features, patients, readers)
        Feature values.

    Returns
    -------
    ndarray, shape (features,)

    Notes
    -----
    Shrout and Fleiss 1979, :doi:`10.1037/0033-2909.86.2.420`.
    """
    values = np.asarray(ratings, dtype=float)
    n, k = values.shape[1:]
    patient = values.mean(axis=2, keepdims=True)
    between = k * ((patient - patient.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)) / (n - 1)
    within = ((values - patient) ** 2).sum(axis=(1, 2)) / (n * (k - 1))
    return (between - within) / (between + (k - 1) * within)


def icc_types(
    rng: np.random.Generator,
    biases: Sequence[float] = (0.0, 0.5, 1.0, 1.5, 2.0),
    patients: int = 40,
) -> pd.DataFrame:
    """Three ICCs of two readers, one of whom reads every patient higher by a constant.

    Each reader's random error has an SD of 0.4 SDs of the patients; means over 200 simulated studies.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the simulated readings; the same ones serve every bias.
    biases : sequence of float
        Constant difference between the readers, in SDs of the patients.
    patients : int
        Patients read by both.

    Returns
    -------
    DataFrame
        bias, and the mean of "ICC(1,1)", "ICC(2,1)" and "ICC(3,1)".
    """
    truth = rng.standard_normal((200, patients, 1))
    ratings = truth + 0.4 * rng.standard_normal((200, patients, 2))
    rows = []
    for bias in biases:
        biased = ratings + [0.0, bias]
        kinds = {f"ICC({kind})": icc(biased, kind).icc.mean() for kind in ("2,1", "3,1")}
        rows.append({"bias": bias, "ICC(1,1)": one_way_icc(biased).mean()} | kinds)
    return pd.DataFrame(rows)


def scanner_shift(rng: np.random.Generator) -> pd.DataFrame:
    """What a frozen model says of the same new patients when their scanner reads the feature higher.

    The feature is normal with SD 1 and its mean is 1 higher with the outcome, which every third patient has.
    Model and cut-off (Youden) are fitted on 400 patients at home.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the simulated patients.

    Returns
    -------
    DataFrame
        shift (what the new scanner adds to the feature, in SDs within the groups), auc, sensitivity,
        specificity, mean_risk, prevalence.
    """
    home, new = (np.arange(patients) % 3 == 0 for patients in (400, NEW_PATIENTS))
    at_home, elsewhere = (rng.standard_normal(outcome.size) + outcome for outcome in (home, new))
    model = LogisticRegression(C=1e6).fit(at_home[:, None], home)
    cutoff = youden_cutoff(home.astype(int), model.predict_proba(at_home[:, None])[:, 1])
    rows = []
    for shift in (-1.0, -0.5, 0.0, 0.5, 1.0):
        risk = expit(model.decision_function(elsewhere[:, None] + shift))
        counts = confusion_counts(new.astype(int), risk, cutoff)
        sensitivity, specificity = counts.tp / new.sum(), counts.tn / (~new).sum()
        rows.append([shift, roc_auc_score(new, risk), sensitivity, specificity, risk.mean(), new.mean()])
    return pd.DataFrame(
        rows, columns=["shift", "auc", "sensitivity", "specificity", "mean_risk", "prevalence"]
    )
