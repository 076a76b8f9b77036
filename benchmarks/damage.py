"""What is noticed, and what is not: damage of known kind and strength, and what it does to the Rad-score.

    .venv/bin/python benchmarks/damage.py --bundle runs/virtual/private/bundle --json

Damages scans and masks of virtual patients (and of the real scans in RADBOOK_REAL_DATA) in more than sixty
ways, measures each as `radbook apply` would, and prints a JSON object: which share is noticed by how far the
Rad-score moved (in SDs of the training patients), and how many undamaged scans are refused. ``--table``
writes a row for each damage and patient. The book's page shows the means by kind of damage, which are
kept in data/benchmarks. About 25 minutes of two cores.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml
from joblib import Parallel, delayed
from machine import circumstances
from scipy import ndimage

from helpers.errors import StudyError
from helpers.features.blocks import preprocess, read_settings
from helpers.features.extraction import extract
from helpers.features.plausibility import breaches
from helpers.features.quality import quality_control
from helpers.frozen.bundle import Bundle, load_bundle
from helpers.frozen.domain import outside_domain
from helpers.frozen.drawing import unlike_training
from helpers.frozen.drift import RAD_SCORE
from helpers.imaging.regions import VERTEBRAE, WHOLE, check_regions, label_codes, six_layers
from helpers.imaging.sources import Scan, whole_hu
from helpers.plots.style import use_style
from helpers.study.places import REPOSITORY, replacing
from helpers.study.study_file import Limits, Plausibility
from helpers.virtual import VirtualSite

RESULTS = REPOSITORY / "data" / "benchmarks" / "damage.csv"
FIGURE = REPOSITORY / "book" / "_static" / "damage.svg"
PROTOCOL = REPOSITORY / "data" / "virtual" / "protocol.yml"
# Breaches after which there is no score by default; others mark the patient.
REFUSING = {name for name, action in Plausibility() if action == "refuse"} | {
    "refused when read",
    "not measurable",
}
HOSPITAL = 300  # patients; fewer are looked at
# The second hospital's thicker slices are marked undamaged: nothing could go unnoticed in them.
LIKE_TRAINING = ("development",)
SEED = 20261128  # patients that no other page shows; set before anything was computed with it
# Image and mask of the real scans, and the numbering of the mask.
REAL = {
    ("ct/crlm1006_GE/crlm1006_ct.nii.gz", "ct/crlm1006_GE/crlm1006_trabecular_approx_mask.nii.gz"): "verse",
    (
        "ct/totalsegmentator_example/example_ct.nii.gz",
        "ct/totalsegmentator_example/example_ct_trabecular_approx_mask.nii.gz",
    ): "verse",
}
Damage = Callable[[Scan, list[Scan]], Scan]  # the others: scans of other patients


class Kind(NamedTuple):
    """One way to damage a scan: what is done, how much, and how."""

    name: str
    strength: float
    damage: Damage


DIRECTIONS = {
    "head": (0, 0, 1),
    "foot": (0, 0, -1),
    "left": (1, 0, 0),
    "right": (-1, 0, 0),
    "front": (0, -1, 0),
    "back": (0, 1, 0),
}


def kinds() -> list[Kind]:
    """Every kind and strength."""
    graded = [
        *(
            (f"mask moved to the {name} (voxels)", (1, 2, 4, 8), _moved, way)
            for name, way in DIRECTIONS.items()
        ),
        ("mask turned (degrees)", (5, 10, 20), _turned),
        ("mask flipped along axis", (1, 2), _flipped),
        ("mask of another patient", (0, 1, 2), _foreign),
        ("mask grown (voxels)", (1, 2, 4, 8), _grown),
        ("mask grown into the cortex (% of its thickness)", (25, 50, 75, 100), _into_cortex),
        ("mask shrunk (voxels)", (1, 2, 4), _shrunk),
        ("left part of the region dropped (%)", (25, 50), _dropped),
        ("upper third of each vertebra dropped, the rest divided anew", (1,), _thin_layers),
        ("T12 (0) or L1 (1) half outside the scan", (0, 1), _cut),
        ("HU moved by", (-100, -50, -20, 20, 50, 100, 1024), _offset),
        ("HU multiplied by", (0.5, 0.8, 1.25, 2.0), _slope),
        ("every other slice without its intercept", (1024,), _mixed_slices),
        ("tube voltage (kV)", (80, 100, 140), _kilovolts),
        ("slices averaged to (mm)", (3, 5), thick),
        ("pixel spacing multiplied by", (0.7, 0.85, 1.15, 1.4), _pixels),
        ("slice step multiplied by", (0.5, 0.8, 1.25, 2.0), _steps),
        ("slices of two kernels: in turn (0), in two halves (1)", (0, 1), _two_kernels),
    ]
    return [
        Kind(name, strength, partial(damage, *given, strength))
        for name, strengths, damage, *given in graded
        for strength in strengths
    ]


def _labels(scan: Scan) -> np.ndarray:
    return sitk.GetArrayFromImage(scan.mask)


def _with_mask(scan: Scan, labels: np.ndarray) -> Scan:
    mask = sitk.GetImageFromArray(np.ascontiguousarray(labels.astype(np.uint8)))
    mask.CopyInformation(scan.mask)
    return replace(scan, mask=mask)


def _with_hu(scan: Scan, hu: np.ndarray) -> Scan:
    image = sitk.GetImageFromArray(np.clip(np.round(hu), -32768, 32767).astype(np.int16))
    image.CopyInformation(scan.image)
    return replace(scan, image=image)


def _hu(scan: Scan) -> np.ndarray:
    return sitk.GetArrayFromImage(scan.image).astype(float)


def _moved(direction: tuple[int, int, int], voxels: int, scan: Scan, others: list[Scan]) -> Scan:
    signs = np.sign(np.diag(np.array(scan.image.GetDirection()).reshape(3, 3)))
    shift = [int(part) for part in voxels * signs * direction][::-1]
    return _with_mask(scan, ndimage.shift(_labels(scan), shift, order=0, prefilter=False))


def _turned(degrees: float, scan: Scan, others: list[Scan]) -> Scan:
    """Round the patient's axis and round the left-right axis, about the region's centre."""
    centre = scan.mask.TransformContinuousIndexToPhysicalPoint(
        np.argwhere(_labels(scan) > 0).mean(axis=0)[::-1].tolist()
    )
    turn = sitk.Euler3DTransform(centre, np.radians(degrees), 0.0, np.radians(degrees) / 2)
    return replace(scan, mask=sitk.Resample(scan.mask, turn, sitk.sitkNearestNeighbor))


def _flipped(axis: int, scan: Scan, others: list[Scan]) -> Scan:
    return _with_mask(scan, np.flip(_labels(scan), axis))


def _nearest(scan: Scan, inside: np.ndarray) -> np.ndarray:
    """Labels for the voxels ``inside``, each that of the nearest drawn voxel."""
    labels = _labels(scan)
    near = ndimage.distance_transform_edt(
        labels == 0, scan.mask.GetSpacing()[::-1], return_distances=False, return_indices=True
    )
    return np.where(inside, labels[tuple(near)], 0)


def _grown(voxels: int, scan: Scan, others: list[Scan]) -> Scan:
    inside = ndimage.binary_dilation(_labels(scan) > 0, ndimage.generate_binary_structure(3, 1), voxels)
    return _with_mask(scan, _nearest(scan, inside))


def _into_cortex(share: float, scan: Scan, others: list[Scan]) -> Scan:
    """Grown by as much as holds cortex of 3 mm on all sides, or a part of it."""
    away = ndimage.distance_transform_edt(_labels(scan) == 0, scan.mask.GetSpacing()[::-1])
    return _with_mask(scan, _nearest(scan, away <= 1.0 + 3.0 * share / 100))


def _shrunk(voxels: int, scan: Scan, others: list[Scan]) -> Scan:
    labels = _labels(scan)
    inside = ndimage.binary_erosion(labels > 0, ndimage.generate_binary_structure(3, 1), voxels)
    return _with_mask(scan, np.where(inside, labels, 0))


def _dropped(share: float, scan: Scan, others: list[Scan]) -> Scan:
    labels = _labels(scan)
    across = np.flatnonzero(labels.any(axis=(0, 1)))
    labels[..., : across[0] + int(len(across) * share / 100)] = 0
    return _with_mask(scan, labels)


def _thin_layers(strength: int, scan: Scan, others: list[Scan]) -> Scan:
    """The upper third of each vertebra is lost, the others are divided anew."""
    labels = _labels(scan)
    for first in (1, 4):
        slices = np.flatnonzero(np.isin(labels, (first + 1, first + 2)).any(axis=(1, 2)))
        labels[labels == first] = 0
        upper = slices[-len(slices) // 3 :] if scan.mask.GetDirection()[8] > 0 else slices[: len(slices) // 3]
        part = labels[upper]
        part[np.isin(part, (first + 1, first + 2))] = first
        labels[upper] = part
    return _with_mask(scan, labels)


def _offset(offset: float, scan: Scan, others: list[Scan]) -> Scan:
    return _with_hu(scan, _hu(scan) + offset)


def _slope(slope: float, scan: Scan, others: list[Scan]) -> Scan:
    return _with_hu(scan, (_hu(scan) + 1024) * slope - 1024)


def _mixed_slices(intercept: float, scan: Scan, others: list[Scan]) -> Scan:
    hu = _hu(scan)
    hu[::2] += intercept
    return _with_hu(scan, hu)


def _kilovolts(kvp: int, scan: Scan, others: list[Scan]) -> Scan:
    """Mineral's HU against 120 kV as in the protocol of the virtual cohort, and fat's."""
    mineral = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))["scanner"]["mineral_by_kvp"][kvp]
    fat = {80: -18.0, 100: -8.0, 140: 4.0}[kvp]
    hu = _hu(scan)
    told = replace(scan, facts=scan.facts | {"kvp": float(kvp)})  # as DICOM headers tell it
    return _with_hu(told, np.where(hu > 60, 60 + (hu - 60) * mineral, np.where(hu < -40, hu + fat, hu)))


def thick(step: float, scan: Scan, others: list[Scan]) -> Scan:
    """Fewer slices, each the mean over its thickness; the mask drawn on them."""
    spacing = scan.image.GetSpacing()
    if step <= spacing[2]:
        raise StudyError("The slices are that thick already.")
    blurred = ndimage.uniform_filter1d(_hu(scan), max(1, round(step / spacing[2])), axis=0)
    size = [*scan.image.GetSize()[:2], int(scan.image.GetSize()[2] * spacing[2] / step)]
    grid = (size, sitk.Transform())
    rest = (scan.image.GetOrigin(), (*spacing[:2], step), scan.image.GetDirection())
    image = sitk.Resample(_with_hu(scan, blurred).image, *grid, sitk.sitkLinear, *rest)
    return replace(scan, image=image, mask=sitk.Resample(scan.mask, *grid, sitk.sitkNearestNeighbor, *rest))


def _pixels(factor: float, scan: Scan, others: list[Scan]) -> Scan:
    return _spacing((factor, factor, 1.0), scan)


def _steps(factor: float, scan: Scan, others: list[Scan]) -> Scan:
    return _spacing((1.0, 1.0, factor), scan)


def _spacing(factors: tuple[float, float, float], scan: Scan) -> Scan:
    image, mask = sitk.Image(scan.image), sitk.Image(scan.mask)
    for volume in (image, mask):
        volume.SetSpacing([step * factor for step, factor in zip(volume.GetSpacing(), factors, strict=True)])
    return replace(scan, image=image, mask=mask)


def _two_kernels(halves: int, scan: Scan, others: list[Scan]) -> Scan:
    hu = _hu(scan)
    middle = int(np.argwhere(_labels(scan) > 0)[:, 0].mean())
    chosen = slice(0, middle) if halves else slice(0, None, 2)
    hu[chosen] = ndimage.gaussian_filter(hu[chosen], (0, 1.0, 1.0))
    return _with_hu(scan, hu)


def _cut(number: int, scan: Scan, others: list[Scan]) -> Scan:
    """The scan ends in the middle of a vertebra, which is drawn as a whole."""
    vertebra = list(VERTEBRAE)[number]
    labels = _labels(scan)
    own = np.isin(labels, VERTEBRAE[vertebra])
    labels[own] = WHOLE[vertebra]
    middle = int(np.flatnonzero(own.any(axis=(1, 2))).mean())
    head_up = scan.mask.GetDirection()[8] > 0
    kept = slice(middle, None) if (vertebra == "L1") == head_up else slice(None, middle)
    whole = _with_mask(scan, labels)
    return replace(whole, image=whole.image[:, :, kept], mask=whole.mask[:, :, kept])


def _foreign(number: int, scan: Scan, others: list[Scan]) -> Scan:
    """The mask of another patient, saved on this patient's grid, its middle near that of the right one."""
    foreign, own = _labels(others[number]), _labels(scan)
    labels = np.zeros_like(own)
    where = np.argwhere(foreign)
    shift = (np.argwhere(own).mean(axis=0) - where.mean(axis=0)).round().astype(int)
    places = where + shift
    inside = ((places >= 0) & (places < labels.shape)).all(axis=1)
    labels[tuple(places[inside].T)] = foreign[tuple(where[inside].T)]
    return _with_mask(scan, labels)


class Measured(NamedTuple):
    """What `radbook apply` would make of a scan: reasons to refuse or mark it, and its scores."""

    reasons: dict[str, str]
    rad_score: float
    risk: float


def measure(scan: Scan, bundle: Bundle, settings: dict, person: pd.DataFrame) -> Measured:
    """Rules first; the scores are computed in any case, to see what they would have been."""
    reasons, layers = {}, scan.mask
    try:
        layers, _, lost = six_layers(scan.mask, None, 0.0)
        scan = replace(scan, mask=layers, lost_percent=lost)
        check_regions(layers, scan.image)
    except StudyError as error:
        reasons["refused when read"] = str(error)
    try:
        block = preprocess(scan, settings)
        facts = quality_control(scan, block, settings) | {"injected": False, "patient_id": "one"}
        reasons |= breaches(facts, Limits())
        unlike = unlike_training(bundle.model["drawing"], pd.DataFrame([facts]))
        reasons |= {"unlike training": unlike.iloc[0]} if len(unlike) else {}
        features = pd.DataFrame([extract(block, settings)])
    except Exception as error:  # what no engine can measure has no score either
        return Measured(reasons | {"not measurable": type(error).__name__}, np.nan, np.nan)
    score = bundle.rad_score(features)
    kvp = pd.Series([facts["kvp"]], dtype=float)
    outside = outside_domain(bundle.model["domain"], features, score, kvp)
    if len(outside):
        reasons["domain"] = ", ".join(outside["what"])
    return Measured(reasons, float(score.iloc[0]), float(bundle.nomogram(person, features).iloc[0]))


def study_patient(number: int, scans: dict[str, Callable[[], Scan]], bundle: Bundle) -> list[dict]:
    """All damages to one patient: a row each, the first for the undamaged scan."""
    settings = read_settings(bundle.extraction)
    names = list(scans)
    scan = scans[names[number]]()
    others = [scans[names[(number + step) % len(names)]]() for step in (1, 2, 3)]
    person = pd.DataFrame(
        {"age": [65.0], "sex": ["female"]}
    )  # the same for all: only the score moves the risk
    whole = measure(scan, bundle, settings, person)
    rows = [row_of(names[number], Kind("none", 0, lambda scan, others: scan), whole, whole)]
    for kind in kinds():
        try:
            damaged = kind.damage(scan, others)
        except StudyError:
            continue  # no such damage to this scan
        rows.append(row_of(names[number], kind, measure(damaged, bundle, settings, person), whole))
    return rows


def look(name: str, scan: Callable[[], Scan], bundle: Bundle) -> list[dict]:
    """One undamaged scan."""
    person = pd.DataFrame({"age": [65.0], "sex": ["female"]})
    whole = measure(scan(), bundle, read_settings(bundle.extraction), person)
    return [row_of(name, Kind("none", 0, lambda scan, others: scan), whole, whole)]


def row_of(patient: str, kind: Kind, found: Measured, whole: Measured) -> dict:
    """One line of the table."""
    return {
        "patient": patient,
        "kind": kind.name,
        "strength": kind.strength,
        "broken": ", ".join(found.reasons),
        "reason": "; ".join(found.reasons.values()),
        "rad_score": found.rad_score,
        "risk": found.risk,
        "moved": found.rad_score - whole.rad_score,
    }


def real_scans(folder: Path) -> dict[str, Callable[[], Scan]]:
    """Pairs of an image and a mask of T12 and L1."""
    found = {}
    for path, labels in REAL.items():
        image, mask = (folder / part for part in path)
        if image.is_file():
            found[f"real {image.parent.name}"] = partial(read_scan, image, mask, labels)
    return found


def read_scan(image: Path, mask: Path, labels: str) -> Scan:
    """An image with its mask in layers; ``labels`` is the mask's numbering, as the study file calls it."""
    volume = whole_hu(sitk.ReadImage(str(image)))
    codes = label_codes(sitk.ReadImage(str(mask)), labels)
    codes.CopyInformation(volume)
    return Scan(volume, six_layers(codes, None, 0.0)[0])


def virtual_scans(patients: int, roles: tuple[str, ...]) -> dict[str, Callable[[], Scan]]:
    """Scans of virtual patients that no other page shows, of hospitals that scan as those of ``roles``."""
    found = {}
    for role in roles:
        site = VirtualSite(PROTOCOL, role, HOSPITAL, SEED)
        people = site.screened()
        for patient in people.loc[people["exclusion"] == "", "patient_id"].head(patients // len(roles)):
            found[f"virtual {patient}"] = partial(_acquired, site, patient)
    return found


def _acquired(site: VirtualSite, patient: str) -> Scan:
    return Scan(*site.acquire(patient))


def shares(table: pd.DataFrame, sd: float) -> dict:
    """Which share of damage is noticed, by how far it moves the Rad-score (SDs of the training set)."""
    damaged = table[table["kind"] != "none"]
    moved = (damaged["moved"] / sd).abs().fillna(np.inf)
    noticed = damaged["broken"] != ""
    steps = {"over 1 SD": moved > 1, "over 0.5 SD": moved > 0.5, "all": moved >= 0}
    origins = damaged["patient"].str.partition(" ")[0]
    found = {
        origin: {
            name: {"cases": int(of[own].sum()), "share": float(noticed[of & own].mean())}
            for name, of in steps.items()
        }
        for origin, own in ((name, origins == name) for name in origins.unique())
    }
    undamaged = table[table["kind"] == "none"]
    rules = undamaged["broken"].str.split(", ")
    what = {
        "refused": rules.map(lambda found: bool(REFUSING & set(found))),
        "outside the domain": rules.map(lambda found: "domain" in found),
        "marked": rules.map(lambda found: bool(set(found) - {"", "domain", *REFUSING})),
    }
    virtual = undamaged["patient"].str.startswith("virtual")
    return {
        "noticed": found,
        "undamaged": {
            "virtual": {"scans": int(virtual.sum())}
            | {name: int(hit[virtual].sum()) for name, hit in what.items()},
            "real": {"scans": int((~virtual).sum())}
            | {name: undamaged.loc[hit & ~virtual, "patient"].tolist() for name, hit in what.items()},
        },
    }


def by_kind(table: pd.DataFrame, sd: float) -> pd.DataFrame:
    """For each damage: scans, how far the Rad-score moves (median, SDs), which share is noticed, by what."""
    moved = (table["moved"] / sd).abs()
    origin = table["patient"].str.partition(" ")[0]
    table = table.assign(moved=moved, origin=origin, noticed=table["broken"] != "", far=~(moved <= 1))
    grouped = table.groupby(["kind", "strength", "origin"], sort=False)
    summary = grouped.agg(
        scans=("patient", "size"),
        moved=("moved", "median"),
        over_one_sd=("far", "mean"),
        noticed=("noticed", "mean"),
    )
    missed = table["far"] & ~table["noticed"] & (table["kind"] != "none")
    summary["missed_over_one_sd"] = missed.groupby([table[name] for name in grouped.keys], sort=False).sum()
    rules = table["broken"].str.split(", ").explode().groupby(level=0).agg(list)
    summary["rules"] = [
        ", ".join(rules[rows].explode().value_counts().drop("", errors="ignore").index[:3])
        for rows in grouped.groups.values()
    ]
    return summary.reset_index().round(3).assign(**circumstances())


def draw(summary: pd.DataFrame) -> None:
    """Share noticed against the shift of the Rad-score, a point a damage."""
    use_style()
    figure, axes = plt.subplots(figsize=(4.2, 3.6))
    damaged = summary[summary["kind"] != "none"]
    for name, colour, marker in (("virtual", "#0072B2", "o"), ("real", "#D55E00", "^")):
        part = damaged[damaged["origin"] == name]
        axes.plot(
            part["moved"], 100 * part["noticed"], marker, color=colour, alpha=0.6, label=f"{name} scans"
        )
    axes.axvline(1, color="#777777", ls="--", lw=1)
    axes.set(xscale="symlog", xlim=(0, None), ylim=(-4, 104))
    axes.set(xlabel="Median shift of the Rad-score (SDs of training patients)", ylabel="Noticed (%)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(loc="lower right")
    with replacing(FIGURE) as path:
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=REPOSITORY / "runs" / "virtual" / "private" / "bundle")
    parser.add_argument("--patients", type=int, default=40, help="virtual ones")
    parser.add_argument("--undamaged", type=int, default=200, help="virtual ones that are only looked at")
    parser.add_argument("--workers", type=int, default=-1)
    parser.add_argument("--table", type=Path, help="CSV file with a row for each damage and patient")
    parser.add_argument("--json", action="store_true", help="print the shares and nothing else")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    folder = os.environ.get("RADBOOK_REAL_DATA")
    groups = [virtual_scans(options.patients, LIKE_TRAINING), real_scans(Path(folder)) if folder else {}]
    work = [delayed(study_patient)(number, scans, bundle) for scans in groups for number in range(len(scans))]
    more = virtual_scans(options.undamaged, LIKE_TRAINING)
    work += [delayed(look)(name, scan, bundle) for name, scan in more.items() if name not in groups[0]]
    rows = [row for found in Parallel(options.workers)(work) for row in found]
    table = pd.DataFrame(rows)
    if options.table:
        table.to_csv(options.table, index=False)
    sd = bundle.model["training"]["features"][RAD_SCORE]["sd"]
    kinds_tried = table.loc[table["kind"] != "none", ["kind", "strength"]].drop_duplicates()
    found = {**circumstances(), "damages": len(kinds_tried), "rad_score_sd": sd, **shares(table, sd)}
    summary = by_kind(table, sd)
    with replacing(RESULTS) as path:
        summary.to_csv(path, index=False, lineterminator="\n")
    draw(summary)
    print(json.dumps(found, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
