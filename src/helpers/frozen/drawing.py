"""Are regions drawn, and scans made, as the training patients' were? Whose are not is marked, not refused.

A region that stays farther from the cortex, or a body that is too wide for its height or its distance from
the next, measures something else; but readers and bones differ, so that this is a warning beside the score.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.features.remarks import append
from helpers.frozen.domain import SHARE, upper_end
from helpers.imaging.regions import VERTEBRAE

# A voxel may be this much longer or shorter than any training patient's.
_STEP = 1.5
_VOXELS = {"slice step (mm)": "step_height", "voxel size in the slice (mm)": "step_width"}


def drawing(quality: pd.DataFrame) -> pd.DataFrame:
    """What is compared, of each row of quality control: ratios and lengths (mm); NaN where not known."""
    width = _mean(quality, "body", ("width",))
    values = {
        "distance of the region from the shell (mm)": _mean(
            quality, "margin", ("head", "foot", "left", "right")
        ),
        "body height (mm)": _mean(quality, "body", ("height",)),
        "body width / height": width / _mean(quality, "body", ("height",)),
        # A wrong slice step or voxel size: this ratio differs least between people.
        "distance of T12 from L1 / body width": quality.reindex(columns=["levels_mm"])["levels_mm"] / width,
        "region width / height": _mean(quality, "extent", ("width",)) / _mean(quality, "extent", ("height",)),
        "region depth / height": _mean(quality, "extent", ("depth",)) / _mean(quality, "extent", ("height",)),
    }
    steps = quality.reindex(columns=list(_VOXELS.values())).set_axis(list(_VOXELS), axis=1)
    return pd.DataFrame(values, index=quality.index).join(steps)


def _mean(quality: pd.DataFrame, measure: str, parts: tuple[str, ...]) -> pd.Series:
    names = [f"{measure}_{vertebra.lower()}_{part}" for vertebra in VERTEBRAE for part in parts]
    return quality.reindex(columns=names).mean(axis=1)


def drawing_summary(quality: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Limits (low, high) that `SHARE` of patients like the training patients would leave by any measure.

    Parameters
    ----------
    quality : DataFrame
        Quality control of the training patients.
    """
    measured = drawing(quality)
    share = SHARE / (2 * (len(measured.columns) - len(_VOXELS)))
    limits = {}
    for name, values in measured.items():
        numbers = values.dropna().to_numpy(float)
        if not len(numbers):
            continue
        if name in _VOXELS:
            low, high = numbers.min() / _STEP, numbers.max() * _STEP
        else:
            low, high = -upper_end(-numbers, share), upper_end(numbers, share)
        limits[name] = {"low": float(low), "high": float(high)}
    return limits


def unlike_training(limits: Mapping[str, Mapping[str, float]], quality: pd.DataFrame) -> pd.Series:
    """What of each patient's region and scan is not as the training patients' were, in words.

    Parameters
    ----------
    limits : mapping
        As `drawing_summary` gives them.
    quality : DataFrame
        patient_id and quality control of new patients.

    Returns
    -------
    Series
        Indexed by patient_id; only those of whom there is something to say.
    """
    measured = drawing(quality.set_index("patient_id"))
    said: dict[str, list[str]] = {}
    for name, limit in limits.items():
        values = measured[name].dropna()
        for patient, value in values[~values.between(limit["low"], limit["high"])].items():
            span = f"{max(limit['low'], 0):.2g} to {limit['high']:.2g}"
            said.setdefault(patient, []).append(f"{name} {value:.2g} (training {span})")
    told = {patient: f"unlike the training patients: {'; '.join(words)}" for patient, words in said.items()}
    return pd.Series(told, dtype=object)


def marked(limits: Mapping[str, Mapping[str, float]], quality: pd.DataFrame) -> pd.DataFrame:
    """``quality`` with a warning for everyone in `unlike_training`."""
    remarks = quality["patient_id"].map(unlike_training(limits, quality)).fillna("")
    hit = remarks != ""
    table = quality.assign(status=np.where(hit, "warned", quality["status"]))
    append(table, "reason", hit, remarks)
    return table
