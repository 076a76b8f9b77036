"""A site.json looked at again: whether its numbers fit together, and whether they tell of few patients.

This works on what is published alone, as a reader could: net benefits are solved for the counts behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from helpers.pooling.contract import Benefit, Confusion, Hospital, Measures, Moments, SiteFile
from helpers.pooling.measures import THRESHOLDS, is_small

_ROUNDING = 1e-6


def contradictions(site: SiteFile) -> list[str]:
    """What cannot be, a sentence each: numbers beyond their limits, or against one another."""
    found = []
    if len({hospital.label for hospital in site.hospitals}) < len(site.hospitals):
        found.append("two of its hospitals have the same label")
    for hospital in site.hospitals:
        found += [f"{hospital.label}: {problem}" for problem in _of_hospital(hospital)]
    return found


def _of_hospital(hospital: Hospital) -> Iterator[str]:
    n, events = _number(hospital.patients), _number(hospital.events)
    if n is not None and events is not None and events > n:
        yield "more patients with the outcome than patients"
    if set(hospital.auc_covariance) != set(hospital.models) or any(
        set(row) != set(hospital.models) for row in hospital.auc_covariance.values()
    ):
        yield "the covariances of the AUCs are not of its models"
    elif not _is_covariance(_table(hospital)):
        yield "the covariances of the AUCs are no covariances"
    for name, model in hospital.models.items():
        yield from (f"{name}: {problem}" for problem in _of_model(model, n, events))
    parts = [*hospital.predictors.values(), *hospital.features.values(), *hospital.scans.values()]
    if any((_number(part.sd) or 0) < 0 for part in parts if isinstance(part, Moments)):
        yield "a standard deviation is below 0"


def _table(hospital: Hospital) -> np.ndarray:
    names = list(hospital.models)
    return np.array(
        [[_number(hospital.auc_covariance[one][other]) for other in names] for one in names], dtype=float
    )


def _is_covariance(matrix: np.ndarray) -> bool:
    """Whether what is known of the matrix is symmetric, and no combination has a variance below 0."""
    known = np.isfinite(np.diag(matrix))
    inner = matrix[np.ix_(known, known)]
    if not np.isfinite(inner).all() or not np.allclose(inner, inner.T, rtol=1e-9, atol=1e-15):
        return False
    return not inner.size or np.linalg.eigvalsh(inner).min() > -_ROUNDING * max(np.trace(inner), 1e-12)


def _of_model(model: Measures, n: int | None, events: int | None) -> Iterator[str]:
    auc = _number(model.auc)
    if auc is not None and not 0 <= auc <= 1:
        yield "an AUC outside 0 to 1"
    if model.calibration:
        matrix = np.array(
            [[_number(value) for value in row] for row in model.calibration.covariance], dtype=float
        )
        if matrix.shape != (3, 3) or not _is_covariance(matrix):
            yield "the covariances of the calibration are no covariances"
        if (_number(model.calibration.observed_expected) or 0) < 0:
            yield "observed over expected is below 0"
    if model.confusion:
        yield from _of_confusion(model.confusion, n, events)
    if model.net_benefit and tuple(one.threshold for one in model.net_benefit) != THRESHOLDS:
        yield f"net benefits are not at the thresholds {', '.join(map(str, THRESHOLDS))}"
    for one in model.net_benefit:
        yield from _of_benefit(one, n, events)


def _of_benefit(one: Benefit, n: int | None, events: int | None) -> Iterator[str]:
    value, variance = _number(one.net_benefit), _number(one.variance)
    if variance is not None and variance < 0:
        yield "a net benefit's variance is below 0"
    if value is None or n is None or events is None:
        return
    if value > events / n + _ROUNDING:
        yield "a net benefit is larger than the share of patients with the outcome"
    elif counts_behind(one, n, events) == []:
        yield f"the net benefit at {one.threshold:g} is that of no number of patients"


def _of_confusion(confusion: Confusion, n: int | None, events: int | None) -> Iterator[str]:
    cells = [_number(cell) for cell in _cells(confusion)]
    if None in cells or n is None or events is None:
        return
    tp, fp, tn, fn = cells
    if tp + fn != events or fp + tn != n - events:
        yield "the counts at the cut-off are not those of its patients"


def few_told(site: SiteFile) -> list[str]:
    """Where a count from 1 to ``min_cell`` - 1 stands in the file or follows from it, a sentence each."""
    found = [
        f"the flow chart tells of {row.patients} ({row.stage})"
        for row in site.flow
        if _few([row.patients, row.outcome], site.min_cell)
    ]
    for hospital in site.hospitals:
        found += [f"{hospital.label}: {problem}" for problem in _few_in(hospital, site.min_cell)]
    return found


def _few_in(hospital: Hospital, min_cell: int) -> Iterator[str]:
    n, events, described = (
        _number(value) for value in (hospital.patients, hospital.events, hospital.described)
    )
    rest = None if n is None or events is None else n - events
    if _few([n, events, rest, described], min_cell):
        yield "few patients, or few with or without the outcome, are told"
    if described is not None and n is not None and _few([abs(described - n)], min_cell):
        yield "the number of those measured tells how few of them were not judged"
    for name, part in (hospital.predictors | hospital.scans).items():
        if not isinstance(part, Moments) and _few(part.values(), min_cell):
            yield f"a category of '{name}' tells of few patients"
    if n is None or events is None:
        return
    for name, model in hospital.models.items():
        if _few(_between_thresholds(model, n, events), min_cell):
            yield f"thresholds of '{name}' tell of few patients"


def _between_thresholds(model: Measures, n: int, events: int) -> list[int]:
    """Patients of either outcome between neighbours among the thresholds whose counts are known."""
    known = known_counts(model, n, events)
    ladder = [known[limit] for limit in sorted(known)]
    return [abs(a - b) for low, high in pairwise(ladder) for a, b in zip(low, high, strict=True)]


def known_counts(model: Measures, n: int, events: int) -> dict[float, tuple[int, int]]:
    """By threshold, how many with and without the outcome lie at or above it, as far as that follows.

    Parameters
    ----------
    model : Measures
    n, events : int
        Patients, and those with the outcome: at the threshold minus infinity; at infinity there is nobody.
    """
    known = {-np.inf: (events, n - events), np.inf: (0, 0)}
    if model.confusion:
        tp, fp, tn, fn = (_number(cell) for cell in _cells(model.confusion))
        tp = events - fn if tp is None and fn is not None else tp
        fp = n - events - tn if fp is None and tn is not None else fp
        if tp is not None and fp is not None:
            known[model.confusion.cutoff] = (tp, fp)
    for one in model.net_benefit:
        fitting = counts_behind(one, n, events)
        if fitting is not None and len(fitting) == 1:
            known[one.threshold] = fitting[0]
    return known


def counts_behind(benefit: Benefit, n: int, events: int) -> list[tuple[int, int]] | None:
    """All true and false positives that agree with a net benefit and its variance; None where hidden."""
    value, variance = _number(benefit.net_benefit), _number(benefit.variance)
    if value is None or variance is None:
        return None
    odds = benefit.threshold / (1 - benefit.threshold)
    tp = np.arange(events + 1)
    fp = np.round((tp - value * n) / odds)
    spread = (tp + fp * odds**2) / n - value**2
    fits = (np.abs(tp - fp * odds - value * n) < _ROUNDING * n) & (fp >= 0) & (fp <= n - events)
    fits &= np.abs(spread - variance * n) < _ROUNDING
    return [(int(a), int(b)) for a, b in zip(tp[fits], fp[fits], strict=True)]


def _cells(confusion: Confusion) -> list[int | str]:
    return [
        confusion.true_positive,
        confusion.false_positive,
        confusion.true_negative,
        confusion.false_negative,
    ]


def _few(counts: object, min_cell: int) -> bool:
    return bool(is_small([count for count in counts if isinstance(count, int)], min_cell).any())


def _number(value: object) -> float | None:
    return None if value is None or isinstance(value, str) else value
