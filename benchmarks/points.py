"""How good regions from points are: against drawn ones, with clicks beside the middle and thicker slices.

    .venv/bin/python benchmarks/points.py --patients 100 --bundle runs/virtual/private/bundle --json

Draws virtual patients of both hospitals (that nothing was tuned on) from the centres of the first reader's
regions, the same with both points moved by 5 mm in a direction of each patient's own, and with slices
averaged to several thicknesses; and the real scans in RADBOOK_REAL_DATA. Prints a JSON object and writes the
means to data/benchmarks/points.csv, which the book's page shows. ``--bundle`` adds Rad-scores. About 13 s of
a core for each virtual patient, 20 with Rad-scores.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from damage import thick, virtual_scans
from joblib import Parallel, delayed
from machine import circumstances
from scipy import ndimage

from helpers.errors import StudyError
from helpers.features.blocks import preprocess, read_settings
from helpers.features.extraction import extract
from helpers.features.plausibility import breaches
from helpers.features.quality import quality_control
from helpers.features.reliability import icc
from helpers.frozen.bundle import Bundle, load_bundle
from helpers.imaging.bodies import layers_around
from helpers.imaging.boxes import bounding_box
from helpers.imaging.regions import VERTEBRAE, vertebra_centre
from helpers.imaging.sources import Scan, whole_hu
from helpers.study.places import REPOSITORY, replacing
from helpers.study.sites import POINTS_MARGIN_MM
from helpers.study.study_file import Limits

RESULTS = REPOSITORY / "data" / "benchmarks" / "points.csv"
CLICK_MM = 5.0
WITHIN_HU = 3.0  # asked of the mean of a region
SLICES_MM = (1.0, 2.0, 3.0, 5.0)
# Body masks of segmentation tools hold the shell too: shrunk by as much as the how-to says (mm).
TOOLS_MM = 3.0
SIX_WAYS = [CLICK_MM * sign * way for way in np.eye(3) for sign in (1, -1)]
MIDDLE = "points in the middle"


def study_patient(name: str, acquired: Callable[[], Scan], bundle: Bundle | None) -> list[dict]:
    """All conditions of one virtual patient: a row each."""
    scan = acquired()
    drawn_score = score(scan, bundle)
    rng = np.random.default_rng([sum(map(ord, name)), len(name)])
    ways = rng.standard_normal((2, 3))
    ways *= CLICK_MM / np.linalg.norm(ways, axis=1, keepdims=True)
    tried = [(MIDDLE, 0.0, scan, np.zeros(3))]
    tried += [
        (f"points moved, direction {number}", CLICK_MM, scan, way) for number, way in enumerate(ways, 1)
    ]
    tried += [
        ("slices averaged to (mm)", step, thick(step, scan, []), np.zeros(3))
        for step in SLICES_MM
        if step > scan.image.GetSpacing()[2]
    ]
    rows = []
    for condition, strength, shown, way in tried:
        found = compared(shown, {v: vertebra_centre(scan.mask, v) + way for v in VERTEBRAE})
        mask = found.pop("mask")
        if bundle and mask is not None and shown is scan:
            found |= {"score": score(replace(scan, mask=mask), bundle), "drawn_score": drawn_score}
        rows.append(
            {"origin": "virtual", "patient": name, "condition": condition, "strength": strength} | found
        )
    return rows


def compared(scan: Scan, points: dict[str, np.ndarray], margin_mm: float = POINTS_MARGIN_MM) -> dict:
    """Regions from points against the scan's own: refusal, Dice, mean distance of surfaces (mm), mean HU."""
    start = time.process_time()
    try:
        mask = layers_around(scan.image, points, margin_mm)
    except StudyError as error:
        return {"mask": None, "refused": str(error), "seconds": time.process_time() - start}
    seconds = time.process_time() - start
    found = {"mask": mask, "refused": "", "seconds": seconds, "broken": broken(replace(scan, mask=mask))}
    return found | likeness(mask, scan)


def broken(scan: Scan) -> str:
    """Which rules of chapter 02 a region breaks."""
    settings = read_settings(REPOSITORY / "data" / "extraction" / "paper.yml")
    facts = quality_control(scan, preprocess(scan, settings), settings)
    return ", ".join(breaches(facts | {"injected": False}, Limits()))


def likeness(mask: sitk.Image, scan: Scan) -> dict[str, float]:
    """Dice of all and of the layers (mean), distance of surfaces (mm), and mean HU less that of the drawn."""
    ours, drawn = (sitk.GetArrayFromImage(labels) for labels in (mask, scan.mask))
    window = tuple(
        slice(max(part.start - 3, 0), part.stop + 3) for part in bounding_box((ours > 0) | (drawn > 0))
    )
    ours, drawn = ours[window], drawn[window]
    hu = sitk.GetArrayViewFromImage(scan.image)[window]
    layers = [dice(ours == label, drawn == label) for label in np.unique(drawn[drawn > 0])]
    spacing = scan.mask.GetSpacing()[::-1]
    return {
        "dice": dice(ours > 0, drawn > 0),
        "dice_layers": float(np.mean(layers)),
        "distance": distance(ours > 0, drawn > 0, spacing),
        "hu": float(hu[ours > 0].mean() - hu[drawn > 0].mean()),
    }


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two regions."""
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def distance(one: np.ndarray, other: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Mean distance (mm) of each region's surface from the other's, both ways."""
    rims = [region & ~ndimage.binary_erosion(region) for region in (one, other)]
    away = [ndimage.distance_transform_edt(~rim, spacing) for rim in rims]
    return float(np.concatenate([away[1][rims[0]], away[0][rims[1]]]).mean())


def score(scan: Scan, bundle: Bundle | None) -> float:
    """Rad-score of the frozen model; NaN without one."""
    if bundle is None:
        return np.nan
    settings = read_settings(bundle.extraction)
    features = pd.DataFrame([extract(preprocess(scan, settings), settings)])
    return float(bundle.rad_score(features).iloc[0])


def real_rows(folder: Path) -> list[dict]:
    """Real scans: body masks of segmentation tools, shrunk, and approximate masks of the inside."""
    rows = []
    for name, image, body, shrunk_mm in real_bodies(folder / "ct"):
        region = sitk.GetArrayFromImage(body) > 0
        away = ndimage.distance_transform_edt(np.pad(region, 1), sampling=body.GetSpacing()[::-1])[
            1:-1, 1:-1, 1:-1
        ]
        mask = _like((away > shrunk_mm).astype(np.uint8), image)
        centre = vertebra_centre(_like(region.astype(np.uint8), image), "T12")
        for condition, ways in {name: [np.zeros(3)], f"{name}, moved 5 mm": SIX_WAYS}.items():
            for way in ways:
                found = compared(Scan(image, mask), {"T12": centre + way}) | {"dice_layers": np.nan}
                del found["mask"]
                known = {"origin": "real", "patient": name, "condition": condition, "strength": shrunk_mm}
                rows.append(known | found)
    return rows


def real_bodies(folder: Path) -> list[tuple[str, sitk.Image, sitk.Image, float]]:
    """Name, image, mask of one body, and how far that is shrunk (mm) before it is compared."""
    found = []
    case = folder / "tptbox_L3"
    image, parts, levels = (
        sitk.ReadImage(str(case / f"sub-ct_{kind}label-22_{end}.nii.gz"))
        for kind, end in (("", "ct"), ("seg-subreg_", "msk"), ("seg-vert_", "msk"))
    )
    found.append(("TPTBox, L3, 1.5 mm", image, (parts == 50) & (levels == 22), POINTS_MARGIN_MM))
    case = folder / "totalsegmentator_example"
    image, bodies, levels = (
        sitk.ReadImage(str(case / f"{name}.nii.gz"))
        for name in ("example_ct", "totalseg_vertebrae_body", "totalseg")
    )
    for level, label in {"T12": 32, "L1": 31, "L2": 30, "L3": 29}.items():
        found.append((f"TotalSegmentator, {level}, 3 mm", image, (bodies == 1) & (levels == label), TOOLS_MM))
    case = folder / "crlm1006_GE"
    image, inside = (
        sitk.ReadImage(str(case / f"crlm1006_{name}.nii.gz")) for name in ("ct", "trabecular_approx_mask")
    )
    found += [
        (f"CRLM, {level}, 5 mm", image, inside == label, 0.0) for level, label in (("T12", 19), ("L1", 20))
    ]
    return [(name, whole_hu(image), sitk.Cast(body, sitk.sitkUInt8), mm) for name, image, body, mm in found]


def _like(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    volume = sitk.GetImageFromArray(array)
    volume.CopyInformation(grid)
    return volume


def summary_of(table: pd.DataFrame) -> pd.DataFrame:
    """`by_condition` for all virtual patients, for each virtual hospital, and for real scans."""
    virtual = table[table["origin"] == "virtual"]
    is_first = virtual["patient"].str.startswith("virtual D")
    hospitals = [
        virtual[is_first].assign(origin="virtual, hospital 1"),
        virtual[~is_first].assign(origin="virtual, hospital 2"),
    ]
    parts = [virtual, *hospitals, table[table["origin"] == "real"]]
    return pd.concat([by_condition(part) for part in parts if len(part)], ignore_index=True)


def by_condition(table: pd.DataFrame) -> pd.DataFrame:
    """For each condition: cases, refused, Dice, HU, distance, and ICC of Rad-scores."""
    rows = []
    for (origin, condition, strength), part in table.groupby(["origin", "condition", "strength"], sort=False):
        ok = part[part["refused"] == ""]
        rows.append(
            {"origin": origin, "condition": condition, "strength": strength, "cases": len(part)}
            | {"refused": len(part) - len(ok), "rules": int((ok["broken"] != "").sum())}
            | {
                "dice": ok["dice"].mean(),
                "dice_least": ok["dice"].min(),
                "dice_layers": ok["dice_layers"].mean(),
            }
            | {"distance": ok["distance"].mean(), "hu": ok["hu"].mean(), "hu_most": ok["hu"].abs().max()}
            | {"hu_within": (ok["hu"].abs() <= WITHIN_HU).mean(), "score_moved": moved(ok)}
            | {"seconds": part["seconds"].mean()}
            | {
                "icc_drawn": agreement(ok, "drawn_score"),
                "icc_middle": agreement(with_middle(ok, table), "middle"),
            }
        )
    return pd.DataFrame(rows).round(3).assign(**circumstances())


def moved(part: pd.DataFrame) -> float:
    """How far the Rad-score lies above that of the drawn region, in SDs of those; NaN without scores."""
    if "score" not in part or part["score"].isna().all():
        return np.nan
    return float((part["score"] - part["drawn_score"]).mean() / part["drawn_score"].std())


def with_middle(part: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Rows with the score from points in the middle beside them."""
    if "score" not in table:
        return part
    middle = table[table["condition"] == MIDDLE].set_index("patient")["score"]
    return part.assign(middle=part["patient"].map(middle))


def agreement(part: pd.DataFrame, other: str) -> float:
    """ICC(2,1) of the Rad-scores and another column; NaN without them."""
    if "score" not in part or other not in part:
        return np.nan
    both = part[["score", other]].dropna()
    return float(icc(both.to_numpy()[None]).icc[0]) if len(both) > 2 else np.nan


def publish(summary: pd.DataFrame, results: Path, name: str, is_short: bool) -> None:
    """Write a summary for the book, and print it under ``name`` with where and when it was measured."""
    with replacing(results) as path:
        summary.to_csv(path, index=False, lineterminator="\n")
    told = {**circumstances(), name: json.loads(summary.to_json(orient="records"))}
    print(json.dumps(told, indent=None if is_short else 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="frozen model, for Rad-scores")
    parser.add_argument("--patients", type=int, default=20, help="virtual ones, half of each hospital")
    parser.add_argument("--workers", type=int, default=-1)
    parser.add_argument("--table", type=Path, help="CSV file with a row for each patient and condition")
    parser.add_argument("--json", action="store_true", help="print one line and nothing else")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle) if options.bundle else None
    folder = os.environ.get("RADBOOK_REAL_DATA")
    work = [
        delayed(partial(study_patient, bundle=bundle))(*one)
        for one in virtual_scans(options.patients, ("development", "external")).items()
    ]
    work += [delayed(real_rows)(Path(folder))] if folder else []
    table = pd.DataFrame([row for rows in Parallel(options.workers)(work) for row in rows])
    if options.table:
        table.to_csv(options.table, index=False)
    publish(summary_of(table), RESULTS, "conditions", options.json)


if __name__ == "__main__":
    main()
