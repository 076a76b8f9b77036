"""Protects regions from points in a study: drawn once, corrected ones kept, masks first, faults named."""

import numpy as np
import pytest
import SimpleITK as sitk
from small_hospital import one_patient
from synthetic_spine import like, spine

from helpers.errors import StudyError
from helpers.imaging.regions import label_codes, six_layers

SPINE = spine()
RAW = "0042"
POINTS = "ID,vertebra,x_lps,y_lps,z_lps\n42,T12,3,-140,536\n42,L1,3,-140,504\n7,T12,3,-140,536\n"


@pytest.fixture
def hospital(tmp_path):
    """Makes a hospital with points, and gives its door to images, the patient and the run."""

    def make(**keys):
        (tmp_path / "ct").mkdir(exist_ok=True)
        sitk.WriteImage(SPINE.image, tmp_path / "ct" / f"{RAW}.nii.gz")
        (tmp_path / "points.csv").write_text(POINTS)
        given = {
            "images": "ct/{patient_id}.nii.gz",
            "points": {"path": "points.csv", "patient_id": "ID"},
        } | keys
        return one_patient(tmp_path, RAW, **given)

    return make


def labels(volume):
    return sitk.GetArrayFromImage(volume)


def test_points_of_a_table_become_six_layers_that_lie_in_private(hospital):
    source, patient, run = hospital()
    scan = source.load(patient)
    assert set(np.unique(labels(scan.mask))) == set(range(7))
    kept = sitk.ReadImage(run.private / "regions" / f"{patient}.nii.gz")
    np.testing.assert_array_equal(labels(kept), labels(scan.mask))
    assert kept.GetSize() == SPINE.image.GetSize()  # as ITK-SNAP wants it: on the image's grid
    assert source.origin(patient) == "points"


def test_nothing_is_drawn_twice_until_points_or_margin_change(hospital, tmp_path):
    source, patient, run = hospital()
    first = source.fingerprint(patient)
    file = run.region(patient)
    state = file.stat().st_mtime_ns
    assert source.fingerprint(patient) == first
    (tmp_path / "points.csv").write_text(POINTS.replace("7,T12", "8,T12"))  # another patient's
    source.load(patient)
    assert file.stat().st_mtime_ns == state
    wider = hospital(margin_mm=3.0)[0]
    assert wider.fingerprint(patient) != first
    assert (
        labels(wider.load(patient).mask).astype(bool).sum()
        < labels(source.load(patient).mask).astype(bool).sum()
    )


def test_a_corrected_region_stays_whatever_the_points_say(hospital, tmp_path):
    source, patient, run = hospital()
    before, drawn = source.fingerprint(patient), labels(source.load(patient).mask)
    corrected = drawn.copy()
    corrected[:, :, : SPINE.image.GetSize()[0] // 2] = 0  # a reader left half of it
    sitk.WriteImage(like(corrected, SPINE.image), run.region(patient))
    (tmp_path / "points.csv").write_text(POINTS.replace("536", "537"))
    assert source.fingerprint(patient) != before
    np.testing.assert_array_equal(labels(source.load(patient).mask), corrected)
    assert source.origin(patient) == "corrected"
    run.region(patient).unlink()  # thrown away: drawn again
    assert labels(source.load(patient).mask)[:, :, : SPINE.image.GetSize()[0] // 2].any()


def test_a_mask_that_is_there_comes_first(hospital, tmp_path):
    source, patient, run = hospital(masks="masks/{patient_id}.nii.gz")
    assert source.origin(patient) == "points"
    (tmp_path / "masks").mkdir()
    own = six_layers(label_codes(SPINE.vertebrae, "verse"), SPINE.bodies, 4.0)[0]
    sitk.WriteImage(own, tmp_path / "masks" / f"{RAW}.nii.gz")
    np.testing.assert_array_equal(labels(source.load(patient).mask), labels(own))
    assert source.origin(patient) == "mask"
    assert not run.region(patient).exists()


@pytest.mark.parametrize(
    ("content", "told", "kind"),
    [
        ("ID,vertebra,x_lps,y_lps,z_lps\n7,T12,3,-140,536\n", "no row of this patient", "missing file"),
        (POINTS.replace("-140", "-116"), "T12: ", "mask"),
        (POINTS.replace("_lps", ""), "in which coordinates", "mask"),
        (None, "no such table", "missing file"),
    ],
)
def test_faults_name_the_patient_and_the_file_once(hospital, tmp_path, content, told, kind):
    source, patient, run = hospital()
    if content is None:
        (tmp_path / "points.csv").unlink()
    else:
        (tmp_path / "points.csv").write_text(content)
    with pytest.raises(StudyError, match=told) as refusal:
        source.load(patient)
    message = str(refusal.value)
    assert message.startswith(f"{patient}, points 'points.csv'")
    assert message.count(patient) == 1
    assert RAW not in message
    assert refusal.value.kind == kind
    assert not run.region(patient).exists()


def test_a_patient_without_a_file_of_points_is_told(hospital):
    source, patient, _ = hospital(points="points/{patient_id}.mrk.json")
    with pytest.raises(StudyError, match=r"no 'points/\{patient_id\}.mrk.json'") as refusal:
        source.load(patient)
    assert str(refusal.value).count(patient) == 1
    assert source.origin(patient) == ""


def test_a_killed_drawing_leaves_nothing_that_looks_corrected(hospital, monkeypatch):
    source, patient, run = hospital()
    source.load(patient)
    run.region(patient).with_name(f"{patient}.json").unlink()
    assert source.origin(patient) == "corrected"  # without the record nobody knows: it is kept
    run.region(patient).unlink()
    monkeypatch.setattr(
        "helpers.imaging.pointed.replacing", lambda path: (_ for _ in ()).throw(OSError("killed"))
    )
    with pytest.raises(OSError, match="killed"):
        source.load(patient)
    assert source.origin(patient) == "points"
