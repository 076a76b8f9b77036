"""Protects the identity of the cropped resampling with PyRadiomics', and what quality control measures."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from dicom_series import dicom_slices, write_slices
from plausible_facts import PLAUSIBLE, study
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor
from synthetic_scan import CASE, OBLIQUE, PAPER, SETTINGS, OneScan, synthetic_scan

from helpers.errors import StudyError
from helpers.features.blocks import of_pyradiomics, preprocess, read_settings
from helpers.features.cache import CaseCache
from helpers.features.prepare import prepare
from helpers.features.quality import quality_control
from helpers.features.rules import apply_rules, quality_summary, scanner_summary, typical_patient
from helpers.imaging.sources import FileImages, Scan
from helpers.patients.flow_chart import CATEGORIES
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study

GRIDS = {
    "thin slices": {},
    "ROI far from the edges": {"size": (180, 170, 190), "spacing": (0.41, 0.39, 0.5)},
    "thick slices": {"size": (70, 64, 26), "spacing": (0.8046875, 0.8046875, 5.0), "radius_mm": (15, 12, 40)},
    "oblique, off the grid": {"size": (80, 70, 90), "direction": OBLIQUE, "origin": (0.123, -7.77, 1033.3)},
    "already 1 mm": {"size": (50, 46, 52), "spacing": (1.0, 1.0, 1.0)},
    "1 mm in plane": {"size": (50, 46, 40), "spacing": (1.0, 1.0, 1.25)},
    "new voxels on old ones": {"size": (140, 130, 140), "spacing": (0.6, 0.6, 0.6)},
    "ROI at the edge": {"size": (46, 40, 44)},
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_cropped_resampling_equals_pyradiomics_bit_by_bit(grid):
    scan = synthetic_scan(**grid)
    block = preprocess(scan, SETTINGS)
    image, mask = imageoperations.resampleImage(scan.image, scan.mask > 0, **SETTINGS["setting"])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(block.image), sitk.GetArrayFromImage(image))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(block.mask), sitk.GetArrayFromImage(mask))
    assert block.image.GetPixelID() == sitk.sitkInt16
    for name in ("GetSpacing", "GetOrigin", "GetDirection", "GetSize"):
        assert getattr(block.image, name)() == getattr(image, name)()
        assert getattr(block.layers, name)() == getattr(image, name)()
    assert set(np.unique(sitk.GetArrayFromImage(block.layers))) == set(range(7))


def test_quality_control_measures_the_scanned_voxels():
    scan = synthetic_scan()
    quality = quality_control(scan, preprocess(scan, SETTINGS), SETTINGS)
    hu, layers = sitk.GetArrayFromImage(scan.image), sitk.GetArrayFromImage(scan.mask)
    assert quality["trabecular_hu"] == pytest.approx(hu[layers > 0].mean(), rel=1e-12)
    assert quality["hu_l1_middle"] == pytest.approx(hu[layers == 5].mean(), rel=1e-12)
    assert quality["volume_t12_upper"] == pytest.approx((layers == 1).sum() * 0.7 * 0.7 * 0.5, rel=1e-6)
    assert quality["volume"] == pytest.approx(sum(quality[f"volume_{v}_{p}"] for v, p in layer_names()))
    assert (quality["spacing_z"], quality["size_x"]) == (0.5, 56)


def layer_names():
    return [(vertebra, part) for vertebra in ("t12", "l1") for part in ("upper", "middle", "lower")]


def test_what_is_out_of_the_ordinary_is_warned_about():
    ordinary = synthetic_scan(size=(70, 60, 110), radius_mm=(16, 14, 19))
    assert quality_of(ordinary)["status"] == "ok"
    noted = Scan(ordinary.image, ordinary.mask, {"kvp": 100.0}, ("mask axes reordered by its header",))
    assert quality_of(noted)["reason"].startswith("mask axes reordered by its header; 100 kV")
    small = quality_of(synthetic_scan(radius_mm=(6, 6, 9)))
    assert small["status"] == "warned"
    assert "mm3" in small["reason"]
    assert "edge of the scan" in quality_of(synthetic_scan(size=(46, 40, 46)))["reason"]
    assert quality_of(Scan(ordinary.image + 500, ordinary.mask))["cortex_percent"] > 99.9
    assert quality_of(Scan(ordinary.image - 300, ordinary.mask))["fat_percent"] > 99.9
    lung = sitk.Image(ordinary.image)
    lung[:, :, 60:62] = -800
    share = (sitk.GetArrayFromImage(ordinary.mask)[60:62] > 0).sum()
    share /= (sitk.GetArrayFromImage(ordinary.mask) > 0).sum()
    assert quality_of(Scan(lung, ordinary.mask))["air_percent"] == pytest.approx(100 * share)


def test_levels_and_edges_are_measured_in_millimetres():
    scan = synthetic_scan(size=(70, 60, 110), radius_mm=(16, 14, 19))
    quality = quality_of(scan)
    layers = sitk.GetArrayFromImage(scan.mask)
    centres = [np.argwhere((layers >= low) & (layers <= low + 2)).mean(axis=0) for low in (1, 4)]
    apart = (centres[0] - centres[1]) * scan.mask.GetSpacing()[::-1]
    assert quality["levels_mm"] == pytest.approx(np.linalg.norm(apart))
    assert quality["tilt_degrees"] == pytest.approx(np.degrees(np.arccos(apart[0] / np.linalg.norm(apart))))
    assert quality["at_edge"] == 0
    first = np.flatnonzero((layers > 0).any(axis=(1, 2)))[0]
    cut = Scan(scan.image[:, :, int(first) :], scan.mask[:, :, int(first) :])
    assert quality_of(cut)["at_edge"] == 1


def test_a_cut_scan_is_warned_about_where_the_grid_begins_at_its_corner():
    scan = synthetic_scan(size=(70, 60, 110), radius_mm=(16, 14, 19))
    cut = Scan(scan.image, scan.mask, whole=False)
    quality = quality_of(cut)
    assert quality["status"] == "warned"
    assert quality["reason"].startswith("the image (49 x 42 x 55 mm) is cut out of a larger scan")
    region = SETTINGS | {"resampling_grid": "region"}
    assert quality_control(cut, preprocess(cut, region), region)["status"] == "ok"


def test_one_vertebra_alone_is_measured_and_named():
    scan = synthetic_scan(size=(70, 60, 110), radius_mm=(16, 14, 19))
    lower = sitk.Mask(scan.mask, scan.mask > 3)
    quality = quality_of(Scan(scan.image, lower, {"contrast": "100 ml"}))
    assert (quality["missing_vertebra"], quality["contrast"]) == ("T12", "100 ml")
    assert np.isnan(quality["hu_t12_upper"])
    assert quality["status"] == "ok"
    assert quality["volume"] == pytest.approx(
        sum(quality[f"volume_l1_{p}"] for p in ("upper", "middle", "lower"))
    )


MEASURED = pd.DataFrame(
    {
        "patient_id": ["one", "metal", "injected", "broken", "plain", "both"],
        "status": ["ok", "warned", "ok", "refused", "ok", "ok"],
        "reason": ["", "thick", "", "empty", "", ""],
        "kind": ["", "", "", "mask", "", ""],
        "sensitivity": "",
        "missing_vertebra": ["T12", "", "", None, "", ""],
        "block_max_abs_hu": [900.0, 2900.0, 1000.0, np.nan, 1000.0, 2500.0],
        "contrast": [None, None, "100 ml", None, None, "50 ml"],
    }
).assign(**PLAUSIBLE)
TABLE = pd.DataFrame({"patient_id": ["both", "broken", "injected", "metal", "one", "plain"]})


def ruled(table=TABLE, **rules):
    return apply_rules(MEASURED, table, study(rules=rules)).set_index("patient_id")


def test_rules_include_exclude_or_set_aside():
    usual = ruled()
    assert usual["status"].tolist() == ["refused", "warned", "refused", "refused", "ok", "refused"]
    assert usual["kind"].tolist() == ["level", "", "contrast", "mask", "", "contrast"]
    assert usual.loc["one", "reason"] == "T12 is missing (excluded by the rule 'missing_vertebra')"
    assert usual.loc["metal", "reason"] == "thick; 2900 HU near the region: metal or cement"
    assert usual.loc["broken", "reason"] == "empty"
    assert (usual["sensitivity"] == "").all()
    kept = ruled(missing_vertebra="include", metal="sensitivity", contrast="sensitivity")
    assert kept["status"].tolist() == ["warned", "warned", "warned", "refused", "ok", "warned"]
    assert kept["kind"].tolist() == ["", "", "", "mask", "", ""]
    assert kept["sensitivity"].tolist() == [
        "",
        "2900 HU near the region: metal or cement",
        "contrast-enhanced scan",
        "",
        "",
        "2500 HU near the region: metal or cement; contrast-enhanced scan",
    ]
    assert ruled(metal="exclude", metal_hu=2700)["status"]["metal"] == "refused"
    assert ruled(metal="exclude", metal_hu=2950)["status"]["metal"] == "warned"
    assert MEASURED["reason"].tolist() == ["", "thick", "", "empty", "", ""]


RULES = {
    "missing_vertebra": "T12 or L1 missing",
    "fracture": "vertebral fracture",
    "metal": "metal or cement",
    "contrast": "contrast-enhanced scan",
}


@pytest.mark.parametrize("number", range(2**4))
def test_of_several_rules_the_first_that_excludes_gives_the_category(number):
    """In the order that the patterns on sentences had when they gave the category."""
    excluding = [rule for bit, rule in enumerate(RULES) if number >> bit & 1]
    everything = MEASURED.iloc[[5]].assign(missing_vertebra="L1", reason="the mask was flipped")
    table = pd.DataFrame({"patient_id": ["both"], "fracture": [True], "contrast": [True]})
    choices = {rule: "exclude" if rule in excluding else "sensitivity" for rule in RULES}
    (row,) = apply_rules_or_nobody(everything, table, study(rules=choices)).to_dict("records")
    assert row["status"] == ("refused" if excluding else "warned")
    assert [rule for rule in RULES if f"excluded by the rule '{rule}'" in row["reason"]] == excluding
    assert CATEGORIES.get(row["kind"]) == (RULES[excluding[0]] if excluding else None)


def apply_rules_or_nobody(quality, table, ruled_study):
    """With one more patient, in whom there is nothing to find, so that somebody is left."""
    plain = MEASURED.iloc[[4]]
    return apply_rules(pd.concat([quality, plain], ignore_index=True), table, ruled_study).iloc[:1]


def test_the_hospitals_table_knows_fractures_and_contrast():
    table = TABLE.assign(
        fracture=TABLE["patient_id"].isin(["plain", "broken"]),
        contrast=TABLE["patient_id"].isin(["one", "plain"]),
    )
    known = ruled(table, fracture="sensitivity", missing_vertebra="include", contrast="exclude")
    assert known["status"].tolist() == ["refused", "warned", "ok", "refused", "refused", "warned"]
    assert known["sensitivity"]["plain"] == "vertebral fracture (table)"
    assert "contrast" not in known["reason"]["injected"]
    assert known["kind"].tolist() == ["contrast", "", "", "mask", "contrast", ""]
    assert known["reason"]["broken"] == "empty"


def test_rules_that_leave_nobody_are_told():
    only = MEASURED[MEASURED["patient_id"] == "one"]
    with pytest.raises(StudyError, match="leave none of 1 usable patients.*T12 is missing"):
        apply_rules(only, TABLE, study())


def test_another_grid_is_another_block(tmp_path):
    source = OneScan(synthetic_scan())
    blocks = [
        prepare(CASE, {"here": source}, SETTINGS | {"resampling_grid": grid}, CaseCache(tmp_path)).block
        for grid in ("volume", "region", "region")
    ]
    assert source.loads == 2
    assert blocks[0].fingerprint() != blocks[1].fingerprint() == blocks[2].fingerprint()


def test_dicom_nifti_and_nrrd_of_one_scan_give_one_block_on_the_region_s_grid(tmp_path):
    """Each format rounds the header in its own way, and each file here is another cut in another order."""
    pixel = 305 / 512
    scan = synthetic_scan(size=(116, 110, 150), spacing=(pixel, pixel, 0.3333), radius_mm=(8, 8, 9))
    ways = {"dicom": ("LPS", 0, ""), "nifti": ("RAS", 3, ".nii.gz"), "nrrd": ("PIR", 5, ".nrrd")}
    for name, (axes, margin, suffix) in ways.items():
        image, mask = (
            sitk.DICOMOrient(volume, axes)[margin:, margin:, margin:] for volume in (scan.image, scan.mask)
        )
        sitk.WriteImage(mask, tmp_path / f"{name}_mask.nrrd")
        if suffix:
            sitk.WriteImage(image, tmp_path / f"{name}{suffix}")
        else:
            write_slices(tmp_path / name, dicom_slices(image))
    settings = SETTINGS | {"resampling_grid": "region"}
    blocks = []
    for name, (_, _, suffix) in ways.items():
        keys = {"images": f"{{patient_id}}{suffix}", "masks": "{patient_id}_mask.nrrd"}
        site = Site(name="here", role="development", table={"path": "dxa.csv"}, **keys)
        hospital = Study(
            name="own", title="Own", seed=1, extraction=PAPER, sites=[site], file=tmp_path / "study.yml"
        )
        source = FileImages(Run(study=hospital, folder=tmp_path), site, {"D0001": name})
        blocks.append(preprocess(source.load("D0001"), settings))
    for block in blocks[1:]:
        for ours, first in ((block.image, blocks[0].image), (block.layers, blocks[0].layers)):
            np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(first))


def quality_of(scan):
    return quality_control(scan, preprocess(scan, SETTINGS), SETTINGS)


def test_prepared_case_comes_back_from_the_cache_as_it_was(tmp_path):
    source = OneScan(synthetic_scan(direction=OBLIQUE))
    prepare_case = partial(prepare, sources={"here": source}, settings=SETTINGS, cache=CaseCache(tmp_path))
    fresh, cached = prepare_case(CASE), prepare_case(CASE)
    assert source.loads == 1
    assert cached.block.fingerprint() == fresh.block.fingerprint()
    np.testing.assert_equal(cached.quality, fresh.quality)  # missing numbers are equal
    source.text = "another"
    prepare_case(CASE)
    assert source.loads == 2


def test_the_grid_is_ours_and_pyradiomics_the_default(tmp_path):
    path, text = tmp_path / "mine.yml", PAPER.read_text(encoding="utf-8")
    path.write_text(f"resampling_grid: region\n{text}", encoding="utf-8")
    assert read_settings(path) == SETTINGS | {"resampling_grid": "region"}
    assert SETTINGS["resampling_grid"] == "volume"
    RadiomicsFeatureExtractor(of_pyradiomics(read_settings(path)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("setting: {binWidth: 25}\n", "must state"),
        ("setting: {binWidht: 25}\n", "no valid PyRadiomics parameter file"),
        ("setting: [", "no valid PyRadiomics parameter file"),
        ("", "must state"),
        (PAPER.read_text(encoding="utf-8").replace("label: 1", "normalize: true"), "normalise"),
        (f"resampling_grid: corner\n{PAPER.read_text(encoding='utf-8')}", "'corner'. Write volume or region"),
        (
            "resampling_grid: region\n"
            + PAPER.read_text(encoding="utf-8").replace("sitkBSpline", "sitkLinear"),
            "works with the interpolator sitkBSpline",
        ),
    ],
)
def test_bad_settings_are_refused_in_plain_words(tmp_path, content, message):
    path = tmp_path / "mine.yml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match=message):
        read_settings(path)


def test_missing_settings_name_the_key_of_the_study_file():
    with pytest.raises(StudyError, match="extraction"):
        read_settings(PAPER.with_name("nothing.yml"))


QUALITY = pd.DataFrame(
    {
        "patient_id": ["a", "b", "c", "d"],
        "status": ["ok", "warned", "refused", "ok"],
        "reason": ["", "thick", "empty", ""],
        "scanner": ["GE", "GE", None, None],
        "spacing_x": [0.7, 0.8, np.nan, 0.7],
        "spacing_z": [0.5, 0.5, np.nan, 0.5],
        "kvp": [120.0, 100.0, np.nan, np.nan],
        "volume": [2e4, 3e4, np.nan, 1e4],
        "trabecular_hu": [100.0, 150.0, np.nan, 190.0],
    }
)
COHORT = pd.DataFrame(
    {"patient_id": list("dcba"), "cohort": ["external", "external", "training", "training"]}
)


def test_summaries_count_patients_by_status_and_scanner():
    summary = quality_summary(QUALITY, COHORT).set_index("cohort")
    assert summary.index.tolist() == ["training", "external", "all"]
    assert summary.loc["all", ["patients", "ok", "warned", "refused"]].tolist() == [4, 2, 1, 1]
    assert summary.loc["training", "trabecular_hu_mean"] == 125
    scanners = scanner_summary(QUALITY, COHORT)
    assert scanners["scanner"].tolist() == ["GE", "not stated"]
    assert scanners["in_plane_mm"].tolist() == ["0.7 to 0.8", "0.7"]
    assert scanners["tube_kv"].tolist() == ["100 to 120", "not stated"]


def test_typical_patient_is_without_remark():
    assert typical_patient(QUALITY) in "ad"
    assert typical_patient(QUALITY.query("patient_id in ['b', 'c']")) == "b"
