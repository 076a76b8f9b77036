"""A hospital's file without counts that differ by few from those of an earlier version.

Whose number would be had by subtraction: those who came or went between the two versions.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.pooling.audit import known_counts
from helpers.pooling.contract import FlowRow, Hospital, Measures
from helpers.pooling.measures import is_small
from helpers.study.small_counts import HIDDEN


def hospital_apart(now: Hospital, earlier: Hospital, min_cell: int) -> Hospital:
    """A hospital's part of the file; of an earlier version, that of the same patients."""
    tables = {
        "predictors": _tables_apart(now.predictors, earlier.predictors, min_cell),
        "scans": _tables_apart(now.scans, earlier.scans, min_cell),
    }
    models = dict(now.models)
    for name in models.keys() & earlier.models.keys():
        ladders = [_ladder(one, one.models[name]) for one in (now, earlier)]
        if _few_between(*ladders, min_cell):
            models[name] = _without_counts(models[name])
    beside = [(one.described, _minus(one.described, one.patients)) for one in (now, earlier)]
    few = _few(zip(*beside, strict=True), min_cell)
    described = HIDDEN if few else now.described
    return now.model_copy(update=tables | {"models": models, "described": described})


def flow_apart(now: list[FlowRow], earlier: list[FlowRow], min_cell: int) -> list[FlowRow]:
    """The flow chart; all its counts are hidden where one differs by few, for they add up."""
    before = {(row.site, row.stage, row.reason): row for row in earlier}
    pairs = []
    for row in now:
        if (same := before.get((row.site, row.stage, row.reason))) is not None:
            pairs += [(row.patients, same.patients), (row.outcome, same.outcome)]
    if not _few(pairs, min_cell):
        return now
    hidden = {"patients": HIDDEN}
    return [
        row.model_copy(update=hidden | ({} if row.outcome is None else {"outcome": HIDDEN})) for row in now
    ]


def _tables_apart(now: dict, earlier: dict, min_cell: int) -> dict:
    """Means stay; a table of categories is hidden as a whole where one of them differs by few."""
    told = dict(now)
    for name, part in now.items():
        before = earlier.get(name)
        if isinstance(part, dict) and isinstance(before, dict):
            pairs = [(part[key], before[key]) for key in part.keys() & before.keys()]
            told[name] = dict.fromkeys(part, HIDDEN) if _few(pairs, min_cell) else part
    return told


def _ladder(hospital: Hospital, model: Measures) -> dict[float, tuple[int, int]]:
    """By threshold, how many of either outcome lie at or above it, as far as that is known."""
    if isinstance(hospital.patients, str) or isinstance(hospital.events, str):
        return {}
    return known_counts(model, hospital.patients, hospital.events)


def _few_between(now: dict, earlier: dict, min_cell: int) -> bool:
    """Whether between two thresholds that both versions tell of the counts differ by few."""
    limits = sorted(now.keys() & earlier.keys())
    steps = [
        np.diff([ladder[limit] for limit in limits], axis=0) for ladder in (now, earlier) if len(limits) > 1
    ]
    return bool(steps) and bool(is_small(np.abs(steps[0] - steps[1]).ravel(), min_cell).any())


def _without_counts(model: Measures) -> Measures:
    confusion = model.confusion and model.confusion.model_copy(
        update=dict.fromkeys(("true_positive", "false_positive", "true_negative", "false_negative"), HIDDEN)
    )
    hidden = {"net_benefit": HIDDEN, "variance": HIDDEN}
    benefits = [one.model_copy(update=hidden) for one in model.net_benefit]
    return model.model_copy(update={"confusion": confusion, "net_benefit": benefits})


def _minus(one: int | str, other: int | str) -> int | None:
    return one - other if isinstance(one, int) and isinstance(other, int) else None


def _few(pairs: Iterable[tuple], min_cell: int) -> bool:
    """Whether two counts, both known, differ by 1 to ``min_cell`` - 1."""
    gaps = [_minus(one, other) for one, other in pairs]
    return bool(is_small([abs(gap) for gap in gaps if gap is not None], min_cell).any())
