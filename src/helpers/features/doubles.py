"""One patient once: the same image, mask or region under two pseudonyms, found by content.

Scans are compared by their decoded voxels, so that another format, compression or file name hides nothing.
Another reconstruction of the same scan has other voxels: it is told by a coarse picture of the spine around
the region, which no two patients share.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy import ndimage

from helpers.features.blocks import Block
from helpers.features.engine.resampling import crop
from helpers.imaging.boxes import oriented, roi_box
from helpers.imaging.sources import Scan
from helpers.study.content_hash import content_hash

CELL_MM = 3.0
CELLS = (18, 16, 26)  # of the coarse picture (x, y, z), around the region's centre
_SIGMA_MM = 1.2
_BEYOND = -30000.0  # where the picture leaves the block
# Two scans with all of these are taken for one. Of 863 virtual patients no two come beyond 0.971; the same
# scan has 0.984 and more under a second reader's region (40 of 40), 0.99 with another kernel. A copy with
# slices of 5 mm is not known again.
ALIKE_HU = 0.975  # correlation of the coarse pictures, laid upon each other
ALIKE_REGION = 0.93  # overlap of the regions (Dice), centre on centre
_WORTH_A_LOOK = 0.95  # correlation centre on centre: another reader's region has its centre a little beside
_ROWS = 256  # patients compared with all others at once
_NAMED = 3
_STEPS = 3  # of Gauss and Newton, to the best fit


@dataclass(frozen=True)
class Marks:
    """What tells one patient's scan from all others.

    Attributes
    ----------
    image : str
        SHA-256 of the image's voxels.
    mask : str
        SHA-256 of the labels in the box around them, wherever it lies.
    region : str
        SHA-256 of labels and HU in that box: the same in a copy that was cropped.
    hu : ndarray, shape (cells,)
        HU around the region's centre, smoothed, every `CELL_MM`; NaN where the block ends.
    inside : ndarray, shape (cells,)
        Share of the region there.
    """

    image: str
    mask: str
    region: str
    hu: np.ndarray
    inside: np.ndarray

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As the cache keeps them."""
        hashes = json.dumps([self.image, self.mask, self.region])
        return {"hashes": np.array(hashes), "coarse_hu": self.hu, "coarse_region": self.inside}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Marks:
        """The inverse of `to_arrays`."""
        return cls(*json.loads(str(arrays["hashes"])), arrays["coarse_hu"], arrays["coarse_region"])


def marks_of(scan: Scan, block: Block) -> Marks:
    """Marks of a scan and its block. In which order its axes are stored does not count."""
    image, mask = oriented(scan.image), oriented(scan.mask)
    start, size = roi_box(mask)
    hu, labels = (sitk.GetArrayFromImage(crop(volume, start, start + size)) for volume in (image, mask))
    whole = sitk.GetArrayViewFromImage(image)
    drawn = content_hash(json.dumps(labels.shape), labels.tobytes())
    return Marks(
        image=content_hash(json.dumps(whole.shape), whole.data),
        mask=drawn,
        region=content_hash(drawn, hu.tobytes()),
        **_coarse(oriented(block.image), oriented(block.mask)),
    )


def _coarse(image: sitk.Image, region: sitk.Image) -> dict[str, np.ndarray]:
    """The coarse picture of a block: its HU, and the share of the region."""
    middle = [float(indices.mean()) for indices in np.nonzero(sitk.GetArrayViewFromImage(region))][::-1]
    first = region.TransformContinuousIndexToPhysicalPoint(middle)
    axes = np.array(region.GetDirection()).reshape(3, 3)
    first = np.array(first) - axes @ ((np.array(CELLS) - 1) / 2 * CELL_MM)
    pictures = {}
    for name, volume, beyond in (("hu", image, _BEYOND), ("inside", region, 0.0)):
        smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(volume, sitk.sitkFloat32), _SIGMA_MM)
        grid = (first.tolist(), [CELL_MM] * 3, region.GetDirection())
        cells = sitk.Resample(smooth, CELLS, sitk.Transform(), sitk.sitkLinear, *grid, beyond)
        pictures[name] = sitk.GetArrayFromImage(cells).ravel()
    pictures["hu"][pictures["hu"] < _BEYOND / 2] = np.nan
    return {name: cells.astype(np.float16) for name, cells in pictures.items()}


def with_doubles(table: pd.DataFrame, marks: Mapping[str, Marks]) -> pd.DataFrame:
    """The quality table, with everyone refused or warned about who seems to be there twice.

    Parameters
    ----------
    table : DataFrame
        patient_id, status, reason and kind, as :func:`helpers.features.prepare.quality_table` makes it.
    marks : mapping of str to Marks
        Of every usable patient, by pseudonym.

    Returns
    -------
    DataFrame
        A copy. The same image under two pseudonyms, or the same mask on two images, refuses both (kind
        "double"); what looks like another reconstruction of the same scan warns about both.
    """
    table = table.set_index("patient_id")
    names = [name for name in table.index if name in marks]
    for patient, reason in _refusals(names, marks).items():
        table.loc[patient, ["status", "reason", "kind"]] = ["refused", reason, "double"]
    for patient, others in _near(names, marks).items():
        if table.loc[patient, "status"] != "refused":
            notes = [table.loc[patient, "reason"], f"looks like another reconstruction of {others}'s scan"]
            table.loc[patient, ["status", "reason"]] = ["warned", "; ".join(filter(None, notes))]
    return table.reset_index()


def _refusals(names: list[str], marks: Mapping[str, Marks]) -> dict[str, str]:
    """Why each patient is refused whose image, region or mask another patient has too."""
    said = {
        "region": "the same image and mask as {}: one patient under two numbers, or files under a wrong "
        "name. Keep one of them, or correct the files.",
        "image": "the same image as {}, with another mask: one patient under two numbers, or an image under "
        "a wrong name. Keep one of them, or correct the files.",
        "mask": "the same mask as {}, on another image: a mask that was drawn on another patient, or one "
        "patient's scan in two reconstructions. Save each patient's own mask, or keep one of them.",
    }
    reasons = {}
    for mark, text in said.items():
        owners = pd.Series({name: getattr(marks[name], mark) for name in names}, dtype=str)
        for _, group in owners.groupby(owners):
            for name in group.index if len(group) > 1 else ():
                reasons.setdefault(name, f"{name}: {text.format(_others(name, group.index))}")
    return reasons


def _others(name: str, group: pd.Index) -> str:
    others = [other for other in group if other != name]
    rest = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return ", ".join(others[:_NAMED]) + rest


def _near(names: list[str], marks: Mapping[str, Marks]) -> dict[str, str]:
    """Whose scan each patient's may be another reconstruction of."""
    found: dict[str, list[str]] = {}
    for one, other in _alike(names, marks):
        found.setdefault(names[one], []).append(names[other])
    return {name: _others(name, pd.Index(others)) for name, others in found.items()}


def _alike(names: list[str], marks: Mapping[str, Marks]) -> Iterator[tuple[int, int]]:
    """Pairs whose coarse pictures are alike, each both ways round."""
    if len(names) < 2:
        return
    hu = np.stack([marks[name].hu for name in names]).astype(np.float32)
    inside = np.stack([marks[name].inside for name in names]).astype(np.float32)
    for start in range(0, len(names), _ROWS):
        rows = slice(start, start + _ROWS)
        near = (_correlation(hu[rows], hu) > _WORTH_A_LOOK) & (_overlap(inside[rows], inside) > ALIKE_REGION)
        for one, other in np.argwhere(near) + (start, 0):
            if one < other and _best_correlation(hu[one], hu[other]) > ALIKE_HU:
                yield int(one), int(other)
                yield int(other), int(one)


def _correlation(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each row of ``some`` with each of ``others``, over the cells both have."""
    x, y = (np.nan_to_num(np.clip(rows, -200, 1000) / 200) for rows in (some, others))
    seen_x, seen_y = (np.isfinite(rows).astype(np.float32) for rows in (some, others))
    n = np.maximum(seen_x @ seen_y.T, 1)
    mean_x, mean_y = x @ seen_y.T / n, seen_x @ y.T / n
    spread = (x**2 @ seen_y.T / n - mean_x**2) * (seen_x @ (y**2).T / n - mean_y**2)
    return (x @ y.T / n - mean_x * mean_y) / np.sqrt(np.maximum(spread, 1e-12))


def _overlap(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Dice's coefficient of each row's region with each other's."""
    sizes = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None]
    return 2 * (some @ others.T) / np.maximum(sizes, 1e-12)


def _best_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two coarse pictures after the second was moved by up to a cell to fit the first."""
    first, second = (cells.reshape(CELLS[::-1]).astype(float) for cells in (one, other))
    seen, seen_too = (np.isfinite(cells) for cells in (first, second))
    first, second = (np.nan_to_num(cells, nan=np.nanmean(cells)) for cells in (first, second))
    moved, common, shift = second, seen & seen_too, np.zeros(3)
    for _ in range(_STEPS):
        rows = ndimage.binary_erosion(common)  # at the border a slope is none of the picture's
        slopes = [slope[rows] for slope in np.gradient(moved)]
        design = np.column_stack([*slopes, moved[rows], np.ones(rows.sum())])
        fitted = np.linalg.lstsq(design, first[rows], rcond=None)[0]
        shift = np.clip(shift - fitted[:3] / max(fitted[3], 0.5), -1, 1)
        moved = ndimage.shift(second, shift, mode="nearest")
        common = seen & (ndimage.shift(seen_too.astype(float), shift, order=1) > 0.99)
    return float(np.corrcoef(first[common], moved[common])[0, 1])
