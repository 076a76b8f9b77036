"""One patient once: the same scan, mask or region under two names is found, other patients never are."""

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from synthetic_scan import SETTINGS

from helpers.features.blocks import preprocess
from helpers.features.cases import Case, Result
from helpers.features.doubles import Marks, marks_of, with_doubles
from helpers.features.prepare import quality_table, tabulated
from helpers.imaging.sources import Scan
from helpers.study.places import REPOSITORY
from helpers.study.pseudonyms import pseudonyms, raw_ids
from helpers.study.run_folder import open_run
from helpers.virtual import VirtualSite

pytestmark = pytest.mark.slow  # simulates CT

SITE = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "development", 12, 11)
PEOPLE = SITE.screened().query("allocation != ''")["patient_id"].tolist()


@pytest.fixture(scope="module")
def scans():
    return {name: Scan(*SITE.acquire(name)) for name in PEOPLE[:6]}


def marked(scan):
    return marks_of(scan, preprocess(scan, SETTINGS))


def judged(scans):
    """Status, kind and reason of each scan, as the quality table gives them."""
    results = [
        Result(
            Case(name, "here"), SimpleNamespace(quality={"status": "ok", "reason": ""}, marks=marked(scan))
        )
        for name, scan in scans.items()
    ]
    return tabulated(results).set_index("patient_id")


def smooth(image, sigma):
    rounded = sitk.Round(sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), sigma))
    return sitk.Cast(rounded, sitk.sitkInt16)


def thick(scan, times):
    """Voxels ``times`` as high: every so many slices averaged, the mask of the middle one."""
    hu, labels = (sitk.GetArrayFromImage(volume) for volume in (scan.image, scan.mask))
    n = len(hu) // times
    means = hu[: n * times].reshape(n, times, *hu.shape[1:]).mean(axis=1)
    spacing = np.array(scan.image.GetSpacing()) * (1, 1, times)
    volumes = [
        sitk.GetImageFromArray(a.astype(t))
        for a, t in ((means.round(), np.int16), (labels[times // 2 :: times][:n], np.uint8))
    ]
    for volume in volumes:
        volume.SetSpacing(spacing.tolist())
    return Scan(*volumes)


def test_different_patients_are_left_in_peace(scans):
    table = judged(scans)
    assert (table["status"] == "ok").all() and (table["kind"] == "").all()


def test_the_same_scan_under_two_names_refuses_both(scans):
    first = scans[PEOPLE[0]]
    table = judged(scans | {"copy": Scan(first.image, first.mask)})
    both = table.loc[[PEOPLE[0], "copy"]]
    assert (both["status"] == "refused").all() and (both["kind"] == "double").all()
    assert f"the same image and mask as {PEOPLE[0]}" in table.loc["copy", "reason"]
    assert "the same image and mask as copy" in table.loc[PEOPLE[0], "reason"]
    assert (table["status"] == "ok").sum() == 5


@pytest.mark.parametrize("way", ["cropped", "turned", "moved"])
def test_another_storage_hides_no_copy(scans, way):
    first = scans[PEOPLE[0]]
    change = {
        "cropped": lambda volume: volume[5:, 3:-4, 2:],
        "turned": lambda volume: sitk.DICOMOrient(volume, "RAS"),
        "moved": lambda volume: moved(volume),
    }[way]
    table = judged({PEOPLE[0]: first, "copy": Scan(change(first.image), change(first.mask))})
    assert table["reason"].str.contains("the same image and mask").all()


def moved(volume):
    copy = sitk.Image(volume)
    copy.SetOrigin((1.0, 2.0, 3.0))
    return copy


def test_the_same_image_with_another_mask_and_the_same_mask_on_another_image_are_refused(scans):
    one, two = scans[PEOPLE[0]], scans[PEOPLE[1]]
    redrawn = Scan(one.image, SITE.redraw(PEOPLE[0], reader=2))
    table = judged({"one": one, "again": redrawn, "two": two})
    assert table["kind"].tolist() == ["double", "double", ""]
    assert "the same image as one, with another mask" in table.loc["again", "reason"]
    image = sitk.Resample(two.image, one.image, sitk.Transform(), sitk.sitkLinear, -1000.0)
    table = judged({"one": one, "wrong": Scan(image, one.mask), "two": two})
    assert table["kind"].tolist() == ["double", "double", ""]
    assert "the same mask as one, on another image" in table.loc["wrong", "reason"]


@pytest.mark.parametrize(
    "way",
    [
        "softer kernel",
        "other calibration",
        "voxels of 1.5 mm",
        "voxels of 3 mm",
        "another reader",
    ],
)
def test_another_reconstruction_of_the_same_scan_is_warned_about(scans, way):
    """With the mask moved to its grid, or drawn anew a little smaller."""
    first = scans[PEOPLE[0]]
    smaller = sitk.Mask(first.mask, sitk.BinaryErode(first.mask > 0, [1, 1, 0]))
    other = {
        "softer kernel": lambda: Scan(smooth(first.image, [0.6, 0.6, 0.4]), smaller),
        "other calibration": lambda: Scan(first.image + 20, smaller),
        "voxels of 1.5 mm": lambda: thick(first, 3),
        "voxels of 3 mm": lambda: thick(first, 6),
        "another reader": lambda: Scan(first.image + 20, SITE.redraw(PEOPLE[0], reader=2)),
    }[way]()
    table = judged(scans | {"other": other})
    warned = table[table["status"] == "warned"]
    assert set(warned.index) == {PEOPLE[0], "other"} and (table["status"] != "refused").all()
    assert f"another reconstruction of {PEOPLE[0]}'s scan" in table.loc["other", "reason"]


def test_many_copies_are_told_by_number():
    marks = Marks("a", "b", "c", np.zeros(4, np.float16), np.zeros(4, np.float16))
    quality = {"status": "ok", "reason": ""}
    table = tabulated(
        [Result(Case(f"P{n}", "here"), SimpleNamespace(quality=quality, marks=marks)) for n in range(6)]
    )
    assert "P1, P2, P3 and 2 more" in table.loc[0, "reason"]
    assert with_doubles(table, {}).equals(table)


def test_copies_are_found_in_files_and_across_sites(scans, tmp_path):
    """Another format and another hospital; a remark stays beside what is measured again from the cache."""
    first, second = scans[PEOPLE[0]], scans[PEOPLE[1]]
    here, there = {"a": first, "b": second}, {"c": first}
    for folder, end, people in (("here", "nii.gz", here), ("there", "nrrd", there)):
        (tmp_path / folder).mkdir()
        for name, scan in people.items():
            sitk.WriteImage(scan.image, str(tmp_path / folder / f"ct_{name}.{end}"))
            sitk.WriteImage(scan.mask, str(tmp_path / folder / f"mask_{name}.{end}"))
    sites = [
        {"name": folder, "role": role, "table": {"path": "dxa.csv"}}
        | {"images": f"{folder}/ct_{{patient_id}}.{end}", "masks": f"{folder}/mask_{{patient_id}}.{end}"}
        for folder, role, end in (("here", "development", "nii.gz"), ("there", "external", "nrrd"))
    ]
    study = {"name": "own", "title": "Own", "seed": 1, "sites": sites}
    study["extraction"] = str(REPOSITORY / "tests" / "data" / "coarse.yml")
    (tmp_path / "study.yml").write_text(yaml.safe_dump(study))
    run = open_run(tmp_path / "study.yml", tmp_path / "run")
    cases = [Case(pseudonyms(run, "here", [name])[0], "here") for name in here]
    cases += [Case(pseudonyms(run, "there", ["c"])[0], "there")]
    for _ in range(2):
        table = quality_table(run, cases, workers=1).set_index("patient_id")
        raw = {raw: patient for patient, raw in raw_ids(run).items()}
        assert table.loc[[raw["a"], raw["c"]], "kind"].tolist() == ["double", "double"]
        assert raw["c"] in table.loc[raw["a"], "reason"] and table.loc[raw["b"], "kind"] == ""
