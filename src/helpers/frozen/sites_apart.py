"""A new hospital of several sites: each judged by itself, beside all together."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from helpers.evaluation.by_hospital import Apart
from helpers.evaluation.meta_analysis import FEWEST
from helpers.frozen.drift import feature_drift, feature_titles
from helpers.frozen.judged import frozen_performance, with_interval
from helpers.study.cohorts import EXTERNAL, external_cohorts, hospital_of

_MEASURES = {"auc": "AUC", "slope": "calibration slope", "observed_expected": "observed / expected"}
_RATES = ("sensitivity", "specificity")
_ENDS = ["estimate", "low", "high"]


def by_site(predictions: pd.DataFrame, people: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """Predictions with each site as a cohort of its own, "external: <name>"; none where sites are not shown.

    There must be several, and each must have no patient or at least ``min_cell`` with and without the
    outcome: beside all together, the other sites would tell the numbers of a small one.

    Parameters
    ----------
    predictions : DataFrame
        As `helpers.frozen.judged.predictions_of` gives them.
    people : DataFrame
        patient_id and site of everyone in them, in the study's order of sites.
    min_cell : int
    """
    site = predictions["patient_id"].map(people.set_index("patient_id")["site"])
    names = [name for name in dict.fromkeys(people["site"]) if (site == name).any()]
    counts = pd.crosstab(site, predictions["outcome"])
    if len(names) < 2 or ((counts > 0) & (counts < min_cell)).any(axis=None):
        return predictions.iloc[:0]
    apart = predictions.assign(cohort=site.map(external_cohorts(names)))
    return apart.iloc[site.map(names.index).argsort(kind="stable")]


def with_curve(apart: pd.DataFrame) -> pd.DataFrame:
    """Of `by_site` the sites with both outcomes, which can have a curve."""
    return apart[apart.groupby("cohort")["outcome"].transform("nunique") > 1]


def in_words(apart: pd.DataFrame, people: pd.DataFrame) -> str:
    """How many sites are shown; empty for a hospital of one site."""
    number = people["site"].nunique()
    if number < 2:
        return ""
    if apart.empty:
        return f"These patients come from {number} sites, of which one or more has too few to be shown apart."
    without = f" Of fewer than {FEWEST} sites no summary is made." if number < FEWEST else ""
    return f"These patients come from {number} sites: each is also judged by itself.{without}"


def sites_performance(apart: pd.DataFrame, cutoffs: Mapping[str, float], min_cell: int) -> pd.DataFrame:
    """`helpers.frozen.judged.frozen_performance` of each site with both outcomes, its name in ``site``."""
    parts = [
        frozen_performance(part.assign(cohort=EXTERNAL), cutoffs, min_cell).assign(site=hospital_of(cohort))
        for cohort, part in with_curve(apart).groupby("cohort", sort=False)
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"site": [], "model": []})
    return table[["site", *table.columns.drop("site")]]


def printed_sites(found: Apart, performance: pd.DataFrame) -> pd.DataFrame:
    """A row a model and site, for reading.

    Parameters
    ----------
    found : Apart
        As :func:`helpers.evaluation.by_hospital.judged_apart` makes them of `by_site`.
    performance : DataFrame
        As `sites_performance` gives it.

    Returns
    -------
    DataFrame
        model, site, n, events, AUC, calibration slope, observed / expected, sensitivity and specificity at
        the frozen cut-off, each with its 95 % interval; a site with one outcome only has a remark instead.
    """
    keys = ["hospital", "model"]
    measures = found.measures.set_index([*keys, "measure"])
    rates = performance.rename(columns={"site": "hospital"}).set_index(keys)
    rows = []
    for row in found.hospitals.sort_values("model", kind="stable").itertuples():
        told = {"model": row.model, "site": row.hospital, "n": row.n, "events": row.events}
        is_judged = row.status == "judged"
        for name, title in _MEASURES.items():
            at = (row.hospital, row.model, name)
            told[title] = _measured(*measures.loc[at, _ENDS]) if is_judged else "one outcome only"
        for name in _RATES:
            at, ends = (row.hospital, row.model), [name, f"{name}_low", f"{name}_high"]
            told[name] = with_interval(*rates.loc[at, ends]) if is_judged else ""
        rows.append(told)
    return pd.DataFrame(rows)


def _measured(value: float, low: float, high: float) -> str:
    return with_interval(value, low, high) if value == value else "not estimable"


def drift_by_site(summary: Mapping, values: pd.DataFrame, sites: pd.Series, min_cell: int) -> pd.DataFrame:
    """How many features have drifted in each site, and which most; empty where sites are not told apart.

    Parameters
    ----------
    summary : mapping
        The bundle's summary of its training patients.
    values : DataFrame
        Selected raw features and Rad-score of everybody measured, indexed by patient_id.
    sites : Series
        Names, indexed by patient_id.
    min_cell : int
        A site of fewer patients, whose values a mean would tell, lets no site be shown.

    Returns
    -------
    DataFrame
        site, drifted, of (number of features and scores), largest shift (training SDs) and its feature.
    """
    site = sites.loc[values.index]
    names = [name for name in dict.fromkeys(sites) if (site == name).any()]
    columns = ["site", "drifted", "of", "largest shift", "feature"]
    if len(names) < 2 or (site.value_counts() < min_cell).any():
        return pd.DataFrame(columns=columns)
    rows = []
    for name in names:
        found = feature_drift(summary, values[site == name])
        worst = found.loc[[found["shift"].abs().idxmax()]]
        told = float(worst["shift"].iloc[0]), *feature_titles(worst["feature"])
        rows.append((name, int(found["drifted"].sum()), len(found), *told))
    return pd.DataFrame(rows, columns=columns)
