"""How far a new site's features, patients and scanners lie from those a model was trained on.

A frozen model carries a summary of its training patients (means, SDs, quantiles, shares), no patient of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from helpers.features.names import readable_name
from helpers.study.number_texts import span

OUTER = (0.01, 0.99)  # the training range: beyond it lie about 2 in 100 patients of the same kind
DECILES = np.arange(1, 10) / 10
ALPHA = 0.05
SPACINGS = {"spacing_x": "voxel size in the slice (mm)", "spacing_z": "slice step (mm)"}
ACQUISITION = {"kvp": "tube voltage (kV)", "kernel": "kernel", "contrast": "contrast", "scanner": "scanner"}
RAD_SCORE = "Rad-score"


def training_summary(
    features: pd.DataFrame, people: pd.DataFrame, quality: pd.DataFrame | None, min_cell: int
) -> dict:
    """What a frozen model tells of its training patients, in JSON's types.

    Parameters
    ----------
    features : DataFrame
        Selected raw features and the Rad-score, one row a training patient.
    people : DataFrame
        Their clinical predictors.
    quality : DataFrame or None
        Their rows of the ``preprocessing`` artifact; None where features came ready-made.
    min_cell : int
        Categories with fewer patients are counted as "other".

    Returns
    -------
    dict
        patients, features and predictors (mean, sd, low, high, cuts, shares; or shares of categories),
        acquisition (the same for what the scans' headers say).
    """
    scans = acquisition(quality)
    return {
        "patients": len(features),
        "features": {name: _distribution(features[name]) for name in features},
        "predictors": {name: _described(people[name], min_cell) for name in people},
        "acquisition": {name: _described(scans[name], min_cell, name in SPACINGS) for name in scans},
    }


def acquisition(quality: pd.DataFrame | None) -> pd.DataFrame:
    """What is compared of the scans; of contrast only whether it was given, the rest is free text."""
    if quality is None:
        return pd.DataFrame()
    scans = quality[[name for name in (*ACQUISITION, *SPACINGS) if name in quality]].copy()
    if "contrast" in scans:
        given = scans["contrast"].notna() & (scans["contrast"] != "")
        scans["contrast"] = given.map({True: "given", False: "not stated"})
    return scans


def _described(values: pd.Series, min_cell: int, numeric: bool | None = None) -> dict:
    numeric = pd.api.types.is_numeric_dtype(values) and values.nunique() > 2 if numeric is None else numeric
    return _distribution(values.dropna()) if numeric else {"categories": _shares(values, min_cell)}


def _distribution(values: pd.Series) -> dict:
    """Mean, SD (1/n), 1st and 99th percentile, deciles, and the share of patients between these."""
    numbers = values.to_numpy(float)
    cuts = np.unique(np.quantile(numbers, DECILES))
    low, high = np.quantile(numbers, OUTER)
    return {
        "mean": float(numbers.mean()),
        "sd": float(numbers.std()),
        "low": float(low),
        "high": float(high),
        "cuts": cuts.tolist(),
        "shares": _binned(numbers, cuts).tolist(),
    }


def _binned(numbers: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    counts = np.bincount(np.searchsorted(cuts, numbers, side="right"), minlength=len(cuts) + 1)
    return counts / len(numbers)


def _shares(values: pd.Series, min_cell: int) -> dict[str, float]:
    return {name: count / len(values) for name, count in category_counts(values, min_cell).items()}


def category_counts(values: pd.Series, min_cell: int) -> dict[str, int]:
    """How many have each value, the rarest taken together as "other" until these are ``min_cell``."""
    counts = values.map(_category).value_counts()
    # The rarest are taken together until nobody can be counted among them.
    pooled = counts.iloc[::-1].cumsum().iloc[::-1]
    rare = (counts < min_cell) | ((pooled - counts < min_cell) & (pooled > counts))
    other = {"other": int(counts[rare].sum())} if rare.any() else {}
    return counts[~rare].to_dict() | other


def _category(value: float | str | None) -> str:
    if pd.isna(value):
        return "not stated"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def feature_drift(summary: Mapping, values: pd.DataFrame) -> pd.DataFrame:
    """Compare each feature's distribution at the new site with that of the training patients.

    Parameters
    ----------
    summary : mapping
        As `training_summary` gives it.
    values : DataFrame
        The same features of the new patients.

    Returns
    -------
    DataFrame
        feature; shift (difference of the means in training SDs); shift_limit; sd_ratio (new over training);
        outside (share of the new patients beyond the training patients' 1st to 99th percentile); psi
        (population stability index over the training deciles: sum of (new - training share) x ln(new /
        training share), an empty class counting as half a patient); psi_limit; drifted (shift or psi beyond
        its limit).

    Notes
    -----
    The limits are what samples of one population stay within in 95 of 100 such tables (Bonferroni over
    features and both measures): for the shift by the normal distribution of a difference of means; for psi,
    psi / (1/n + 1/m) follows a chi-square distribution with one degree of freedom less than there are classes
    (Yurdakul, Statistical properties of the population stability index, 2018).
    """
    level = 1 - ALPHA / (2 * max(len(summary["features"]), 1))
    rows = [
        {"feature": name} | _compared(reference, values[name].to_numpy(float), summary["patients"], level)
        for name, reference in summary["features"].items()
    ]
    return pd.DataFrame(rows)


def _compared(reference: Mapping, numbers: np.ndarray, training: int, level: float) -> dict[str, float]:
    cuts, n = np.array(reference["cuts"]), len(numbers)
    old, new = np.array(reference["shares"]), _binned(numbers, cuts)
    floor = 0.5 / np.array([training, n])
    old, new = np.maximum(old, floor[0]), np.maximum(new, floor[1])
    psi = float(((new - old) * np.log(new / old)).sum())
    limit = float(chi2.ppf(level, len(cuts)) * (1 / n + 1 / training))
    spread = reference["sd"] or np.nan
    shift, ratio = float((numbers.mean() - reference["mean"]) / spread), float(numbers.std() / spread)
    reach = float(norm.ppf((1 + level) / 2) * np.sqrt(1 / training + ratio**2 / n))
    return {
        "shift": shift,
        "shift_limit": reach,
        "sd_ratio": ratio,
        "outside": float(((numbers < reference["low"]) | (numbers > reference["high"])).mean()),
        "psi": psi,
        "psi_limit": limit,
        "drifted": psi > limit or abs(shift) > reach,
    }


def printed_drift(table: pd.DataFrame) -> pd.DataFrame:
    """`feature_drift` for reading: readable names, without the limits."""
    shown = table.drop(columns=["shift_limit", "psi_limit"])
    return shown.assign(
        feature=feature_titles(table["feature"]), drifted=table["drifted"].map({True: "yes", False: "no"})
    )


def feature_titles(features: pd.Series) -> list[str]:
    """Features as a reader reads them."""
    return [name if name == RAD_SCORE else readable_name(name) for name in features]


def scanner_drift(summary: Mapping, quality: pd.DataFrame | None, min_cell: int) -> pd.DataFrame:
    """What the scans' headers say, training patients beside new ones.

    Parameters
    ----------
    summary : mapping
        As `training_summary` gives it.
    quality : DataFrame or None
        New patients' rows of quality control.
    min_cell : int
        Categories with fewer new patients are counted as "other".

    Returns
    -------
    DataFrame
        property, training, new: shares of categories, or median (1st to 99th percentile). Empty where either
        has no images.
    """
    reference, scans = summary["acquisition"], acquisition(quality)
    shown = [] if quality is None else list(reference)
    rows = [
        {
            "property": (ACQUISITION | SPACINGS)[name],
            "training": _in_words(reference[name]),
            "new": _in_words(_described(scans[name], min_cell, name in SPACINGS)) if name in scans else "-",
        }
        for name in shown
    ]
    return pd.DataFrame(rows, columns=["property", "training", "new"])


def _in_words(described: Mapping) -> str:
    if "categories" in described:
        return ", ".join(f"{name} {share:.0%}" for name, share in described["categories"].items())
    return f"{described['mean']:.3g} ({span(described['low'], described['high'], '.3g')})"


def outside_range(summary: Mapping, people: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """Predictors of new patients against the training patients' range.

    Returns
    -------
    DataFrame
        predictor, training (range, or categories with their shares), new, outside (share of new patients
        beyond the 1st to 99th percentile, or in a category that training patients had not).
    """
    rows = []
    for name, reference in summary["predictors"].items():
        values = people[name]
        if "categories" in reference:
            texts = values.map(_category)
            known = list(reference["categories"])
            outside = ~texts.isin(known) & ("other" not in known)
        else:
            outside = (values < reference["low"]) | (values > reference["high"])
        new = _described(values, min_cell, "categories" not in reference)
        rows.append((name, _in_words(reference), _in_words(new), float(outside.mean())))
    return pd.DataFrame(rows, columns=["predictor", "training", "new", "outside"])
