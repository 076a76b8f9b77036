"""What `radbook click` adds for each patient: from the second click to the region, and a scan made ready.

    .venv/bin/python benchmarks/clicks.py --patients 5 --json

Exports virtual patients as DICOM into a temporary folder, reads each as the page asks for it, and hands in
the middles of T12 and L1 as the page does. Processor seconds of the program, without the browser's; how long
a person needs is not measured. Prints a JSON object with the medians.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import yaml
from machine import circumstances

from helpers.commands.click import Session, asked_of
from helpers.imaging.clicked import Clicked
from helpers.imaging.regions import VERTEBRAE, vertebra_centre
from helpers.study.places import REPOSITORY
from helpers.study.pseudonyms import raw_ids
from helpers.study.run_folder import open_run
from helpers.virtual import VirtualSite
from helpers.virtual.export import export_virtual

PROTOCOL = REPOSITORY / "data" / "virtual" / "protocol.yml"
SEED = 20261128  # patients that no other page shows


def seconds_of(session: Session, mask: sitk.Image) -> dict[str, float]:
    """Processor seconds for the only patient of a session: no other scan is read meanwhile."""
    start = time.process_time()
    session.scan(0)
    ready = time.process_time()
    points = {vertebra: tuple(vertebra_centre(mask, vertebra).tolist()) for vertebra in VERTEBRAE}
    told = session.keep(0, Clicked(points=points))
    drawn = time.process_time()
    session.keep(0, Clicked(points=points, margin_mm=1.0))
    found = {"scan ready": ready - start, "region after the second click": drawn - ready}
    return found | {"another margin": time.process_time() - drawn, "refused": float("refusal" in told)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one line and nothing else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hospital = Path(folder) / "hospital"
        site = VirtualSite(PROTOCOL, "development", max(options.patients, 8), SEED)
        export_virtual(site, hospital, options.patients)
        study = yaml.safe_load((hospital / "study.yml").read_text(encoding="utf-8"))
        for key in ("masks", "second_reader"):
            study["sites"][0].pop(key)
        study["sites"][0]["points"] = "click"
        (hospital / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
        run = open_run(hospital / "study.yml", Path(folder) / "run")
        rows, everybody = [], asked_of(run)
        raw = raw_ids(run)
        for asked in everybody:
            session = Session(run, [asked])
            mask = sitk.ReadImage(hospital / "masks" / f"{raw[asked.patient_id]}.nii.gz")
            rows.append(seconds_of(session, mask))
            session.close()
    medians = {name: round(float(np.median([row[name] for row in rows[1:]])), 2) for name in rows[0]}
    print(json.dumps({**circumstances(), **medians}, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
