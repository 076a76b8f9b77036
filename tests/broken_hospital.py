"""A hospital of 20 virtual patients as DICOM series and label maps, 8 of them broken in 8 ways.

Scans are cut to the surroundings of the vertebrae and to every third slice, so that a test can afford them.
"""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
import yaml
from pydicom.uid import generate_uid

from helpers.imaging.boxes import roi_box
from helpers.study.places import REPOSITORY
from helpers.virtual import VirtualSite
from helpers.virtual.export import write_series

SITE = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "development", 20, 5)
MARGIN_MM = 9
# What was done to a patient: part of the reason that must be given, category in the flow chart.
BREAKS = {
    "no mask": ("there is no 'masks/{patient_id}.nii.gz'", "image or mask missing"),
    "mask of another grid": ("does not lie on the image's grid", "mask unusable"),
    "empty mask": ("the mask is empty", "mask unusable"),
    "black-and-white mask": ("only label is 255", "mask unusable"),
    "damaged mask": ("cannot be read as NIfTI", "mask unusable"),
    "a vertebra not drawn": ("L1 is missing (excluded by the rule", "T12 or L1 missing"),
    "slices missing": ("3 slice(s) are missing", "image unusable"),
    "two series": ("2 axial CT series fit", "image unusable"),
}


def write_hospital(folder: Path) -> dict[str, str]:
    """Write scans, masks, table and study file; returns what is broken, by raw patient number."""
    screened = SITE.screened()
    people = screened[screened["allocation"] != ""].copy()
    people["raw"] = [f"MRN-{40510 + 7 * number}" for number in range(len(people))]
    for person in people.itertuples():
        write_patient(folder, person)
    # Of the more frequent outcome and from both sets, so that the study can go on without them.
    normal = people[people["t_score"] > -2.5].groupby(people["allocation"] == "training")["raw"]
    chosen = [*normal.get_group(True)[:6], *normal.get_group(False)[:2]]
    broken = dict(zip(chosen, BREAKS, strict=True))
    for raw, kind in broken.items():
        break_patient(folder, raw, kind)
    table = people.drop(columns="patient_id").rename(columns={"raw": "patient_id"})
    table.to_csv(folder / "dxa.csv", index=False)
    write_study(folder)
    return broken


def write_patient(folder: Path, person) -> None:
    image, mask = SITE.acquire(person.patient_id)
    start, size = roi_box(mask)
    margin = np.ceil(MARGIN_MM / np.array(image.GetSpacing())).astype(int)
    first = np.maximum(start - margin, 0).tolist()
    last = np.minimum(start + size + margin, image.GetSize()).tolist()
    part = tuple(slice(a, b, step) for a, b, step in zip(first, last, (1, 1, 3), strict=True))
    header = SITE.screened().set_index("patient_id").loc[person.patient_id].rename(person.raw)
    write_series(image[part], SITE.scanner(person.patient_id), header, SITE.seed, folder / "ct" / person.raw)
    # Drawn as the bone lies: a reader may touch the cortex, which would be a ninth fault.
    drawn = {"masks": SITE.truth(person.patient_id).mask}
    if person.allocation == "training":
        drawn["masks_reader2"] = SITE.redraw(person.patient_id, reader=2)
    for name, labels in drawn.items():
        (folder / name).mkdir(exist_ok=True)
        sitk.WriteImage(labels[part], str(folder / name / f"{person.raw}.nii.gz"))


def break_patient(folder: Path, raw: str, kind: str) -> None:
    scan, path = folder / "ct" / raw, folder / "masks" / f"{raw}.nii.gz"
    mask = sitk.ReadImage(str(path))
    if kind == "no mask":
        path.unlink()
    elif kind == "damaged mask":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "slices missing":
        for file in sorted(scan.iterdir())[20:23]:
            file.unlink()
    elif kind == "two series":
        second_series(scan)
    else:
        if kind == "mask of another grid":
            mask.SetOrigin(np.add(mask.GetOrigin(), (0.3, 0.0, 0.4)).tolist())
        labels = {"empty mask": mask * 0, "black-and-white mask": sitk.Cast(mask > 0, sitk.sitkUInt8) * 255}
        labels["a vertebra not drawn"] = sitk.Mask(mask, mask < 4)
        sitk.WriteImage(labels.get(kind, mask), str(path))


def second_series(scan: Path) -> None:
    """The same slices once more, as a scanner writes a second reconstruction."""
    for file in sorted(scan.iterdir()):
        header = pydicom.dcmread(file)
        header.SeriesInstanceUID = generate_uid(entropy_srcs=[header.SeriesInstanceUID])
        header.SOPInstanceUID = generate_uid(entropy_srcs=[header.SOPInstanceUID])
        header.ConvolutionKernel = "SHARP"
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.PixelData = (header.pixel_array + 3).astype("<i2").tobytes()
        header.save_as(scan / f"sharp_{file.name}", enforce_file_format=True)


def write_study(folder: Path) -> None:
    shutil.copy(REPOSITORY / "tests" / "data" / "coarse.yml", folder / "extraction.yml")
    site = {"name": "Ours", "role": "development", "table": {"path": "dxa.csv"}, "images": "ct/{patient_id}"}
    site |= {"masks": "masks/{patient_id}.nii.gz", "second_reader": "masks_reader2/{patient_id}.nii.gz"}
    study = {"name": "broken", "title": "Our hospital", "seed": 1, "extraction": "extraction.yml"}
    study |= {"second_reader_cases": 4, "sites": [site]}
    study["parameters"] = {number: {"folds": 3} for number in ("04", "05", "10")}
    (folder / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
