"""Regions from points in bodies that are not plain: fracture, osteophytes, contrast, metal, scoliosis.

    .venv/bin/python benchmarks/hard_bodies.py --patients 20 --json

Changes scans of virtual patients of both hospitals and their drawn regions together (a warp moves both, what
is painted into the scan leaves the region as it was), sets both points 5 mm beside the middle, and compares.
What matters is the last count: regions that are wrong for one of the vertebrae, and that are neither refused
nor marked by a rule of chapter 02. Prints a JSON object and writes the means to
data/benchmarks/hard_bodies.csv, which the book's page shows. ``--table`` keeps a row for each patient and
change. A minute of a core for each patient.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk
from damage import thick, virtual_scans
from joblib import Parallel, delayed
from machine import circumstances
from points import CLICK_MM, compared, dice, publish
from scipy import ndimage

from helpers.imaging.regions import VERTEBRAE, vertebra_centre
from helpers.imaging.sources import Scan
from helpers.study.places import REPOSITORY

RESULTS = REPOSITORY / "data" / "benchmarks" / "hard_bodies.csv"
WRONG_DICE = 0.8  # of the vertebra that is found worse
SHELL_MM = 2.5  # from the drawn region to the outer side of cortex and end plates
NO_CHANGE = "no change"
Change = Callable[[float, Scan], Scan]


class Body(NamedTuple):
    """The whole body around a drawn region (mm, LPS): its centre, and half of its width, depth and height."""

    centre: np.ndarray
    half: np.ndarray

    @property
    def head(self) -> float:
        """Height of the upper end plate."""
        return self.centre[2] + self.half[2]

    @property
    def foot(self) -> float:
        """Height of the lower end plate."""
        return self.centre[2] - self.half[2]


def body_of(scan: Scan, vertebra: str) -> Body:
    """The body that the drawn region belongs to, taken for upright."""
    inside = np.argwhere(np.isin(sitk.GetArrayViewFromImage(scan.mask), VERTEBRAE[vertebra]))[:, ::-1]
    low, high = np.percentile(inside, [1, 99], axis=0) * scan.mask.GetSpacing()
    return Body(scan.mask.GetOrigin() + (low + high) / 2, (high - low) / 2 + SHELL_MM)


def places(scan: Scan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the voxels lie (x, y, z; mm, LPS), each to be broadcast; virtual scans lie straight."""
    origin, spacing, size = scan.image.GetOrigin(), scan.image.GetSpacing(), scan.image.GetSize()
    x, y, z = (first + step * np.arange(n) for first, step, n in zip(origin, spacing, size, strict=True))
    return x[None, None, :], y[None, :, None], z[:, None, None]


def changed(scan: Scan, hu: np.ndarray, labels: np.ndarray | None = None) -> Scan:
    """The scan with other HU and, where given, another region."""
    image = sitk.GetImageFromArray(np.clip(np.round(hu), -1024, 3071).astype(np.int16))
    image.CopyInformation(scan.image)
    if labels is None:
        return replace(scan, image=image)
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(scan.mask)
    return replace(scan, image=image, mask=mask)


def warped(scan: Scan, *sources: np.ndarray) -> Scan:
    """Image and region, each voxel taken from the place ``sources`` (x, y, z; mm); edges are repeated."""
    geometry = zip(sources, scan.image.GetOrigin(), scan.image.GetSpacing(), strict=True)
    index = np.broadcast_arrays(*((source - first) / step for source, first, step in geometry))[::-1]
    hu = sitk.GetArrayFromImage(scan.image).astype(np.float32)
    labels = sitk.GetArrayFromImage(scan.mask)
    moved = ndimage.map_coordinates(hu, index, order=3, mode="nearest")
    return changed(scan, moved, ndimage.map_coordinates(labels, index, order=0, mode="constant"))


def scoliosis(cobb: float, scan: Scan) -> Scan:
    """A curve to the side with its apex 30 mm below L1, and bodies turned round their axis by half its angle.

    ``cobb`` is the angle (degrees) between vertebrae that lie 90 mm apart.
    """
    x, y, z = places(scan)
    middle = body_of(scan, "L1").centre
    x, y, z = x - middle[0], y - middle[1], z - middle[2]
    rate, apex = np.deg2rad(cobb) / 90, -30.0
    across, along = x, z
    for _ in range(4):  # from a place in the curve to the one in the straight spine
        lean = rate * (along - apex)
        bow = rate * ((along - apex) ** 2 - apex**2) / 2
        across = (x - bow) / np.cos(lean)
        along = z + across * np.sin(lean)
    turn = np.deg2rad(cobb / 2) * np.exp(-(((along - apex) / 60) ** 2))
    left, back = across * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - across * np.sin(turn)
    return warped(scan, left + middle[0], back + middle[1], along + middle[2])


def wedge(percent: float, scan: Scan) -> Scan:
    """L1 has lost height in front, and T12 tips forwards; bone is as much denser as it is lower."""
    x, y, z = places(scan)
    body = body_of(scan, "L1")
    height = 2 * body.half[2]
    forwards = np.clip((body.centre[1] + body.half[1] - y) / (2 * body.half[1]), 0, 1.2)
    lost = height * percent / 100 * forwards
    within = body.foot + (z - body.foot) * height / (height - lost)
    source = np.where(z < body.foot, z, np.where(z < body.head - lost, within, z + lost))
    return _denser(warped(scan, x, y, source), height / (height - lost))


def biconcave(percent: float, scan: Scan) -> Scan:
    """The end plates of L1 are pressed in: the height in the middle is less, at the rim as it was."""
    x, y, z = places(scan)
    body = body_of(scan, "L1")
    flat = ((x - body.centre[0]) / body.half[0]) ** 2 + ((y - body.centre[1]) / body.half[1]) ** 2
    full, disc = body.half[2], 8.0
    lost = full * percent / 100 * np.clip(1 - flat, 0, None)
    away = z - body.centre[2]
    beyond = full + (np.abs(away) - full + lost) * disc / (disc + lost)
    within = np.abs(away) * full / (full - lost)
    source = np.where(np.abs(away) < full - lost, within, beyond)
    source = np.where(np.abs(away) > full + disc, np.abs(away), source)
    return _denser(warped(scan, x, y, body.centre[2] + np.sign(away) * source), full / (full - lost))


def _denser(scan: Scan, factor: np.ndarray) -> Scan:
    """Bone of L1 that was pressed together holds more mineral in a volume."""
    hu = sitk.GetArrayFromImage(scan.image).astype(float)
    away = away_from(scan, ("L1",))
    return changed(scan, np.where(away < SHELL_MM, np.maximum(hu * factor, hu), hu))


def away_from(scan: Scan, vertebrae: tuple[str, ...] = ("T12", "L1")) -> np.ndarray:
    """Distance (mm) of each voxel from the drawn regions."""
    labels = [label for vertebra in vertebrae for label in VERTEBRAE[vertebra]]
    inside = np.isin(sitk.GetArrayViewFromImage(scan.mask), labels)
    return ndimage.distance_transform_edt(~inside, scan.mask.GetSpacing()[::-1])


def osteophyte(length: float, scan: Scan) -> Scan:
    """Lips in front and to the right on both sides of the disc between T12 and L1, as long as said (mm).

    They hold cancellous bone under a cortex of their own; the body's cortex is gone where they grow from it.
    """
    x, y, z = places(scan)
    hu, away = sitk.GetArrayFromImage(scan.image).astype(float), away_from(scan)
    bone = hu[away == 0]
    t12, l1 = (body_of(scan, vertebra) for vertebra in ("T12", "L1"))
    side = (y < l1.centre[1] - 4) & (x < l1.centre[0] + 12)
    near = (np.abs(z - t12.foot) < 5) & (z > t12.foot - 2) | (np.abs(z - l1.head) < 5) & (z < l1.head + 2)
    height = np.where(z > (t12.foot + l1.head) / 2, np.abs(z - t12.foot), np.abs(z - l1.head))
    reach = SHELL_MM + length * np.clip(1 - height / 7, 0, 1)  # thin towards the waist
    lip = side & near & (away > SHELL_MM - 1.5) & (away < reach)
    grain = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(hu.shape), 1.0)
    inside = bone.mean() + grain / grain.std() * bone.std() * 0.7
    painted = np.where(away > reach - 1.3, 550.0, inside)
    part = ndimage.gaussian_filter(lip.astype(float), 0.5 / np.array(scan.image.GetSpacing()[::-1]))
    return changed(scan, hu + part * (painted - hu))


def contrast(aorta_hu: float, scan: Scan) -> Scan:
    """Aorta and caval vein filled, organs and muscles a little brighter, and marrow with them."""
    x, y, z = places(scan)
    hu, away = sitk.GetArrayFromImage(scan.image).astype(float), away_from(scan)
    t12, l1 = (body_of(scan, vertebra) for vertebra in ("T12", "L1"))
    given = (aorta_hu - 45) / 205
    hu += np.where((hu > -20) & (hu < 110) & (away > SHELL_MM), 20 * given, 0)
    hu += np.where(away <= SHELL_MM, 15 * given, 0)
    part = (z - l1.centre[2]) / (t12.centre[2] - l1.centre[2])
    middle = l1.centre + np.multiply.outer(part[:, 0, 0], t12.centre - l1.centre)
    for left, back, radius, share in ((5.5, -14.5, 10.0, 1.0), (-27, -21, 9.0, 0.6)):
        in_front = middle[:, 1] + back - l1.half[1]  # radius and a little fat before the body
        flat = np.hypot(x - (middle[:, 0] + left)[:, None, None], y - in_front[:, None, None])
        filled = np.clip(radius - flat + 0.5, 0, 1) * (away > SHELL_MM)
        hu += filled * np.maximum(share * (aorta_hu - 45) + 45 - hu, 0)
    return changed(scan, hu)


def metal(level: float, scan: Scan) -> Scan:
    """Two rods of metal from behind, with streaks: in the disc below L1 (0), as cages are, or in L1 (1)."""
    x, y, z = places(scan)
    hu, body = sitk.GetArrayFromImage(scan.image).astype(float), body_of(scan, "L1")
    height = body.centre[2] + 3 if level else body.foot - 4
    streak = np.zeros(hu.shape[1:])
    rods = np.zeros(hu.shape, bool)
    tips = body.centre[1] - 0.4 * body.half[1]
    for side in (-1, 1):
        left = body.centre[0] + side * 10
        rods |= (np.hypot(x - left, z - height) < 2.8) & (y > tips) & (y < body.centre[1] + 45)
        flat_x, flat_y = (x - left)[0], (y - body.centre[1] - 6)[:, :, 0].T
        far = np.hypot(flat_x, flat_y)
        streak += 160 * np.cos(7 * np.arctan2(flat_y, flat_x) + side) * np.exp(-far / 25)
    between = (np.abs(x - body.centre[0]) < 10) & (y > tips)
    hu += np.exp(-(((z - height) / 3.0) ** 2)) * (streak - 180 * between)
    return changed(scan, np.where(rods, 3000, hu))


def thin(step: float, scan: Scan) -> Scan:
    """Slices of that thickness (mm); no change where the scan's own are not thinner."""
    return thick(step, scan, []) if step > scan.image.GetSpacing()[2] else scan


CHANGES: list[tuple[str, Change, tuple[float, ...]]] = [
    (NO_CHANGE, lambda _, scan: scan, (0,)),
    ("slices averaged to (mm)", thin, (1, 2, 3, 5)),
    ("scoliosis, Cobb angle (degrees)", scoliosis, (20, 40)),
    ("L1 lower in front (%)", wedge, (20, 40)),
    ("L1 lower in the middle (%)", biconcave, (20, 40)),
    ("osteophytes between T12 and L1 (mm)", osteophyte, (4, 8)),
    ("contrast, aorta (HU)", contrast, (200, 350)),
    ("metal in the disc below L1 (0) or in L1 (1)", metal, (0, 1)),
]


def study_patient(name: str, acquired: Callable[[], Scan]) -> list[dict]:
    """All changes of one patient: a row each."""
    scan = acquired()
    rng = np.random.default_rng([sum(map(ord, name)), len(name)])
    way = rng.standard_normal(3)
    way *= CLICK_MM / np.linalg.norm(way)
    rows = []
    for change, make, strengths in CHANGES:
        for strength in strengths:
            shown = make(strength, scan)
            if shown is scan and change != NO_CHANGE:
                continue
            found = compared(shown, {v: vertebra_centre(shown.mask, v) + way for v in VERTEBRAE})
            mask = found.pop("mask")
            worse = np.nan if mask is None else worse_dice(mask, shown.mask)
            rows.append({"patient": name, "change": change, "strength": strength, "worse": worse} | found)
    return rows


def worse_dice(mask: sitk.Image, drawn: sitk.Image) -> float:
    """Dice of the vertebra that is found worse."""
    one, other = (sitk.GetArrayViewFromImage(labels) for labels in (mask, drawn))
    return min(dice(np.isin(one, labels), np.isin(other, labels)) for labels in VERTEBRAE.values())


def by_change(table: pd.DataFrame) -> pd.DataFrame:
    """For each change: cases, refused, marked, Dice, HU, and how many are wrong, and wrong without notice."""
    rows = []
    for (change, strength), part in table.groupby(["change", "strength"], sort=False):
        drawn = part[part["refused"] == ""]
        wrong = drawn["worse"] < WRONG_DICE
        counts = {
            "cases": len(part),
            "refused": len(part) - len(drawn),
            "marked": int((drawn["broken"] != "").sum()),
            "wrong": int(wrong.sum()),
            "wrong_unnoticed": int((wrong & (drawn["broken"] == "")).sum()),
        }
        sizes = {
            "dice": drawn["worse"].mean(),
            "dice_least": drawn["worse"].min(),
            "hu": drawn["hu"].mean(),
            "hu_most": drawn["hu"].abs().max(),
        }
        rows.append({"change": change, "strength": strength} | counts | sizes)
    return pd.DataFrame(rows).round(3).assign(**circumstances())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, default=20, help="virtual ones, half of each hospital")
    parser.add_argument("--workers", type=int, default=-1)
    parser.add_argument("--table", type=Path, help="CSV file with a row for each patient and change")
    parser.add_argument("--json", action="store_true", help="print one line and nothing else")
    options = parser.parse_args()
    scans = virtual_scans(options.patients, ("development", "external"))
    work = [delayed(study_patient)(*one) for one in scans.items()]
    table = pd.DataFrame([row for rows in Parallel(options.workers)(work) for row in rows])
    if options.table:
        table.to_csv(options.table, index=False)
    publish(by_change(table), RESULTS, "changes", options.json)


if __name__ == "__main__":
    main()
