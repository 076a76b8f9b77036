"""Simulated against real bone: a real scan's features beside those of its virtual twins.

Numbers are stored in data/virtual (made by benchmarks/twins.py): real scans are no part of this project.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.features.names import feature_dictionary, readable_name, shapes_in
from helpers.study.places import REPOSITORY

POSITIONS = REPOSITORY / "data" / "virtual" / "twins.csv"
SCANS = REPOSITORY / "data" / "virtual" / "twins_scans.csv"
HISTORY = REPOSITORY / "data" / "virtual" / "twins_history.csv"
CENTRAL = (0.005, 0.995)
IMAGE_TYPES = ("Original", "LoG", "Wavelet", "Square", "Gradient", "Exponential", "Logarithm")
_LEAST_RANGE = 1e-9  # share of the twins' median; narrower, all twins count as equal


class Twins(NamedTuple):
    """What is stored.

    Attributes
    ----------
    positions : DataFrame
        Index feature; a column a scan: 0 at the lower end of the twins' central 99 %, 1 at the upper one.
    scans : DataFrame
        Index scan: what was measured in it, and how its twins were made.
    history : DataFrame
        Columns scan, image_type, inside, version, twins: share of features by version of the simulator.
    """

    positions: pd.DataFrame
    scans: pd.DataFrame
    history: pd.DataFrame


def stored_twins() -> Twins:
    """The stored comparison."""
    return Twins(
        pd.read_csv(POSITIONS, index_col="feature"),
        pd.read_csv(SCANS, index_col="scan"),
        pd.read_csv(HISTORY),
    )


def position(real: pd.Series, twins: pd.DataFrame) -> pd.Series:
    """Where each feature of a real patient lies in its twins' central 99 %: inside from 0 to 1.

    Shape is left out: the twins' bodies are made to the real region's size. A feature that all twins share is
    at 0.5 where the real one shares it too, else at infinity.

    Parameters
    ----------
    real : Series
        By feature.
    twins : DataFrame
        A row a twin, a column a feature.
    """
    names = twins.columns.drop(shapes_in(twins.columns))
    low, high = (twins[names].quantile(q) for q in CENTRAL)
    width, size = high - low, twins[names].abs().median()
    flat = width <= _LEAST_RANGE * size
    same = (real[names] - low).abs() <= _LEAST_RANGE * size
    placed = (real[names] - low) / width.where(~flat)
    return placed.where(~flat, np.where(same, 0.5, np.inf)).rename_axis("feature")


def inside(positions: pd.DataFrame) -> pd.DataFrame:
    """Whether each feature of each scan lies inside its twins' central 99 %: bool, as ``positions``."""
    return (positions >= 0) & (positions <= 1)


def shares(positions: pd.DataFrame) -> pd.DataFrame:
    """Share of features inside, by image type and class.

    Returns
    -------
    DataFrame
        A row for each scan, image type (also "all") and feature class (also "all"): scan, image_type,
        feature_class, features, inside.
    """
    told = feature_dictionary(positions.index).set_index("feature")[["image_type", "feature_class"]]
    long = inside(positions).join(told).melt(["image_type", "feature_class"], var_name="scan")
    every = pd.concat(
        [
            long.assign(**whole)
            for whole in (
                {},
                {"image_type": "all"},
                {"feature_class": "all"},
                {"image_type": "all", "feature_class": "all"},
            )
        ]
    )
    grouped = every.groupby(["scan", "image_type", "feature_class"], sort=False)["value"]
    return grouped.agg(features="size", inside="mean").reset_index()


def wrong(positions: pd.DataFrame) -> pd.DataFrame:
    """Original and LoG features in which simulated bone is wrong: outside in every scan, on the same side.

    Returns
    -------
    DataFrame
        ``feature`` as a reader reads it, ``image_type``, ``real_bone`` ("higher" or "lower" than its twins),
        the worst first.
    """
    told = feature_dictionary(positions.index).set_index("feature")
    chosen = positions[told["image_type"].isin(["Original", "LoG"])]
    beyond = chosen - 0.5
    sided = (beyond > 0.5).all(axis=1) | (beyond < -0.5).all(axis=1)
    least = beyond[sided].abs().min(axis=1).sort_values(ascending=False)
    return pd.DataFrame(
        {
            "feature": [readable_name(name) for name in least.index],
            "image_type": told.loc[least.index, "image_type"].to_numpy(),
            "real_bone": np.where(beyond.loc[least.index].iloc[:, 0] > 0, "higher", "lower"),
        }
    )


def progress(history: pd.DataFrame) -> pd.DataFrame:
    """Share of features inside: a row for each version of the simulator and scan, a column an image type."""
    wide = history.pivot(index=["version", "twins", "scan"], columns="image_type", values="inside")
    order = history[["version", "twins", "scan"]].drop_duplicates()
    return wide.loc[order.itertuples(index=False, name=None), [*IMAGE_TYPES, "all"]].reset_index()


def measures(scans: pd.DataFrame) -> pd.DataFrame:
    """What was measured in each scan and given to its twins: a row a scan, columns as a reader reads them."""
    names = {
        "pixel_mm": "pixel (mm)",
        "slice_mm": "slices apart (mm)",
        "noise_hu": "noise (HU)",
        "fwhm_mm": "point spread (mm)",
        "slice_fwhm_mm": "slice profile (mm)",
        "hu": "mean HU",
        "sd_hu": "SD of HU",
        "side_mm": "depth at the side wall (mm)",
        "face_mm": "depth at the end plates (mm)",
        "twins": "twins",
    }
    return scans[list(names)].rename(columns=names).reset_index()


def in_words(positions: pd.DataFrame) -> dict[str, str]:
    """Numbers for the chapter's prose: shares inside (%) by scan, and how many features are wrong."""
    table = shares(positions).query("feature_class == 'all'").set_index(["scan", "image_type"])["inside"]
    told = {
        image: "; ".join(f"{scan}: {100 * table[scan, image]:.0f} %" for scan in positions.columns)
        for image in ("Original", "LoG", "all")
    }
    return {
        "twins-original": told["Original"],
        "twins-log": told["LoG"],
        "twins-all": told["all"],
        "twins-wrong": str(len(wrong(positions))),
    }
