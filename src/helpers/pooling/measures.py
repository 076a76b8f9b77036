"""What a hospital tells of a model on its patients, and what it keeps to itself.

Counts of 1 to ``min_cell`` - 1 patients are not told, nor anything they could be computed from:

- Nothing is told of few patients, few with the outcome, or few without it.
- Each threshold of a risk divides both outcomes, and two thresholds leave those between them: a threshold is
  told only where all these counts are 0 or ``min_cell`` and more. The frozen cut-off comes first.
- An AUC that few pairs of patients keep from 0 or 1 is not told.
- A risk of few values is a table of counts: nothing is told of it unless each of its cells is large or empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.evaluation.calibration import calibration_summary, recalibrations
from helpers.evaluation.cutoffs import confusion_counts
from helpers.evaluation.decision_curves import net_benefit
from helpers.evaluation.delong import auc_covariance
from helpers.pooling.contract import NOT_ESTIMABLE, Benefit, Calibration, Confusion, Measures
from helpers.study.small_counts import HIDDEN, shown_count

THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
HU = "mean HU"
LEVELS = 12  # a risk of no more values is a table
FEWEST_OF_A_CLASS = 2


def measures_of(
    outcome: NDArray, scores: pd.DataFrame, cutoffs: Mapping[str, float], min_cell: int
) -> tuple[dict[str, Measures], dict[str, dict[str, float | str]]]:
    """Measures of each model, and the covariances of the AUCs, as they may be told.

    Parameters
    ----------
    outcome : ndarray, shape (patients,)
        0 or 1.
    scores : DataFrame
        A column of risks a model, row for row; a column without a cut-off is no risk but a measurement, of
        which only the AUC is told.
    cutoffs : mapping of str to float
        The frozen ones.
    min_cell : int
    """
    unsaid = why_nothing(outcome, min_cell)
    if unsaid:
        told = {name: _nothing(cutoffs.get(name), unsaid) for name in scores}
        return told, {one: dict.fromkeys(scores, unsaid) for one in scores}
    aucs, covariance = auc_covariance(outcome, scores.to_numpy(float).T)
    measures, hidden = {}, set()
    for name, auc in zip(scores, aucs, strict=True):
        score = scores[name].to_numpy(float)
        if _tells_few(outcome, score, auc, min_cell):
            hidden.add(name)
            measures[name] = _nothing(cutoffs.get(name), HIDDEN)
        else:
            measures[name] = _measures(outcome, score, float(auc), cutoffs.get(name), min_cell)
    table = {
        one: {
            other: HIDDEN if hidden & {one, other} else float(covariance[i, j])
            for j, other in enumerate(scores)
        }
        for i, one in enumerate(scores)
    }
    return measures, table


def why_nothing(outcome: NDArray, min_cell: int) -> str:
    """Why nothing is told of these patients: "hidden" where few, "not estimable" of one outcome; else ""."""
    classes = np.array([(outcome == 1).sum(), (outcome == 0).sum()])
    if is_small([*classes, classes.sum()], min_cell).any():
        return HIDDEN
    return NOT_ESTIMABLE if classes.min() < FEWEST_OF_A_CLASS else ""


def told_events(outcome: NDArray, min_cell: int) -> int | str:
    """How many have the outcome, as it may be told: a small rest would tell it too."""
    events, rest = int((outcome == 1).sum()), int((outcome == 0).sum())
    if is_small([events], min_cell)[0]:
        return shown_count(events, min_cell)
    return HIDDEN if is_small([rest], min_cell)[0] else events


def is_small(counts: Iterable[float], min_cell: int) -> NDArray[np.bool_]:
    """Which counts are of 1 to ``min_cell`` - 1 patients."""
    counts = np.asarray(list(counts))
    return (counts > 0) & (counts < min_cell)


def _nothing(cutoff: float | None, mark: str) -> Measures:
    if cutoff is None:
        return Measures(auc=mark, calibration=None, confusion=None, net_benefit=[])
    names = ("intercept", "slope", "in_the_large", "in_the_large_variance", "observed_expected")
    calibration = Calibration(**dict.fromkeys(names, mark), covariance=[[mark] * 3] * 3)
    cells = dict.fromkeys(_CELLS.values(), HIDDEN)
    return Measures(
        auc=mark,
        calibration=calibration,
        confusion=Confusion(cutoff=cutoff, **cells),
        net_benefit=[Benefit(threshold=limit, net_benefit=mark, variance=mark) for limit in THRESHOLDS],
    )


_CELLS = {"tp": "true_positive", "fp": "false_positive", "tn": "true_negative", "fn": "false_negative"}


def _tells_few(outcome: NDArray, score: NDArray, auc: float, min_cell: int) -> bool:
    """Whether the model's measures would tell of few pairs of patients, or are those of a table with few."""
    pairs = (outcome == 1).sum() * (outcome == 0).sum()
    if is_small(np.array([auc, 1 - auc]) * pairs, min_cell).any():
        return True
    levels, place = np.unique(score, return_inverse=True)
    if len(levels) > LEVELS:
        return False
    cells = [np.bincount(place[outcome == one], minlength=len(levels)) for one in (0, 1)]
    return bool(is_small(np.concatenate(cells), min_cell).any())


def _measures(outcome: NDArray, score: NDArray, auc: float, cutoff: float | None, min_cell: int) -> Measures:
    if cutoff is None:
        return Measures(auc=auc, calibration=None, confusion=None, net_benefit=[])
    told = told_thresholds(outcome, score, [cutoff, *THRESHOLDS], min_cell)
    return Measures(
        auc=auc,
        calibration=_calibration(outcome, score),
        confusion=_confusion(outcome, score, cutoff, told[0], min_cell),
        net_benefit=[
            _benefit(outcome, score, limit, shown) for limit, shown in zip(THRESHOLDS, told[1:], strict=True)
        ],
    )


def told_thresholds(outcome: NDArray, score: NDArray, limits: list[float], min_cell: int) -> list[bool]:
    """Which thresholds may be told, the first ones first: those that leave no few patients anywhere.

    Parameters
    ----------
    outcome, score : ndarray, shape (patients,)
    limits : list of float
        In the order of their importance.
    min_cell : int

    Returns
    -------
    list of bool
        Whether, of either outcome, those below the lowest told threshold, above the highest, and between two
        neighbours are nobody or at least ``min_cell``.
    """
    shown: list[float] = []
    told = []
    for limit in limits:
        edges = [-np.inf, *sorted({*shown, limit}), np.inf]
        counts = [np.histogram(score[outcome == one], edges)[0] for one in (0, 1)]
        told.append(not is_small(np.concatenate(counts), min_cell).any())
        shown += [limit] if told[-1] else []
    return told


def _confusion(outcome: NDArray, score: NDArray, cutoff: float, told: bool, min_cell: int) -> Confusion:
    counts = confusion_counts(outcome, score, cutoff)
    cells = {long: getattr(counts, short) for short, long in _CELLS.items()}
    if not told:  # what is small is said to be; the others of the same sum would tell it
        cells = {name: _marked(count, min_cell) for name, count in cells.items()}
    return Confusion(cutoff=cutoff, **cells)


def _marked(count: int, min_cell: int) -> str:
    return shown_count(count, min_cell) if is_small([count], min_cell)[0] else HIDDEN


def _benefit(outcome: NDArray, score: NDArray, limit: float, told: bool) -> Benefit:
    """Net benefit, the mean of what each patient adds, with the variance of that mean."""
    if not told:
        return Benefit(threshold=limit, net_benefit=HIDDEN, variance=HIDDEN)
    adds = (score >= limit) * np.where(outcome == 1, 1.0, -limit / (1 - limit))
    value = float(net_benefit(outcome, score, limit)[0])
    return Benefit(threshold=limit, net_benefit=value, variance=float(adds.var() / len(adds)))


def _calibration(outcome: NDArray, score: NDArray) -> Calibration:
    """Intercept, slope and observed / expected with their covariance.

    Of the log of observed / expected the variance is (1 - prevalence) / events
    (:doi:`10.1177/0962280218785504`). The score equation of the intercept is observed less expected, so that
    the covariance of intercept and log(observed) is 1 / events, and that of the slope 0.
    """
    summary = calibration_summary(outcome, score)
    (_, (joint,)), (_, (large,)) = recalibrations(outcome, score)
    events = outcome.sum()
    covariance = np.zeros((3, 3))
    covariance[:2, :2] = joint
    covariance[0, 2] = covariance[2, 0] = 1 / events
    covariance[2, 2] = (1 - outcome.mean()) / events
    return Calibration(
        intercept=_known(summary.intercept),
        slope=_known(summary.slope),
        in_the_large=_known(summary.in_the_large),
        in_the_large_variance=_known(large[0, 0]),
        observed_expected=_known(summary.observed_expected),
        covariance=[[_known(value) for value in row] for row in covariance],
    )


def _known(value: float) -> float | str:
    return float(value) if np.isfinite(value) else NOT_ESTIMABLE
