"""What hospitals differ in, and whether their results differ with it (meta-regression)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from helpers.errors import StudyError
from helpers.evaluation.meta_regression import FEWEST, meta_regression
from helpers.pooling.contract import Hospital, Moments
from helpers.pooling.estimates import EXTERNAL

AGE, WOMEN, MAKER, STEP = "mean age (years)", "share of women", "share of scans by {}", "mean slice step (mm)"
OTHER = "other"
COLUMNS = ["property", "model", "measure", "hospitals", "slope", "low", "high", "p_value"]


def properties(hospitals: Sequence[Hospital]) -> pd.DataFrame:
    """Of each hospital mean age, share of women, share of the commonest scanner maker, and mean slice step.

    Indexed by hospital; what a hospital does not tell is missing, and what none tells has no column.
    """
    maker = _commonest_maker(hospitals)
    table = {
        hospital.label: {
            AGE: _mean(hospital.predictors.get("age")),
            WOMEN: _share(hospital.predictors.get("sex"), "female".__eq__),
            MAKER.format(maker): _share(hospital.scans.get("scanner"), lambda name: _maker(name) == maker),
            STEP: _mean(hospital.scans.get("spacing_z")),
        }
        for hospital in hospitals
    }
    return pd.DataFrame.from_dict(table, orient="index").dropna(axis=1, how="all")


def meta_regressions(
    table: pd.DataFrame, of: pd.DataFrame, model: str, measures: Sequence[str]
) -> pd.DataFrame:
    """Slope of each measure of a model over each property, external hospitals only (on the measure's scale).

    Parameters
    ----------
    table : DataFrame
        As `helpers.pooling.estimates.estimates` gives it.
    of : DataFrame
        As `properties` gives it.
    model : str
    measures : sequence of str

    Returns
    -------
    DataFrame
        `COLUMNS`; no row for what fewer than ten hospitals tell, or what is the same in all.
    """
    rows = []
    external = table[(table["role"] == EXTERNAL) & (table["model"] == model)]
    for name in of:
        for measure in measures:
            part = external[external["measure"] == measure].dropna(subset=["scaled", "variance"])
            part = part.assign(value=part["hospital"].map(of[name])).dropna(subset=["value"])
            try:
                found = meta_regression(part["scaled"], part["variance"], part["value"])
            except StudyError:
                continue
            slope, p_value = found.coefficients[1], found.p_values[1]
            half = found.half_width[1]
            rows.append((name, model, measure, len(part), slope, slope - half, slope + half, p_value))
    return pd.DataFrame(rows, columns=COLUMNS)


def why_no_regression(table: pd.DataFrame) -> str:
    """Why there is no meta-regression, as a sentence; empty where external hospitals are enough."""
    number = table.loc[table["role"] == EXTERNAL, "hospital"].nunique()
    if number >= FEWEST:
        return ""
    return (
        f"With {number} external hospital(s) no meta-regression is shown: with fewer than {FEWEST} a "
        "property of the hospitals explains their differences by chance."
    )


def _mean(part: Moments | dict | None) -> float:
    """Mean of a number, also where it has few values and stands as a category each."""
    if isinstance(part, Moments):
        return np.nan if isinstance(part.mean, str) else part.mean
    try:
        values = {float(name): count for name, count in (part or {}).items()}
        return float(np.average(list(values), weights=list(values.values())))
    except (ValueError, TypeError, ZeroDivisionError):  # a category that is no number, or hidden
        return np.nan


def _share(part: Moments | dict | None, is_one: Callable[[str], bool]) -> float:
    """Share of those in the categories asked for; missing where some of them may stand among "other"."""
    if not isinstance(part, dict) or any(isinstance(count, str) for count in part.values()):
        return np.nan
    total = sum(part.values())
    return (
        sum(n for name, n in part.items() if is_one(name)) / total if total and OTHER not in part else np.nan
    )


def _commonest_maker(hospitals: Sequence[Hospital]) -> str:
    counts: Counter[str] = Counter()
    for hospital in hospitals:
        scanners = hospital.scans.get("scanner")
        for name, count in scanners.items() if isinstance(scanners, dict) else ():
            counts[_maker(name)] += 0 if isinstance(count, str) or name == OTHER else count
    return counts.most_common(1)[0][0] if counts else "one maker"


def _maker(scanner: str) -> str:
    return scanner.split()[0].upper() if scanner.split() else ""
