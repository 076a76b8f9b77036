"""Tables of many hospitals: each one's estimates, random-effects summaries, and what depends on whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from helpers.evaluation.by_hospital import ESTIMATES, on_scales, summaries, with_weights
from helpers.evaluation.meta_analysis import FEWEST
from helpers.pooling.contract import Hospital, Moments, SiteFile
from helpers.pooling.measures import HU

DIFFERENCES = (("nomogram", "clinical"), ("nomogram", HU))
EXTERNAL = "external"
_BENEFIT = "net benefit at "


def hospitals_of(sites: Iterable[SiteFile]) -> list[Hospital]:
    """The hospitals of all files, in their order."""
    return [hospital for site in sites for hospital in site.hospitals]


def estimates(hospitals: Sequence[Hospital]) -> pd.DataFrame:
    """Each hospital's measures of each model, on a scale on which they are about normal.

    Returns
    -------
    DataFrame
        hospital, role, model, measure, estimate, low, high (95 %), scaled, variance, weight (percent, in the
        summary of the external hospitals). What is hidden or not estimable is missing.
    """
    return _table([row for hospital in hospitals for row in _rows(hospital)])


def _table(rows: list[tuple]) -> pd.DataFrame:
    """Hospital, role, model, measure, estimate and variance as `estimates` gives them."""
    table = pd.DataFrame(rows, columns=["hospital", "role", "model", "measure", "estimate", "variance"])
    table = on_scales(table.astype({"estimate": float, "variance": float}))
    weighed = with_weights(table[table["role"] == EXTERNAL])
    table["weight"] = weighed["weight"].reindex(table.index)
    return table[["hospital", "role", "model", "measure", *ESTIMATES, "weight"]]


def _rows(hospital: Hospital) -> list[tuple]:
    """Measures with their variances: of the AUC on the scale of log odds, of observed / expected of logs."""
    rows = []
    for model, told in hospital.models.items():
        auc, variance = _number(told.auc), _number(hospital.auc_covariance[model][model])
        with np.errstate(divide="ignore", invalid="ignore"):
            rows.append((model, "auc", auc, variance / np.square(auc * (1 - auc))))
        if told.calibration:
            own, covariance = told.calibration, told.calibration.covariance
            rows.append((model, "slope", _number(own.slope), _number(covariance[1][1])))
            in_the_large = _number(own.in_the_large), _number(own.in_the_large_variance)
            rows.append((model, "in_the_large", *in_the_large))
            ratio = _number(own.observed_expected), _number(covariance[2][2])
            rows.append((model, "observed_expected", *ratio))
        rows += [
            (model, benefit_name(one.threshold), _number(one.net_benefit), _number(one.variance))
            for one in told.net_benefit
        ]
    return [(hospital.label, hospital.role, *row) for row in rows]


def benefit_name(threshold: float) -> str:
    """What the net benefit at a threshold is called among the measures."""
    return f"{_BENEFIT}{threshold:g}"


def told_benefits(table: pd.DataFrame, model: str) -> list[str]:
    """The net benefits of a model that any hospital tells, in the order of their thresholds."""
    known = table[(table["model"] == model) & table["scaled"].notna()]["measure"]
    names = [name for name in table["measure"].unique() if name.startswith(_BENEFIT)]
    return [name for name in names if name in set(known)]


def _number(value: object) -> float:
    return np.nan if isinstance(value, str) else float(value)


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """Random-effects summaries of the external hospitals in `estimates` or `differences`.

    The developing hospital's patients are no external validation: they are shown, not summarised.
    """
    return summaries(table[table["role"] == EXTERNAL])


def differences(hospitals: Sequence[Hospital]) -> pd.DataFrame:
    """AUC of the nomogram minus that of another model, of the same patients, as `estimates` has it.

    The variance is that of a difference of two measured together: both variances, less twice the covariance.
    """
    rows = []
    for hospital in hospitals:
        for one, other in DIFFERENCES:
            if not {one, other} <= set(hospital.models):
                continue
            area = _number(hospital.models[one].auc) - _number(hospital.models[other].auc)
            table = hospital.auc_covariance
            variance = (
                _number(table[one][one]) + _number(table[other][other]) - 2 * _number(table[one][other])
            )
            rows.append((hospital.label, hospital.role, one, difference_name(other), area, variance))
    return _table(rows)


def difference_name(other: str) -> str:
    """What a difference to another model is called among the measures."""
    return f"AUC minus that of {other}"


def leave_one_out(table: pd.DataFrame) -> pd.DataFrame:
    """Summaries without each external hospital in turn: left_out, and the columns of `pooled`.

    No row where fewer than three would be left.
    """
    external = table[table["role"] == EXTERNAL]
    names = external["hospital"].unique()
    if len(names) <= FEWEST:
        return pooled(external).iloc[:0].assign(left_out="")
    parts = [pooled(external[external["hospital"] != name]).assign(left_out=name) for name in names]
    return pd.concat(parts, ignore_index=True)


def drift(sites: Sequence[SiteFile]) -> pd.DataFrame:
    """How far each hospital's features and predictors lie from the training patients, in their SDs.

    Returns
    -------
    DataFrame
        A row a feature, numeric predictor or category, a column a hospital. Of a category the difference of
        shares is divided by the SD of being in it. Missing where a hospital hides it.
    """
    reference, shifts = sites[0].training, {}
    for hospital in hospitals_of(sites):
        parts = hospital.features | hospital.predictors | hospital.scans
        shifts[hospital.label] = {
            title: shift
            for name, there in reference.items()
            if name in parts
            for title, shift in _shift(name, there, parts[name]).items()
        }
    return pd.DataFrame(shifts).rename_axis("feature")


def _shift(name: str, there: Moments | dict, here: Moments | dict) -> dict[str, float]:
    if isinstance(there, Moments):
        if not isinstance(here, Moments):
            return {}
        spread = _number(there.sd) or np.nan
        return {name: (_number(here.mean) - _number(there.mean)) / spread}
    if isinstance(here, Moments):
        return {}
    shares = _shares(here)
    return {
        f"{name}: {level}": (shares[level] - share) / np.sqrt(share * (1 - share))
        for level, share in list(there.items())[: max(len(there) - 1, 1)]
        if shares and level in shares and 0 < share < 1
    }


def _shares(counts: dict[str, int | str]) -> dict[str, float]:
    known = {name: count for name, count in counts.items() if not isinstance(count, str)}
    total = sum(known.values())
    return {name: count / total for name, count in known.items()} if len(known) == len(counts) else {}


def flow(sites: Sequence[SiteFile]) -> pd.DataFrame:
    """The flow charts one below the other: hospital, site, stage, reason, patients, outcome."""
    rows = [
        {"hospital": ", ".join(hospital.label for hospital in site.hospitals)} | row.model_dump()
        for site in sites
        for row in site.flow
    ]
    columns = ["hospital", "site", "stage", "reason", "patients", "outcome"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"patients": object, "outcome": object}).where(table.notna(), "")


def people(hospitals: Sequence[Hospital]) -> pd.DataFrame:
    """Who they are: hospital, role, patients, events, and predictors and scans in words."""
    rows = []
    for hospital in hospitals:
        described = hospital.predictors | hospital.scans
        row = {"hospital": hospital.label, "role": hospital.role}
        row |= {"patients": hospital.patients, "events": hospital.events}
        rows.append(row | {name: _in_words(part) for name, part in described.items()})
    return pd.DataFrame(rows).fillna("not told")


def _in_words(part: Moments | dict) -> str:
    if isinstance(part, Moments):
        values = [_number(part.mean), _number(part.sd)]
        return "not told" if np.isnan(values).any() else f"{values[0]:.3g} ± {values[1]:.2g}"
    return ", ".join(f"{name}: {count}" for name, count in part.items())
