"""Protects the door of the images: same scan from every kind of file, and a clear word for every bad one."""

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from synthetic_scan import OBLIQUE, synthetic_scan

from helpers import images, privacy
from helpers.cases import Case, CaseCache
from helpers.dicom import read_dicom
from helpers.errors import StudyError
from helpers.extraction import extract
from helpers.images import image_source
from helpers.masks import layer_map, match_grid
from helpers.preprocessing import prepare, read_settings
from helpers.study import Run, Site, Study

SCAN = synthetic_scan(size=(40, 36, 50), radius_mm=(8, 7, 9))
PAPER = Path(__file__).parents[1] / "data" / "extraction" / "paper.yml"
RAW = "Zhang San 0001"


@pytest.fixture
def hospital(tmp_path):
    """A study folder with one patient's image and mask as files."""
    site = Site(
        name="here",
        role="development",
        table={"path": "dxa.csv"},
        images="ct/{patient_id}.nii.gz",
        masks="masks/{patient_id}.nrrd",
        second_reader="masks2/{patient_id}.mha",
    )
    study = Study(name="own", title="Own", seed=1, extraction="paper.yml", sites=[site], folder=tmp_path)
    run = Run(study=study, folder=tmp_path / "run")
    for folder in ("ct", "masks", "masks2"):
        (tmp_path / folder).mkdir()
    sitk.WriteImage(SCAN.image, tmp_path / "ct" / f"{RAW}.nii.gz")
    sitk.WriteImage(SCAN.mask, tmp_path / "masks" / f"{RAW}.nrrd")
    sitk.WriteImage(SCAN.mask, tmp_path / "masks2" / f"{RAW}.mha")
    (patient,) = privacy.pseudonyms(run, "here", [RAW])
    return run, site, patient, tmp_path


def voxels(volume):
    return sitk.GetArrayFromImage(volume)


@pytest.mark.parametrize("reader", [1, 2])
def test_files_give_the_scan(hospital, reader):
    run, site, patient, _ = hospital
    scan = image_source(run, site).load(patient, reader=reader)
    np.testing.assert_array_equal(voxels(scan.image), voxels(SCAN.image))
    np.testing.assert_array_equal(voxels(scan.mask), voxels(SCAN.mask))
    # NIfTI keeps 32-bit numbers, NRRD decimal ones: the same grid but for rounding.
    assert scan.mask.GetOrigin() == scan.image.GetOrigin()
    assert scan.image.GetPixelID() == sitk.sitkInt16


def test_fingerprint_follows_image_mask_and_reader(hospital):
    run, site, patient, folder = hospital
    source = image_source(run, site)
    prints = [source.fingerprint(patient), source.fingerprint(patient, reader=2)]
    assert source.fingerprint(patient) == prints[0]
    changed = sitk.Image(SCAN.mask)
    changed[0, 0, 0] = 3
    sitk.WriteImage(changed, folder / "masks" / f"{RAW}.nrrd")
    prints.append(source.fingerprint(patient))
    os.utime(folder / "ct" / f"{RAW}.nii.gz", ns=(1, 1))
    prints.append(source.fingerprint(patient))
    assert len(set(prints)) == 4


@pytest.mark.parametrize("victim", ["ct", "masks"])
@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_missing_or_damaged_files_are_told_without_the_raw_number(hospital, victim, harm):
    run, site, patient, folder = hospital
    (path,) = (folder / victim).iterdir()
    path.unlink() if harm == "missing" else path.write_bytes(b"no image")
    with pytest.raises(StudyError) as error:
        image_source(run, site).load(patient)
    assert "Zhang" not in str(error.value)
    assert patient in str(error.value)
    assert f"{victim}/{{patient_id}}" in str(error.value)


def test_hu_do_not_depend_on_how_the_file_stores_them():
    for kind in (sitk.sitkFloat32, sitk.sitkFloat64, sitk.sitkInt32):
        stored = images.whole_hu(sitk.Cast(SCAN.image, kind), "P1")
        np.testing.assert_array_equal(voxels(stored), voxels(SCAN.image))
    assert (
        images.whole_hu(sitk.Cast(SCAN.image, sitk.sitkFloat32) + 0.4, "P1")[3, 3, 3] == SCAN.image[3, 3, 3]
    )
    with pytest.raises(StudyError, match="windowed picture"):
        images.whole_hu(sitk.Cast(SCAN.mask, sitk.sitkUInt8), "P1")


GRID_FAULTS = {
    "size": lambda mask: mask[:, :, :-1],
    "spacing": lambda mask: altered(mask, spacing=(0.7, 0.7, 0.51)),
    "origin": lambda mask: altered(mask, origin=(-100.3, -80.2, 34.2)),  # one slice off
    "direction": lambda mask: altered(mask, direction=OBLIQUE),
}


def altered(mask, spacing=None, origin=None, direction=None):
    copy = sitk.Image(mask)
    copy.SetSpacing(spacing or mask.GetSpacing())
    copy.SetOrigin(origin or mask.GetOrigin())
    copy.SetDirection(direction or mask.GetDirection())
    return copy


@pytest.mark.parametrize("fault", GRID_FAULTS)
def test_mask_on_another_grid_is_refused_with_the_remedy(fault):
    with pytest.raises(StudyError, match=f"(?s){fault}.*ITK-SNAP"):
        match_grid(GRID_FAULTS[fault](SCAN.mask), SCAN.image, "P1, mask 'm'")


def relabelled(**changes):
    array = voxels(SCAN.mask).astype(np.float32)
    for old, new in changes.items():
        array[array == int(old[1:])] = new
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(SCAN.mask)
    return mask


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (SCAN.mask * 0, "empty"),
        ((SCAN.mask > 0) * 255, "255"),
        (sitk.Cast(SCAN.mask > 0, sitk.sitkFloat32) / 255, "0.003922"),
        (relabelled(_5=0), "lacks L1 middle"),
        (relabelled(_5=0, _6=0), "L1 middle, L1 lower"),
        (relabelled(_6=20), "20 are not layers.*labels"),
    ],
)
def test_bad_masks_are_refused_with_the_remedy(mask, message):
    with pytest.raises(StudyError, match=f"P1.*{message}"):
        layer_map(mask, None, "P1, mask 'm'")


def test_labels_of_the_study_file_are_translated_and_others_left_out():
    mask = relabelled(_1=31, _2=32, _3=33)
    mask[0, 0, 0] = 77
    layers = layer_map(mask, {31: 1, 32: 2, 33: 3, 4: 4, 5: 5, 6: 6}, "P1, mask 'm'")
    np.testing.assert_array_equal(voxels(layers), voxels(SCAN.mask))


def write_series(folder, image, series="1.2.3", skip=(), twice=(), tilt=0.0, modality="CT"):
    """Write ``image`` as a DICOM series, slice files in scrambled order of names."""
    folder.mkdir(exist_ok=True)
    array = voxels(image)
    numbers = [n for n in range(array.shape[0]) if n not in skip] + list(twice)
    for count, number in enumerate(numbers):
        header = dicom_slice(image, number, tilt)
        header.Modality, header.SeriesInstanceUID = modality, series
        header.PixelData = (array[number].astype(np.int32) + 1024).astype(np.uint16).tobytes()
        header.save_as(folder / f"{(count * 7) % 101:03d}_{series}_{count}", enforce_file_format=True)
    return folder


def dicom_slice(image, number, tilt):
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = CTImageStorage
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    header.StudyInstanceUID, header.InstanceNumber = "1.2", number
    position = np.array(image.TransformIndexToPhysicalPoint((0, 0, number)))
    position[1] += tilt * number
    header.ImagePositionPatient = [f"{value:.6f}" for value in position]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    header.ImageOrientationPatient = [f"{v:.6f}" for v in (*direction[:, 0], *direction[:, 1])]
    header.PixelSpacing = [f"{image.GetSpacing()[1]}", f"{image.GetSpacing()[0]}"]
    header.SliceThickness = f"{image.GetSpacing()[2]}"
    header.Columns, header.Rows = image.GetSize()[:2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, 0
    header.RescaleSlope, header.RescaleIntercept = "1", "-1024"
    header.Manufacturer, header.ManufacturerModelName = "SIEMENS", "SOMATOM Force"
    header.KVP, header.ConvolutionKernel = "120", ["Br40d", "3"]
    return header


def test_dicom_folder_gives_hu_grid_and_facts(tmp_path):
    image, facts = read_dicom(write_series(tmp_path / "ct", SCAN.image), "P1, folder 'ct'")
    np.testing.assert_array_equal(voxels(images.whole_hu(image, "P1")), voxels(SCAN.image))
    np.testing.assert_allclose(image.GetOrigin(), SCAN.image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(image.GetSpacing(), SCAN.image.GetSpacing(), atol=1e-5)
    assert facts == {"scanner": "SIEMENS SOMATOM Force", "kvp": 120.0, "kernel": "Br40d/3"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"skip": (20,)}, "1 gap.*slices are missing"),
        ({"twice": (20,)}, "same place"),
        ({"tilt": 0.05}, "tilted by 5.7 degrees"),
        ({"modality": "MR"}, "not CT"),
        ({"skip": range(1, 50)}, "only one slice"),
    ],
)
def test_series_that_are_no_volume_are_refused(tmp_path, fault, message):
    folder = write_series(tmp_path / "ct", SCAN.image, **fault)
    with pytest.raises(StudyError, match=f"P1.*{message}"):
        read_dicom(folder, "P1, folder 'ct'")


def test_no_series_or_two_are_refused(tmp_path):
    (tmp_path / "ct").mkdir()
    with pytest.raises(StudyError, match="0 DICOM series"):
        read_dicom(tmp_path / "ct", "P1, folder 'ct'")
    write_series(tmp_path / "ct", SCAN.image)
    write_series(tmp_path / "ct", SCAN.image, series="4.5.6", skip=range(3, 50))
    with pytest.raises(StudyError, match="2 DICOM series.*localizers"):
        read_dicom(tmp_path / "ct", "P1, folder 'ct'")


@pytest.fixture(scope="module")
def real():
    folder = os.environ.get("RADBOOK_REAL_DATA")
    if not folder:
        pytest.skip("RADBOOK_REAL_DATA is not set: no real CT to read")
    return Path(folder)


def split_in_thirds(mask, first, last):
    """Thirds of each vertebra along z, upper first (a test's stand-in for six drawn layers)."""
    layers = np.zeros(voxels(mask).shape, np.uint8)
    for vertebra, label in enumerate((first, last)):
        z, y, x = np.nonzero(voxels(mask) == label)
        third = np.searchsorted(np.quantile(z, [1 / 3, 2 / 3]), z, side="right")
        layers[z, y, x] = 3 * vertebra + 3 - third
    split = sitk.GetImageFromArray(layers)
    split.CopyInformation(mask)
    return split


def test_real_ct_goes_through_to_all_features(real, hospital):
    run, site, patient, own = hospital
    folder = real / "ct" / "crlm1006_GE"
    mask = sitk.ReadImage(folder / "crlm1006_trabecular_approx_mask.nii.gz")
    (own / "ct" / f"{RAW}.nii.gz").write_bytes((folder / "crlm1006_ct.nii.gz").read_bytes())
    sitk.WriteImage(split_in_thirds(mask, 19, 20), own / "masks" / f"{RAW}.nrrd")
    settings = read_settings(PAPER)
    sources = {"here": image_source(run, site)}
    prepared = prepare(Case(patient, "here"), sources, settings, CaseCache(run.cache))
    assert prepared.quality["status"] == "warned"
    assert "5.0 mm" in prepared.quality["reason"]
    features = extract(prepared.block, settings)
    assert len(features) == 1688
    assert np.isfinite(list(features.values())).all()


def test_real_mask_with_one_label_a_vertebra_is_refused_clearly(real):
    mask = sitk.ReadImage(real / "ct" / "crlm1006_GE" / "crlm1006_trabecular_approx_mask.nii.gz")
    with pytest.raises(StudyError, match="19, 20 are not layers"):
        layer_map(mask, None, "P1, mask 'm'")
    with pytest.raises(StudyError, match="lacks T12 middle, T12 lower, L1 middle, L1 lower"):
        layer_map(mask, {19: 1, 20: 4}, "P1, mask 'm'")


def test_real_dicom_reads_or_says_why_not(real):
    image, facts = read_dicom(real / "dicom" / "siemens_T11_T12_20slices_j2k", "P1, folder 'ct'")
    assert image.GetSize()[2] == 20
    assert facts["scanner"].startswith("SIEMENS")
    robust = real / "dicom" / "robustness"
    for folder, message in (("gantrytilting/001", "tilted"), ("notavolume/001", "same place")):
        with pytest.raises(StudyError, match=message):
            read_dicom(robust / folder, "P1, folder 'ct'")
