"""Protects every kind of mask file: the same regions come out of all of them, on the image's grid."""

import subprocess

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import dicom_slices, write_slices
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from synthetic_spine import grid, like, points, spine

from helpers.errors import StudyError
from helpers.imaging import mask_files
from helpers.imaging.sources import image_source
from helpers.study import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study

SPINE = spine(grid((84, 96, 33), (1.0, 1.0, 2.5)))
RAW = "Li^Si 0007"
NAMES = {"T12 body": "T12", "L1 body": "L1"}


def voxels(volume):
    return sitk.GetArrayFromImage(volume)


def only(vertebra):
    return like(voxels(SPINE.vertebrae) == {"T12": 19, "L1": 20}[vertebra], SPINE.image)


@pytest.fixture
def hospital(tmp_path):
    """Writes files under names with the patient's number and loads the scan that a site's keys describe."""

    def load(files, **keys):
        for name, content in {"ct/{}.nii.gz": SPINE.image, "body/{}.nii.gz": SPINE.bodies, **files}.items():
            path = tmp_path / name.format(RAW)
            path.parent.mkdir(parents=True, exist_ok=True)
            content(path) if callable(content) else sitk.WriteImage(content, path)
        site = {"name": "here", "role": "development", "table": {"path": "dxa.csv"}}
        site |= {"images": "ct/{patient_id}.nii.gz", "bodies": "body/{patient_id}.nii.gz", "erode_mm": 3}
        site = Site(**site | keys)
        study = Study(
            name="own", title="Own", seed=1, extraction="p.yml", sites=[site], file=tmp_path / "study.yml"
        )
        run = Run(study=study, folder=tmp_path / "run")
        (patient,) = pseudonyms.pseudonyms(run, "here", [RAW])
        source = image_source(run, site)
        assert source.fingerprint(patient) == source.fingerprint(patient)
        return source.load(patient)

    return load


@pytest.fixture
def expected(hospital):
    return voxels(hospital({"m/{}.nrrd": SPINE.vertebrae}, masks="m/{patient_id}.nrrd", labels="verse").mask)


def seg(path):
    """DICOM SEG of the two whole vertebrae, empty frames left out."""
    drawn = voxels(SPINE.vertebrae)[::-1]
    segments = [description(n, name) for n, name in enumerate(NAMES, start=1)]
    highdicom.seg.Segmentation(
        dicom_headers(),
        np.stack([drawn == 19, drawn == 20], axis=-1).astype(np.uint8),
        highdicom.seg.SegmentationTypeValues.BINARY,
        segments,
        *(generate_uid(), 1, generate_uid(), 1, "none", "none", "1", "1"),
    ).save_as(path)


def dicom_headers():
    identity = {
        **dict.fromkeys(("PatientID", "PatientName", "StudyID", "AccessionNumber"), RAW),
        **dict.fromkeys(("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"), ""),
        **{"FrameOfReferenceUID": "1.2.3.4", "PositionReferenceIndicator": ""},
    }
    return dicom_slices(SPINE.image, **identity, ReferringPhysicianName="")


def description(number, name):
    return highdicom.seg.SegmentDescription(
        number,
        name,
        dictionary.SCT.AnatomicalStructure,
        dictionary.SCT.Bone,
        highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


def test_seg_gives_the_regions_by_name_or_number(hospital, expected):
    for labels in (NAMES, {1: "T12", 2: "L1"}):
        scan = hospital({"m/{}.dcm": seg}, masks="m/{patient_id}.dcm", labels=labels)
        np.testing.assert_array_equal(voxels(scan.mask), expected)
        assert scan.notes == ()


def test_seg_without_the_wanted_segments_says_what_it_has(hospital):
    with pytest.raises(StudyError, match="none of the regions.*It has: L1 body, T12 body"):
        hospital({"m/{}.dcm": seg}, masks="m/{patient_id}.dcm", labels={"T12": "T12"})


def rtstruct(path, rois=None, jumble=True):
    """RTSTRUCT with ``rois`` (name: contours of points in mm), contours in another order than the names."""
    rois = bodies() if rois is None else rois
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file.Modality, file.PatientName, file.PatientID = "RTSTRUCT", RAW, RAW
    file.StudyInstanceUID = file.SeriesInstanceUID = generate_uid()
    file.SpecificCharacterSet = "ISO_IR 192"
    file.StructureSetROISequence, file.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), start=5):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, "1.2.3.4"
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = [contour(points) for points in contours]
        file.StructureSetROISequence.append(roi)
        file.ROIContourSequence.insert(0, drawn)
    file.save_as(path, enforce_file_format=True)


def contour(points):
    item = Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
    item.ContourData = [f"{value:.4f}" for value in np.ravel(points)]
    return item


def circle(radius, slice_number, beside=0.0):
    """Contour around the bodies' axis on a slice of the image, or ``beside`` it (mm)."""
    z = SPINE.image.TransformIndexToPhysicalPoint((0, 0, slice_number))[2] + beside
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    return np.c_[3.0 + radius * np.cos(angle), -140.0 + radius * np.sin(angle), np.full(240, z)]


def slices(vertebra):
    z = points(SPINE.image)[:, 0, 0, 2]
    return np.flatnonzero(np.abs(z - {"T12": 16, "L1": -16}[vertebra]) < 12).tolist()


def bodies(radius=14.1, beside=0.0):
    return {
        f"{name} 椎体": [circle(radius, number, beside) for number in slices(name)] for name in ("L1", "T12")
    }


ROIS = {"T12 椎体": "T12", "L1 椎体": "L1"}


def codes_of(tmp_path, rois, image=SPINE.image, labels=ROIS):
    rtstruct(tmp_path / "rt.dcm", rois)
    return voxels(mask_files.read_rtstruct(tmp_path / "rt.dcm", labels, image))


@pytest.mark.slow
@pytest.mark.parametrize("orientation", ["LPS", "LAI"])
def test_rtstruct_fills_the_voxels_whose_centre_is_inside(tmp_path, orientation):
    pytest.importorskip("plastimatch", reason="the optional RTSTRUCT reader is not installed")
    image = sitk.DICOMOrient(SPINE.image, orientation)
    x, y, z = np.moveaxis(points(image), -1, 0)
    inside = np.abs(np.abs(z) - 16) < 12
    # By radius and height, so neither a row nor a slice may be off; 14.1 meets no voxel's centre.
    for beside in (0.0, 0.4):
        drawn = codes_of(tmp_path, bodies(beside=beside), image)
        truth = np.where(inside & (np.hypot(x, y) < 14.1), np.where(z > 0, 7, 8), 0)
        np.testing.assert_array_equal(drawn, truth)
    ring = {name: [*outer, *bodies(6.2)[name]] for name, outer in bodies().items()}
    drawn = codes_of(tmp_path, ring, image)
    np.testing.assert_array_equal(drawn, np.where(np.hypot(x, y) > 6.2, truth, 0))


def test_rtstruct_goes_through_the_loader(hospital):
    pytest.importorskip("plastimatch", reason="the optional RTSTRUCT reader is not installed")
    scan = hospital({"m/{}/RS.dcm": rtstruct}, masks="m/{patient_id}", labels=ROIS, erode_mm=0, bodies=None)
    assert set(np.unique(voxels(scan.mask))) == set(range(7))


@pytest.mark.parametrize(
    ("rois", "message"),
    [
        (bodies(beside=1.0), "T12 椎体: contours lie up to 1.0 mm beside the image's slices"),
        ({name: drawn[::2] for name, drawn in bodies().items()}, "4 slice.s. between the contours have none"),
        ({name: [circle(9, 31), circle(9, 33)] for name in ROIS}, "above or below the image"),
        ({"T12 椎体": []}, "has no contours"),
        ({"heart": [circle(9, 4)]}, "It has: heart"),
    ],
)
def test_contours_of_other_slices_are_refused(tmp_path, rois, message):
    with pytest.raises(StudyError, match=message):
        codes_of(tmp_path, rois)


def test_without_plastimatch_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(mask_files.shutil, "which", lambda *_, **__: None)
    with pytest.raises(StudyError, match="pip install plastimatch.*label map"):
        codes_of(tmp_path, bodies())


def test_what_plastimatch_sees_has_no_name(tmp_path, monkeypatch):
    pytest.importorskip("plastimatch", reason="the optional RTSTRUCT reader is not installed")
    seen, run = [], subprocess.run

    def spy(command, cwd, **options):
        seen.extend([(cwd / "in.dcm").read_bytes(), str([command, cwd]).encode()])
        return run(command, cwd=cwd, **options)

    monkeypatch.setattr(mask_files.subprocess, "run", spy)
    codes_of(tmp_path, bodies())
    assert len(seen) == 2
    assert not any(b"Li^Si" in content for content in seen)


def test_one_file_a_vertebra(hospital, expected):
    masks = {"T12": "m/{patient_id}_T12.nii.gz", "L1": "m/{patient_id}_L1.nii.gz"}
    files = {f"m/{{}}_{name}.nii.gz": only(name) for name in masks}
    scan = hospital(files, masks=masks)
    np.testing.assert_array_equal(voxels(scan.mask), expected)
    alone = hospital({}, masks={"T12": "none/{patient_id}.nii.gz", "L1": masks["L1"]})
    assert set(np.unique(voxels(alone.mask))) == {0, 4, 5, 6}


def test_folder_and_label_map_of_totalsegmentator(hospital, expected):
    drawn = voxels(SPINE.vertebrae)
    numbered = like(np.select([drawn == 19, drawn == 20, drawn == 0], [32, 31, 0]), SPINE.image)
    files = {f"ts/{{}}/vertebrae_{name}.nii.gz": only(name) for name in ("T12", "L1")}
    files |= {"ts/{}/heart.nii.gz": only("T12"), "one/{}.nii.gz": numbered}
    for masks in ("ts/{patient_id}", "one/{patient_id}.nii.gz"):
        scan = hospital(files, masks=masks, labels="totalsegmentator")
        np.testing.assert_array_equal(voxels(scan.mask), expected)
    with pytest.raises(StudyError, match="mask folder 'ts/{patient_id}': 3 files"):
        hospital(files, masks="ts/{patient_id}", labels="verse")


@pytest.mark.parametrize(("name", "label"), [("{}_process-body.nii.gz", 2), ("{}_subreg.nii.gz", 50)])
def test_bodies_of_other_tools_are_known_by_their_file_name(hospital, expected, name, label):
    tool = like(np.where(voxels(SPINE.bodies) > 0, label, (voxels(SPINE.vertebrae) > 0) * 1), SPINE.image)
    files = {"m/{}.nrrd": SPINE.vertebrae, f"own/{name}": tool}
    keys = {"masks": "m/{patient_id}.nrrd", "labels": "verse", "bodies": f"own/{name}".format("{patient_id}")}
    np.testing.assert_array_equal(voxels(hospital(files, **keys).mask), expected)


def codes(tmp_path, **drawn):
    files = {name: tmp_path / f"{name}.nii.gz" for name in drawn}
    for name, volume in drawn.items():
        sitk.WriteImage(volume, files[name])
    masks = mask_files.MaskFiles(files, dict.fromkeys(files, "m"), "layers")
    return voxels(mask_files.read_codes(masks, SPINE.image, "P1")[0])


def test_where_files_overlap_the_first_keeps_the_voxel(tmp_path):
    both = like(voxels(SPINE.vertebrae) > 0, SPINE.image)
    whole = voxels(SPINE.vertebrae)
    np.testing.assert_array_equal(
        codes(tmp_path, T12=only("T12"), L1=both), np.select([whole == 19, whole == 20], [7, 8])
    )
    np.testing.assert_array_equal(codes(tmp_path, T12=both, L1=both), np.where(whole > 0, 7, 0))


def test_other_dicom_files_are_no_masks(tmp_path):
    write_slices(tmp_path, dicom_slices(SPINE.image)[:1], ["ct.dcm"])
    (tmp_path / "broken.dcm").write_bytes((tmp_path / "ct.dcm").read_bytes()[:200])
    for name, message in (("ct.dcm", "of the kind CT holds no mask"), ("broken.dcm", "cannot be read")):
        masks = mask_files.MaskFiles({"": tmp_path / name}, {"": "m"}, "verse")
        with pytest.raises(StudyError, match=message):
            mask_files.read_codes(masks, SPINE.image, "P1")
