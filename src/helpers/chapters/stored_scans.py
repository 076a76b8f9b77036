"""The same scan cut and stored in other ways: how far its features move, on either resampling grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import SimpleITK as sitk

from helpers.features.blocks import GRID_KEY, GRIDS, preprocess
from helpers.features.extraction import extract
from helpers.imaging.sources import Scan
from helpers.learning.selection import rad_score
from helpers.study.parallel import on_cores

if TYPE_CHECKING:
    from helpers.virtual import VirtualSite

WHOLE = "as scanned"
# What hospitals and their programs do to a scan that changes none of its voxels.
WAYS = {
    WHOLE: lambda volume: volume,
    "first slice left out": lambda volume: volume[:, :, 1:],
    "borders of 15, 13 and 9 pixels cut off": lambda volume: volume[15:-9, 13:-9, :],
    "stored from left to right": lambda volume: volume[::-1, :, :],
}
_MOVED_SD = 0.1


def stored_features(
    site: VirtualSite, people: Sequence[str], settings: dict, workers: int
) -> list[dict[str, pd.DataFrame]]:
    """Measure patients from each way of storing their scan, on each resampling grid.

    Parameters
    ----------
    site : VirtualSite
    people : sequence of str
        Pseudonyms of its patients.
    settings : dict
        As :func:`helpers.features.blocks.read_settings` gives them; its grid plays no part.
    workers : int
        0 for all cores.

    Returns
    -------
    list of dict
        For each patient, by grid: a row for each of ``WAYS``, a column a feature.
    """
    return list(on_cores(partial(_measured, site, settings), people, workers))


def _measured(site: VirtualSite, settings: dict, patient_id: str) -> dict[str, pd.DataFrame]:
    volumes = site.acquire(patient_id)
    scans = {way: Scan(*(store(volume) for volume in volumes)) for way, store in WAYS.items()}
    return {grid: _by_way(scans, settings | {GRID_KEY: grid}) for grid in GRIDS}


def _by_way(scans: dict[str, Scan], settings: dict) -> pd.DataFrame:
    known, rows = {}, {}
    for way, scan in scans.items():
        block = preprocess(scan, settings)
        # Features follow from the block's voxels; where these lie plays no part.
        content = b"".join(sitk.GetArrayViewFromImage(part).tobytes() for part in (block.image, block.layers))
        if content not in known:
            known[content] = extract(block, settings)
        rows[way] = known[content]
    return pd.DataFrame.from_dict(rows, orient="index")


def storage_shift(
    measured: list[dict[str, pd.DataFrame]], selection: dict, features: pd.DataFrame
) -> pd.DataFrame:
    """How far features and Rad-score move by storing alone, in SDs between patients.

    Parameters
    ----------
    measured : list of dict
        As :func:`stored_features` gives it.
    selection : dict
        The artifact "selection".
    features : DataFrame
        The artifact "features", for the SDs.

    Returns
    -------
    DataFrame
        grid, stored, and over the patients: moved_percent (share of features that move by more than 0.1 SD),
        median_shift of the features and rad_score_shift, the largest one (both in SDs).
    """
    spread = features.drop(columns="patient_id").std()
    spread = spread[spread > 1e-9 * features[spread.index].abs().max()]
    rows = []
    for grid, way in product(GRIDS, list(WAYS)[1:]):
        pairs = [(tables[grid].loc[[WHOLE]], tables[grid].loc[[way]]) for tables in measured]
        shifts = np.array([np.abs(b.to_numpy() - a)[spread.index] / spread for a, b in pairs])
        scores = [rad_score(selection, b).item() - rad_score(selection, a).item() for a, b in pairs]
        moved = 100 * np.mean(shifts > _MOVED_SD)
        rows.append((grid, way, moved, np.median(shifts), np.abs(scores).max()))
    table = pd.DataFrame(rows, columns=["grid", "stored", "moved_percent", "median_shift", "rad_score_shift"])
    return table.assign(rad_score_shift=table["rad_score_shift"] / rad_score(selection, features).std())


def in_words(storage: pd.DataFrame, patients: int) -> dict[str, str]:
    """The Rad-score's largest shift on each grid (SD), and of how many patients, by glue's names."""
    largest = storage.groupby("grid")["rad_score_shift"].max()
    return {f"{grid}-shift": f"{largest[grid]:.2f}" for grid in GRIDS} | {"stored-patients": f"{patients}"}
