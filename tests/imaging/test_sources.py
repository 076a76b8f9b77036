"""Protects the door of the images: same scan from every kind of file, and a clear word for every bad one."""

import os

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import dicom_slices, write_slices
from synthetic_scan import synthetic_scan

from helpers.errors import StudyError
from helpers.imaging import sources
from helpers.imaging.sources import image_source
from helpers.study import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Calibration, Site
from helpers.study.study_file import Study

SCAN = synthetic_scan(size=(40, 36, 50), radius_mm=(8, 7, 9))
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
    study = Study(
        name="own", title="Own", seed=1, extraction="paper.yml", sites=[site], file=tmp_path / "study.yml"
    )
    run = Run(study=study, folder=tmp_path / "run")
    for folder in ("ct", "masks", "masks2"):
        (tmp_path / folder).mkdir()
    sitk.WriteImage(SCAN.image, tmp_path / "ct" / f"{RAW}.nii.gz")
    sitk.WriteImage(SCAN.mask, tmp_path / "masks" / f"{RAW}.nrrd")
    sitk.WriteImage(SCAN.mask, tmp_path / "masks2" / f"{RAW}.mha")
    (patient,) = pseudonyms.pseudonyms(run, "here", [RAW])
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


def test_a_cut_image_is_noticed_unless_the_simulator_made_no_more_of_it(hospital):
    run, site, patient, _ = hospital
    assert not image_source(run, site).load(patient).whole
    simulated = Run(study=run.study.model_copy(update={"simulated": True}), folder=run.folder)
    assert not image_source(simulated, site).load(patient).whole  # smaller than any virtual patient
    prints = {image_source(one, site).fingerprint(patient) for one in (run, simulated)}
    assert len(prints) == 2


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
        stored = sources.whole_hu(sitk.Cast(SCAN.image, kind))
        np.testing.assert_array_equal(voxels(stored), voxels(SCAN.image))
    assert sources.whole_hu(sitk.Cast(SCAN.image, sitk.sitkFloat32) + 0.4)[3, 3, 3] == SCAN.image[3, 3, 3]
    with pytest.raises(StudyError, match="windowed picture"):
        sources.whole_hu(sitk.Cast(SCAN.mask, sitk.sitkUInt8))


def test_dicom_folder_of_the_study_file_gives_the_scan_and_its_facts(hospital):
    run, site, patient, folder = hospital
    dicom = site.model_copy(update={"images": "dicom/{patient_id}", "series": "1.2.3"})
    for series in ("1.2.3", "4.5.6"):
        write_slices(folder / "dicom" / RAW, dicom_slices(SCAN.image, SeriesInstanceUID=series))
    scan = image_source(run, dicom).load(patient)
    np.testing.assert_array_equal(voxels(scan.image), voxels(SCAN.image))
    np.testing.assert_array_equal(voxels(scan.mask), voxels(SCAN.mask))
    assert scan.facts["kvp"] == 120
    assert "Zhang" not in str(scan.facts)
    prints = [image_source(run, dicom).fingerprint(patient)]
    (folder / "dicom" / RAW / "more").write_bytes(b"slice")
    prints.append(image_source(run, dicom).fingerprint(patient))
    assert len(set(prints)) == 2


def test_one_vertebra_is_enough_for_the_loader_and_its_rule_decides_later(hospital):
    run, site, patient, folder = hospital
    sitk.WriteImage(SCAN.mask * sitk.Cast(SCAN.mask > 3, sitk.sitkUInt8), folder / "masks" / f"{RAW}.nrrd")
    scan = image_source(run, site).load(patient)
    assert set(np.unique(voxels(scan.mask))) == {0, 4, 5, 6}


def test_fingerprint_follows_labels_erosion_and_bodies(hospital):
    run, site, patient, folder = hospital
    sitk.WriteImage(SCAN.mask, folder / "masks" / f"{RAW}_body.nrrd")
    changes = [{}, {"labels": {1: 1}}, {"erode_mm": 3.0}, {"bodies": "masks/{patient_id}_body.nrrd"}]
    prints = {image_source(run, site.model_copy(update=change)).fingerprint(patient) for change in changes}
    assert len(prints) == 4


def test_a_calibration_of_the_tube_voltage_changes_hu_and_the_key(hospital):
    """DICOM at 100 kV: HU as the study file calibrates them, said in a note; at another voltage they stay."""
    run, site, patient, folder = hospital
    write_slices(folder / "dicom" / RAW, dicom_slices(SCAN.image, KVP="100"))
    plain = site.model_copy(update={"images": "dicom/{patient_id}"})
    way = Calibration(to=120, slope=0.85, intercept=-4)
    prints = {image_source(run, plain).fingerprint(patient)}
    for voltage, applied in ((100.0, True), (80.0, False)):
        source = image_source(run, plain.model_copy(update={"kvp_calibration": {voltage: way}}))
        scan = source.load(patient)
        hu = voxels(SCAN.image).astype(float)
        np.testing.assert_array_equal(voxels(scan.image), np.floor(hu * 0.85 - 3.5) if applied else hu)
        assert scan.facts.get("kvp_calibrated") == (120 if applied else None) and scan.facts["kvp"] == 100
        assert any("100 kV calibrated to 120 kV: HU x 0.85 -4" in note for note in scan.notes) == applied
        prints.add(source.fingerprint(patient))
    assert len(prints) == 3
