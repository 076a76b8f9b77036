"""Protects the calling of segmentation tools: right images in, right files out, once an image, no names."""

import stat
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from small_hospital import one_patient
from synthetic_spine import like, spine

from helpers.errors import StudyError
from helpers.imaging.regions import label_codes, six_layers

SPINE = spine()
RAW = "Wang Wu 0042"
# Stands in for the tool: copies masks that lie ready, and notes how it was called.
FAKE = """#!{python}
import pathlib, shutil, sys
ready, log = pathlib.Path({ready!r}), pathlib.Path({log!r})
with log.open("a") as file:
    print(pathlib.Path.cwd(), *sys.argv[1:], pathlib.Path("ct.nii.gz").stat().st_size > 0, file=file)
for path in (ready / ("body" if "vertebrae_body" in sys.argv else "levels")).iterdir():
    shutil.copy(path, "out")
if (ready / "fail").exists():
    sys.exit("no memory on the graphics card")
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Makes a hospital without masks whose ``tool`` is a stand-in giving ``levels`` and ``body`` files."""

    def make(tool, program, levels, body):
        for folder, files in (("levels", levels), ("body", body)):
            (tmp_path / "ready" / folder).mkdir(parents=True)
            for name, volume in files.items():
                sitk.WriteImage(volume, tmp_path / "ready" / folder / name)
        (tmp_path / "bin").mkdir()
        fake, log = tmp_path / "bin" / program, tmp_path / "calls.log"
        fake.write_text(FAKE.format(python=sys.executable, ready=str(tmp_path / "ready"), log=str(log)))
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(fake.parent))
        (tmp_path / "ct").mkdir()
        sitk.WriteImage(SPINE.image, tmp_path / "ct" / f"{RAW}.nii.gz")
        return hospital(tmp_path, tool)

    return make


def hospital(folder, tool):
    keys = {"images": "ct/{patient_id}.nii.gz", "segmenter": tool, "erode_mm": 3}
    return one_patient(folder, RAW, **keys)


def totalsegmentator(site):
    drawn = sitk.GetArrayFromImage(SPINE.vertebrae)
    levels = {
        f"vertebrae_{name}.nii.gz": like(drawn == label, SPINE.image)
        for name, label in (("T12", 19), ("L1", 20))
    }
    return site("totalsegmentator", "TotalSegmentator", levels, {"vertebrae_body.nii.gz": SPINE.bodies})


def expected():
    codes = label_codes(SPINE.vertebrae, "verse")
    return sitk.GetArrayFromImage(six_layers(codes, SPINE.bodies, 3.0)[0])


def test_totalsegmentator_is_called_once_an_image(site, tmp_path):
    source, patient, run = totalsegmentator(site)
    first = source.fingerprint(patient)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(source.load(patient).mask), expected())
    assert source.fingerprint(patient) == first
    calls = (tmp_path / "calls.log").read_text()
    assert len(calls.splitlines()) == 2
    assert "--roi_subset vertebrae_T12 vertebrae_L1 True" in calls
    assert "--task vertebrae_body True" in calls
    assert "Wang" not in calls
    (kept,) = (run.private / "segmentations" / patient).iterdir()
    assert {path.name for path in kept.iterdir()} == {
        "vertebrae_T12.nii.gz",
        "vertebrae_L1.nii.gz",
        "vertebrae_body.nii.gz",
    }


def test_another_image_is_drawn_anew_and_an_edited_mask_counts(site, tmp_path):
    source, patient, run = totalsegmentator(site)
    prints = [source.fingerprint(patient)]
    (kept,) = (run.private / "segmentations" / patient).iterdir()
    sitk.WriteImage(SPINE.bodies * 0, kept / "vertebrae_T12.nii.gz")
    prints.append(source.fingerprint(patient))
    assert set(np.unique(sitk.GetArrayFromImage(source.load(patient).mask))) == {0, 4, 5, 6}
    sitk.WriteImage(SPINE.image + 1, tmp_path / "ct" / f"{RAW}.nii.gz")
    prints.append(source.fingerprint(patient))
    assert len(set(prints)) == 3
    assert len((tmp_path / "calls.log").read_text().splitlines()) == 4


def test_spine_segment_gives_levels_and_bodies_in_its_own_numbers(site):
    arch = sitk.GetArrayFromImage(SPINE.vertebrae) > 0
    body = sitk.GetArrayFromImage(SPINE.bodies) > 0
    files = {
        "ct_vertebral-level.nii.gz": SPINE.vertebrae,
        "ct_process-body.nii.gz": like(np.select([body, arch], [2, 1]), SPINE.image),
    }
    source, patient, _ = site("spine-segment", "spine-segment", files, {})
    np.testing.assert_array_equal(sitk.GetArrayFromImage(source.load(patient).mask), expected())


def test_a_tool_that_is_not_there_fails_or_leaves_files_out(site, tmp_path, monkeypatch):
    source, patient, run = totalsegmentator(site)
    (tmp_path / "ready" / "fail").touch()
    with pytest.raises(StudyError, match=f"{patient}: TotalSegmentator failed .*1: no memory on the graph"):
        source.load(patient)
    (tmp_path / "ready" / "fail").unlink()
    (tmp_path / "ready" / "body" / "vertebrae_body.nii.gz").unlink()
    with pytest.raises(StudyError, match="ended without vertebrae_body.nii.gz"):
        source.load(patient)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match="not installed.*pip install TotalSegmentator"):
        source.load(patient)
    assert not any((run.private / "segmentations" / patient).iterdir())
