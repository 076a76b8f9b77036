"""Twins of real scans: which share of a real patient's features lies where the simulator's own patients lie.

    RADBOOK_REAL_DATA=... .venv/bin/python benchmarks/twins.py --version "denser grain"

For each real scan, virtual patients whose region has nearly the same mean HU are scanned with that scan's
voxels, slices, sharpness and noise, all measured in the scan itself (helpers.chapters.scan_measures), and
measured like the patient. Results go to data/virtual/twins*.csv, which chapter 12 shows; the real scans stay
where they are. ``--version`` names the simulator's state in the history of these numbers. About ten minutes
of two cores.

One of the scans shows a dense focus of 1 cm in L1, which no virtual patient has: it is compared as it is, and
with the focus left out of the region, as its twins are.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml
from damage import read_scan
from joblib import Parallel, delayed
from scipy import ndimage

from helpers.chapters import scan_measures
from helpers.chapters.twins import HISTORY, POSITIONS, SCANS, position, shares
from helpers.features.blocks import preprocess, read_settings
from helpers.features.extraction import extract
from helpers.imaging.sources import Scan
from helpers.study.places import REPOSITORY, replacing
from helpers.virtual import VirtualSite
from helpers.virtual.patients import simulate_patients
from helpers.virtual.scanner import Scanner
from helpers.virtual.twins import Likeness, make_twin

PROTOCOL = REPOSITORY / "data" / "virtual" / "protocol.yml"
SETTINGS = REPOSITORY / "data" / "extraction" / "paper.yml"
FOLDERS = {
    "GE, 5 mm": ("crlm1006_GE", "crlm1006_ct.nii.gz", "crlm1006_trabecular_approx_mask.nii.gz"),
    "3 mm": ("totalsegmentator_example", "example_ct.nii.gz", "example_ct_trabecular_approx_mask.nii.gz"),
}
WITHOUT_FOCUS = "3 mm, without focus"
FOCUS_HU = 300  # inside the region, off its border
WITHIN_HU = 10.0  # by which the mean of a twin's region may differ from the real one's
CANDIDATES_HU = 20.0  # bone denser or less dense than that is not tried
PEOPLE = 600  # in the virtual hospital from which twins are taken
SEED = 20261129  # set before anything was computed with it; no validation seed


def real_scans(folder: Path) -> dict[str, Scan]:
    """The real scans with T12 and L1, by name."""
    found = {
        name: read_scan(folder / "ct" / place / image, folder / "ct" / place / mask, "verse")
        for name, (place, image, mask) in FOLDERS.items()
    }
    return {"GE, 5 mm": found["GE, 5 mm"], WITHOUT_FOCUS: without_focus(found["3 mm"]), "3 mm": found["3 mm"]}


def without_focus(scan: Scan) -> Scan:
    """The region without what is brighter than cancellous bone can be, and the voxels next to it."""
    hu, layers = (sitk.GetArrayFromImage(volume) for volume in (scan.image, scan.mask))
    layers[ndimage.binary_dilation((hu > FOCUS_HU) & ndimage.binary_erosion(layers > 0))] = 0
    mask = sitk.GetImageFromArray(layers)
    mask.CopyInformation(scan.mask)
    return replace(scan, mask=mask)


def measure(name: str, scan: Scan, numbers: dict) -> tuple[Likeness, dict[str, float]]:
    """What its twins share with a scan, and a row of the table of scans."""
    hu, region, spacing = scan_measures.upright(scan)
    noise = scan_measures.soft_tissue_noise(hu, region, spacing)
    seen = scan_measures.noise_filter(noise, spacing, numbers)
    volume = float(region.sum() * spacing.prod())
    side = scan_measures.side_depth(hu, region, spacing)
    face = scan_measures.face_depth(hu, region, spacing)
    machine = Scanner(
        **dict.fromkeys(["name", "manufacturer", "model", "kernel"], name),
        **{"kvp": float(numbers["kvp"]), "ma": 0.0, "bias_hu": 0.0, "cupping_hu": 0.0},
        **{"pixel_mm": float(spacing[2]), "slice_mm": float(spacing[0])},
        **{"fwhm_mm": seen.fwhm_mm, "slice_fwhm_mm": seen.slice_fwhm_mm, "noise_hu": noise.sd},
    )
    row = {"pixel_mm": spacing[2], "slice_mm": spacing[0]}
    row |= {"fwhm_mm": seen.fwhm_mm, "slice_fwhm_mm": seen.slice_fwhm_mm}
    row |= {"noise_hu": noise.sd, "noise_across": noise.across, "noise_deep": noise.deep}
    row |= {"noise_along": noise.along, "hu": hu[region].mean(), "sd_hu": hu[region].std()}
    row |= {"volume_mm3": volume, "side_mm": side, "face_mm": face}
    return Likeness(machine, seen.texture, volume, side, face), row


def twins(scan: Scan, like: Likeness, protocol: dict, wanted: int, workers: int) -> pd.DataFrame:
    """Features of ``wanted`` twins: a row each."""
    mean, settings = mean_hu(scan), read_settings(SETTINGS)
    people = candidates(protocol, mean)
    task = delayed(twin_features)
    with Parallel(n_jobs=workers or -1, return_as="generator") as parallel:
        tasks = (task(protocol, person, like, mean, settings, n) for n, person in enumerate(people))
        found: list[dict] = []
        for features in parallel(tasks):
            found += [] if features is None else [features]
            if len(found) == wanted:
                return pd.DataFrame(found)
    raise SystemExit(f"Only {len(found)} twins of {wanted}: too few virtual patients have bone like that.")


def candidates(protocol: dict, mean: float) -> Iterator[pd.Series]:
    """Virtual patients, shuffled, ten rounds of them, whose bone is about as dense."""
    people = simulate_patients(protocol, "development", PEOPLE, SEED)
    density = people[["hu_t12", "hu_l1"]].mean(axis=1)
    people = people[(people["allocation"] != "") & ((density - mean).abs() < CANDIDATES_HU)]
    for turn in range(10):
        yield from (person for _, person in people.sample(frac=1, random_state=turn).iterrows())


def twin_features(
    protocol: dict, person: pd.Series, like: Likeness, mean: float, settings: dict, number: int
) -> dict[str, float] | None:
    """Features of one twin; None where its region is not of the real one's density."""
    scan = Scan(*make_twin(protocol, person, like, np.random.default_rng([SEED, number])))
    if abs(mean_hu(scan) - mean) > WITHIN_HU:
        return None
    return extract(preprocess(scan, settings), settings)


def mean_hu(scan: Scan) -> float:
    """Mean of a region."""
    hu, layers = (sitk.GetArrayViewFromImage(volume) for volume in (scan.image, scan.mask))
    return float(hu[layers > 0].mean())


def store(positions: pd.DataFrame, rows: dict[str, dict], version: str) -> None:
    """Write the three tables; the history, of the positions as written, keeps other versions' rows."""
    positions = positions.round(6)
    with replacing(POSITIONS) as path:
        positions.to_csv(path, lineterminator="\n")
    with replacing(SCANS) as path:
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("scan").round(3).to_csv(
            path, lineterminator="\n"
        )
    new = shares(positions).query("feature_class == 'all'").drop(columns=["feature_class", "features"])
    new = new.assign(version=version, twins=[rows[scan]["twins"] for scan in new["scan"]])
    old = pd.read_csv(HISTORY) if HISTORY.is_file() else pd.DataFrame(columns=new.columns)
    old = old[old["version"] != version]
    with replacing(HISTORY) as path:
        pd.concat([old, new]).round(4).to_csv(path, index=False, lineterminator="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--twins", type=int, default=100)
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 means one a core")
    parser.add_argument("--version", help="name of the simulator's state; without one nothing is stored")
    options = parser.parse_args()
    protocol = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))
    simulator = VirtualSite(PROTOCOL, "development", PEOPLE, SEED).simulator()
    positions, rows = {}, {}
    for name, scan in real_scans(Path(os.environ["RADBOOK_REAL_DATA"])).items():
        like, row = measure(name, scan, protocol["scanner"])
        settings = read_settings(SETTINGS)
        real = pd.Series(extract(preprocess(scan, settings), settings))
        if name != "3 mm":  # its twins are those of the region without the focus
            made = twins(scan, like, protocol, options.twins, options.workers)
        positions[name] = position(real, made)
        rows[name] = row | {"twins": len(made), "within_hu": WITHIN_HU, "simulator": simulator}
        table = shares(positions[name].to_frame(name)).pivot(
            index="image_type", columns="feature_class", values="inside"
        )
        print(name, row, table.round(2).to_string(), sep="\n", flush=True)
    if options.version:
        store(pd.DataFrame(positions), rows, options.version)


if __name__ == "__main__":
    main()
