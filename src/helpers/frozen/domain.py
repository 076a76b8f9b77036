"""The model's domain: whom a frozen model may score, judged by a summary of its training patients.

The rule, stated here and nowhere else. A patient lies outside the domain when

- the Rad-score lies beyond the axis that the nomogram prints;
- a selected feature lies beyond the range that `SHARE` of patients like the training patients would leave by
  any of the features (tails fitted to the training patients, not their smallest and largest value);
- the selected features together lie farther from the training patients' centre than `SHARE` of patients like
  them would (Mahalanobis distance);
- the scan was made at another tube voltage than the training patients', and the study file does not calibrate
  it.

The summary holds means, SDs, a shrunken covariance and fitted limits: no value of a single patient.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from helpers.features.names import readable_name
from helpers.frozen.drift import RAD_SCORE

SHARE = 0.002  # of patients like the training patients, whom each fitted limit leaves outside: 2 in 1000
USUAL = 0.05  # a tube voltage of fewer training patients is not one that the model knows
DISTANCE, VOLTAGE = "all features together", "tube voltage (kV)"
_FOLDS = 10
_TAIL, _FEWEST = 0.15, 5  # patients of whom a tail is made
_SAME_KV = 1.0


def domain_summary(
    features: pd.DataFrame, axis: list[float], kvp: pd.Series | None, min_cell: int = 0
) -> dict:
    """What a frozen model must carry so that its domain can be judged, in JSON's types.

    Parameters
    ----------
    features : DataFrame
        Selected raw features, one row a training patient.
    axis : list of float
        Ticks of the nomogram's axis of the Rad-score.
    kvp : Series or None
        Tube voltages of their scans (kV, missing where not stated); None where features came ready-made.
    min_cell : int
        A tube voltage of fewer patients is not told.

    Returns
    -------
    dict
        rad_score (low, high); features (low, high by name); centre, sd, covariance (of z-scores) and
        distance (the limit); kvp (list).
    """
    values = features.to_numpy(float)
    apart = np.maximum(_held_out_distances(values), 1e-9)
    share = SHARE / (2 * values.shape[1])  # two ends of each feature
    centre, sd, covariance = _spread(values)
    return {
        "rad_score": {"low": float(min(axis)), "high": float(max(axis))},
        "features": {
            name: {"low": -upper_end(-column, share), "high": upper_end(column, share)}
            for name, column in zip(features, values.T, strict=True)
        },
        "centre": centre.tolist(),
        "sd": sd.tolist(),
        "covariance": covariance.tolist(),
        "distance": float(np.exp(upper_end(np.log(apart), SHARE))),
        "kvp": _usual_voltages(kvp, len(features), min_cell),
    }


def upper_end(values: NDArray, share: float) -> float:
    """Value that ``share`` of further patients lie above, by the ``values`` of some.

    Beyond the highest seventh an exponential tail is fitted (features are more often skewed than normal), and
    its predictive distribution is taken, which is wider the fewer patients there are.
    """
    highest = min(max(_FEWEST, round(_TAIL * len(values))), len(values) - 1)
    start = float(np.quantile(values, 1 - highest / len(values)))
    excess = float(np.clip(values - start, 0, None).sum() / highest)
    return start + excess * highest * ((highest / len(values) / share) ** (1 / highest) - 1)


def _spread(values: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Centre, SDs, and covariance of the z-scores, shrunken (Ledoit and Wolf 2004)."""
    centre, sd = values.mean(axis=0), values.std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    return centre, sd, ledoit_wolf((values - centre) / sd)[0]


def _distances(values: NDArray, centre: NDArray, sd: NDArray, covariance: NDArray) -> NDArray:
    z = (values - centre) / sd
    return np.sqrt(np.einsum("ij,ij->i", z, np.linalg.solve(covariance, z.T).T))


def _held_out_distances(values: NDArray) -> NDArray:
    """Distance of each training patient from the others: a patient's own part would draw the centre near."""
    fold = np.arange(len(values)) % _FOLDS
    distances = np.empty(len(values))
    for number in np.unique(fold):
        held_out = fold == number
        distances[held_out] = _distances(values[held_out], *_spread(values[~held_out]))
    return distances


def _usual_voltages(kvp: pd.Series | None, patients: int, min_cell: int) -> list[float]:
    if kvp is None:
        return []
    counts = kvp.dropna().astype(float).value_counts()
    return sorted(counts.index[counts >= max(USUAL * patients, min_cell)].tolist())


def limits_table(domain: Mapping) -> pd.DataFrame:
    """The limits of the domain for reading: what, lowest, highest."""
    limits = {RAD_SCORE: domain["rad_score"]}
    limits |= {readable_name(name): limit for name, limit in domain["features"].items()}
    limits[DISTANCE] = {"low": 0.0, "high": domain["distance"]}
    if domain["kvp"]:
        limits[VOLTAGE] = {"low": domain["kvp"][0], "high": domain["kvp"][-1]}
    rows = [(what, limit["low"], limit["high"]) for what, limit in limits.items()]
    return pd.DataFrame(rows, columns=["what", "lowest", "highest"])


def voltages(quality: pd.DataFrame | None) -> pd.Series | None:
    """Tube voltage (kV) of each scan, or the one to which the study file calibrates it, by patient_id."""
    if quality is None or "kvp" not in quality:
        return None
    rows = quality.set_index("patient_id")
    kvp = rows["kvp"].astype(float)
    return rows["kvp_calibrated"].astype(float).fillna(kvp) if "kvp_calibrated" in rows else kvp


def distances(domain: Mapping, features: pd.DataFrame) -> pd.Series:
    """Mahalanobis distance of each row of the selected raw features from the training patients' centre."""
    values = features[list(domain["features"])].to_numpy(float)
    parts = (np.array(domain[name]) for name in ("centre", "sd", "covariance"))
    return pd.Series(_distances(values, *parts), index=features.index)


def outside_domain(
    domain: Mapping, features: pd.DataFrame, rad_score: pd.Series, kvp: pd.Series | None
) -> pd.DataFrame:
    """Everything by which patients lie outside the domain.

    Parameters
    ----------
    domain : mapping
        As `domain_summary` gives it.
    features : DataFrame
        Selected raw features, indexed by patient_id.
    rad_score : Series
        Indexed alike.
    kvp : Series or None
        Tube voltage of each scan (kV) or the one it was calibrated to, indexed alike; missing: not stated.

    Returns
    -------
    DataFrame
        patient_id, what (Rad-score, a feature's name, ...), value, low, high: a row a finding, by patient in
        the order of ``features``.
    """
    limits = {RAD_SCORE: domain["rad_score"], **domain["features"], DISTANCE: {"high": domain["distance"]}}
    measured = features[list(domain["features"])].assign(
        **{RAD_SCORE: rad_score, DISTANCE: distances(domain, features)}
    )
    rows = []
    for what, limit in limits.items():
        low, high = limit.get("low", 0.0), limit["high"]
        beyond = measured.loc[~measured[what].between(low, high), what]
        rows += [(patient, what, value, low, high) for patient, value in beyond.items()]
    known = domain["kvp"]
    for patient, value in (kvp.dropna() if kvp is not None and known else pd.Series(dtype=float)).items():
        if np.abs(np.array(known) - value).min() > _SAME_KV:
            rows.append((patient, VOLTAGE, float(value), known[0], known[-1]))
    found = pd.DataFrame(rows, columns=["patient_id", "what", "value", "low", "high"])
    order = found["patient_id"].map({patient: number for number, patient in enumerate(features.index)})
    return found.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def reasons(outside: pd.DataFrame) -> pd.Series:
    """Why each patient lies outside, in words, by patient_id."""
    words = pd.Series([_in_words(row) for _, row in outside.iterrows()], dtype=object)
    joined = words.groupby(outside["patient_id"], sort=False).agg("; ".join)
    return "outside the model's domain: " + joined


def _in_words(row: pd.Series) -> str:
    own = (RAD_SCORE, DISTANCE, VOLTAGE)
    title = row["what"] if row["what"] in own else readable_name(row["what"])
    if row["what"] == DISTANCE:
        return f"{title}: distance {row['value']:.3g} (training up to {row['high']:.3g})"
    spread = f"{row['low']:.4g}" + (f" to {row['high']:.4g}" if row["high"] > row["low"] else "")
    return f"{title} {row['value']:.4g} (training {spread})"
