"""One patient, refused in every way there is: files and keys of the study file that make the loader refuse.

What must be said of each stands in tests/data/refusals.csv.
"""

import stat
from pathlib import Path
from typing import NamedTuple

import highdicom
import numpy as np
import SimpleITK as sitk
from dicom_series import dicom_slices, write_slices
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from synthetic_spine import grid, like, spine

from helpers.imaging.sources import ImageSource, image_source
from helpers.study import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study

SPINE = spine(grid((84, 96, 33), (1.0, 1.0, 2.5)))
DRAWN = sitk.GetArrayFromImage(SPINE.vertebrae)
RAW = "Wang^Wu 0042"
NAMES = {"T12 body": "T12", "L1 body": "L1"}
MASK = "m/{}.nii.gz"
FOLDER = {"images": "ct/{patient_id}"}


class Broken(NamedTuple):
    """A way to be refused: files by name ({} is the patient's number), keys of the site, reader."""

    files: dict
    keys: dict = {}
    reader: int = 1


def refused_by(folder: Path, broken: Broken) -> tuple[ImageSource, str]:
    """Write the files; returns the source of the site and the patient's pseudonym."""
    for name, content in {
        "ct/{}.nii.gz": SPINE.image,
        "body/{}.nii.gz": SPINE.bodies,
        **broken.files,
    }.items():
        path = folder / name.format(RAW)
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            content(path) if callable(content) else sitk.WriteImage(content, path)
        elif path.exists():
            path.unlink()
    site = {"name": "here", "role": "development", "table": {"path": "dxa.csv"}}
    site |= {"images": "ct/{patient_id}.nii.gz", "masks": "m/{patient_id}.nii.gz", "labels": "verse"}
    site = Site(**site | {"bodies": "body/{patient_id}.nii.gz", "erode_mm": 3} | broken.keys)
    study = Study(
        name="own", title="Own", seed=1, extraction="p.yml", sites=[site], file=folder / "study.yml"
    )
    run = Run(study=study, folder=folder / "run")
    (patient,) = pseudonyms.pseudonyms(run, "here", [RAW])
    return image_source(run, site), patient


def garbage(path):
    path.write_bytes(b"no image")


def labels(array):
    return like(np.asarray(array), SPINE.image)


def rescaled(path):
    sitk.WriteImage(sitk.Cast(SPINE.bodies, sitk.sitkFloat32) / 255, path)


def stack(folder):
    write_slices(folder, dicom_slices(SPINE.image))


def two_series(folder):
    for series in ("1.2.3", "4.5.6"):
        write_slices(folder, dicom_slices(SPINE.image, SeriesInstanceUID=series))


def gap(folder):
    write_slices(folder, [header for number, header in enumerate(dicom_slices(SPINE.image)) if number != 5])


def pictures(folder):
    write_slices(folder, dicom_slices(SPINE.image, BitsStored=8, HighBit=7))


def without_pixels(folder):
    slices = dicom_slices(SPINE.image)
    del slices[2].PixelData
    write_slices(folder, slices)


def localizers(folder):
    write_slices(folder, dicom_slices(SPINE.image, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))


def one_slice(path):
    write_slices(path.parent, dicom_slices(SPINE.image)[:1], [path.name])


def several(path):
    path.mkdir()
    for name in ("a", "b"):
        (path / name).write_bytes(b"one of two")


def seg(path):
    identity = {
        **dict.fromkeys(("PatientID", "PatientName", "StudyID", "AccessionNumber"), RAW),
        **dict.fromkeys(("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"), ""),
        **{"FrameOfReferenceUID": "1.2.3.4", "PositionReferenceIndicator": "", "ReferringPhysicianName": ""},
    }
    kind, bone = dictionary.SCT.AnatomicalStructure, dictionary.SCT.Bone
    manual = highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
    highdicom.seg.Segmentation(
        dicom_slices(SPINE.image, **identity),
        np.stack([DRAWN[::-1] == 19, DRAWN[::-1] == 20], axis=-1).astype(np.uint8),
        highdicom.seg.SegmentationTypeValues.BINARY,
        [highdicom.seg.SegmentDescription(n, name, kind, bone, manual) for n, name in enumerate(NAMES, 1)],
        *(generate_uid(), 1, generate_uid(), 1, "none", "none", "1", "1"),
    ).save_as(path)


def damaged_seg(path):
    write_dicom(path, Modality="SEG")


def damaged_rtstruct(path):
    write_dicom(path, Modality="RTSTRUCT")


def rtstruct(*heights):
    """RTSTRUCT whose T12 has a contour at each of these heights (mm above the first slice)."""

    def write(path):
        low = SPINE.image.GetOrigin()[2]
        corners = [(-2.0, -145.0), (8.0, -145.0), (8.0, -135.0), (-2.0, -135.0)]
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 5, "T12 body", "1.2.3.4"
        drawn.ReferencedROINumber, drawn.ContourSequence = 5, []
        for height in heights:
            item = Dataset()
            item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(corners)
            item.ContourData = [f"{value:.4f}" for x, y in corners for value in (x, y, low + height)]
            drawn.ContourSequence.append(item)
        sequences = {"StructureSetROISequence": [roi], "ROIContourSequence": [drawn]}
        write_dicom(path, Modality="RTSTRUCT", **sequences)

    return write


def write_dicom(path, **tags):
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for tag, value in tags.items():
        setattr(file, tag, value)
    file.save_as(path, enforce_file_format=True)


def moved(mask, voxels):
    copy = sitk.Image(mask)
    copy.SetOrigin(mask.TransformContinuousIndexToPhysicalPoint(voxels))
    return copy


def tool(script):
    """A stand-in for TotalSegmentator."""

    def write(path):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def layers(*heights, radius=9):
    """Layers 1 to 6, each a disc of two slices from one of these array slices on."""
    z, y, x = np.indices(DRAWN.shape)
    disc = np.hypot(x - 42, y - 48) < radius
    return labels(sum(n * (disc & ((z == h) | (z == h + 1))) for n, h in enumerate(heights, 1) if h))


HIGH_TO_LOW = (24, 22, 20, 11, 9, 7)
SHALLOW = {"labels": "layers", "bodies": None, "erode_mm": 0}
WHOLE = {"bodies": None, "erode_mm": 0}
SEG = {"masks": "m/{patient_id}.dcm", "labels": NAMES}
RT = SEG | {"labels": {"T12 body": "T12"}}
ONE_EACH = {
    "masks": {"T12": "m/T12_{patient_id}.nii.gz", "L1": "m/L1_{patient_id}.nii.gz"},
    "labels": "layers",
}
TOOL = {"masks": None, "bodies": None, "segmenter": "totalsegmentator", "labels": "layers"}
# Off the middle of the image: only there does a flip from left to right leave the bone.
BESIDE = sitk.ConstantPad(SPINE.image, (40, 0, 0), (0, 0, 0), 40)
FLIPPED = np.flip(sitk.GetArrayFromImage(sitk.ConstantPad(layers(*HIGH_TO_LOW), (40, 0, 0), (0, 0, 0), 0)), 2)
GOOD = {MASK: SPINE.vertebrae}
WAYS = {
    # Files that are not there.
    "no image": Broken({**GOOD, "ct/{}.nii.gz": None}),
    "no mask": Broken({}),
    "no mask of either vertebra": Broken({}, ONE_EACH),
    "no bodies": Broken({**GOOD, "body/{}.nii.gz": None}),
    "no mask of the second reader": Broken(GOOD, {"second_reader": "m2/{patient_id}.nii.gz"}, 2),
    "no second reader": Broken(GOOD, reader=2),
    # The image.
    "damaged image": Broken({**GOOD, "ct/{}.nii.gz": garbage}),
    "image of four dimensions": Broken({**GOOD, "ct/{}.nii.gz": sitk.JoinSeries(SPINE.image, SPINE.image)}),
    "image of eight bits": Broken({**GOOD, "ct/{}.nii.gz": SPINE.bodies}),
    "empty folder": Broken({**GOOD, "ct/{}": Path.mkdir}, FOLDER),
    "localizers": Broken({**GOOD, "ct/{}": localizers}, FOLDER),
    "two series": Broken({**GOOD, "ct/{}": two_series}, FOLDER),
    "another series wanted": Broken({**GOOD, "ct/{}": stack}, {**FOLDER, "series": "abdomen"}),
    "slices missing": Broken({**GOOD, "ct/{}": gap}, FOLDER),
    "pictures": Broken({**GOOD, "ct/{}": pictures}, FOLDER),
    "slice without pixels": Broken({**GOOD, "ct/{}": without_pixels}, FOLDER),
    # The mask's file.
    "damaged mask": Broken({MASK: garbage}),
    "mask of four dimensions": Broken({MASK: sitk.JoinSeries(SPINE.bodies, SPINE.bodies)}),
    "empty mask": Broken({MASK: labels(DRAWN * 0)}),
    "rescaled mask": Broken({MASK: rescaled}),
    "black-and-white mask": Broken({MASK: labels((DRAWN > 0) * 255)}),
    "labels that are names": Broken(GOOD, {"labels": NAMES}),
    "labels that are no layers": Broken(GOOD, SHALLOW),
    "several labels in a file of one vertebra": Broken({"m/T12_{}.nii.gz": SPINE.vertebrae}, ONE_EACH),
    "damaged mask of one vertebra": Broken({"m/L1_{}.nii.gz": garbage}, ONE_EACH),
    "one slice less": Broken({MASK: SPINE.vertebrae[:, :, :-1]}),
    "origin moved": Broken({MASK: moved(SPINE.vertebrae, (0.0, 0.0, 1.0))}),
    "between the voxels": Broken({MASK: moved(SPINE.vertebrae, (0.0, 0.5, 0.0))}),
    "folder of two files": Broken({"m/{}": several}, {"masks": "m/{patient_id}"}),
    "CT for a mask": Broken({"m/{}.dcm": one_slice}, SEG),
    "SEG without the wanted segments": Broken({"m/{}.dcm": seg}, SEG | {"labels": {"T12": "T12"}}),
    "damaged SEG": Broken({"m/{}.dcm": damaged_seg}, SEG),
    "damaged RTSTRUCT": Broken({"m/{}.dcm": damaged_rtstruct}, RT),
    "RTSTRUCT without the wanted regions": Broken(
        {"m/{}.dcm": rtstruct(10.0)}, SEG | {"labels": {"L1": "L1"}}
    ),
    "contours beside the slices": Broken({"m/{}.dcm": rtstruct(11.0)}, RT),
    "region without contours": Broken({"m/{}.dcm": rtstruct()}, RT),
    "contours above the image": Broken({"m/{}.dcm": rtstruct(100.0)}, RT),
    "contours with a gap": Broken({"m/{}.dcm": rtstruct(10.0, 15.0)}, RT),
    "bodies without a label": Broken({**GOOD, "body/{}.nii.gz": labels(DRAWN * 0)}),
    "bodies on another grid": Broken({**GOOD, "body/{}.nii.gz": SPINE.bodies[:, :, :-1]}),
    "damaged bodies": Broken({**GOOD, "body/{}.nii.gz": garbage}),
    # The regions.
    "neither vertebra": Broken({MASK: labels((DRAWN > 0) * 24)}),
    "a layer missing": Broken({MASK: layers(24, 0, 20, 11, 9, 7)}, SHALLOW),
    "no body of a vertebra": Broken({**GOOD, "body/{}.nii.gz": labels(DRAWN == 20)}),
    "nothing left": Broken(GOOD, {"erode_mm": 20}),
    "too flat": Broken(
        {MASK: labels(np.where(np.arange(33)[:, None, None] == 22, DRAWN, 0))}, {"erode_mm": 0}
    ),
    "tiny": Broken({MASK: layers(*HIGH_TO_LOW, radius=2)}, SHALLOW),
    "upside down": Broken({MASK: layers(*HIGH_TO_LOW[::-1])}, SHALLOW),
    "around the canal": Broken(GOOD, WHOLE),
    "left for right": Broken({"ct/{}.nii.gz": BESIDE, MASK: like(FLIPPED, BESIDE)}, SHALLOW),
    "in the air": Broken({"ct/{}.nii.gz": SPINE.image * 0 - 800, MASK: layers(*HIGH_TO_LOW)}, SHALLOW),
    # Tools that draw.
    "tool not installed": Broken({}, TOOL),
    "tool that fails": Broken({"bin/TotalSegmentator": tool("echo no memory >&2; exit 1")}, TOOL),
    "tool that leaves masks out": Broken({"bin/TotalSegmentator": tool("exit 0")}, TOOL),
}
