"""A hospital of four patients in files, quick to measure; and a site of one."""

import SimpleITK as sitk
from synthetic_scan import PAPER, synthetic_scan

from helpers.features.cases import Case
from helpers.imaging.sources import image_source
from helpers.study.pseudonyms import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study


def small_hospital(folder):
    """A hospital of four patients in NIfTI files, the last one with an empty mask; coarse settings."""
    for number in range(4):
        scan = synthetic_scan(seed=number, radius_mm=(11.0, 8.0, 12.0 + 0.3 * number))  # a mask each
        sitk.WriteImage(scan.image, folder / f"ct_{number}.nii.gz")
        sitk.WriteImage(scan.mask * (number < 3), folder / f"mask_{number}.nii.gz")
    text = PAPER.read_text(encoding="utf-8")
    lean = text[: text.index("imageType:")] + "imageType: {Original: {}}\nfeatureClass: {glcm: , shape: }\n"
    (folder / "lean.yml").write_text(lean, encoding="utf-8")
    site = Site(
        name="here",
        role="development",
        table={"path": "dxa.csv"},
        images="ct_{patient_id}.nii.gz",
        masks="mask_{patient_id}.nii.gz",
    )
    return Study(
        name="own", title="Own", seed=1, extraction="lean.yml", sites=[site], file=folder / "study.yml"
    )


def one_patient(folder, number, **keys):
    """A site of one patient: its door to images, the patient's pseudonym, and the run."""
    site = Site(name="here", role="development", table={"path": "dxa.csv"}, **keys)
    study = Study(
        name="own", title="Own", seed=1, extraction="p.yml", sites=[site], file=folder / "study.yml"
    )
    run = Run(study=study, folder=folder / "run")
    (patient,) = pseudonyms(run, "here", [number])
    return image_source(run, site), patient, run


def run_of(study, folder):
    run = Run(study=study, folder=folder)
    patients = pseudonyms(run, "here", [str(number) for number in range(4)])
    return run, [Case(patient, "here") for patient in patients]
