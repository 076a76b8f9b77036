"""Protects the features themselves: PyRadiomics' values, names and order, and what is said about them."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiomics.featureextractor import RadiomicsFeatureExtractor
from small_hospital import run_of
from synthetic_scan import CASE, PAPER, SETTINGS, OneScan, synthetic_scan

from helpers.errors import StudyError
from helpers.features import extraction, reliability
from helpers.features.blocks import preprocess
from helpers.features.cache import CaseCache
from helpers.features.names import feature_counts, feature_dictionary
from helpers.features.prepare import prepare, quality_table
from helpers.imaging.sources import Scan

SCAN = synthetic_scan(spacing=(0.7, 0.65, 0.5), seed=3)


@pytest.fixture(scope="module")
def features():
    return extraction.extract(preprocess(SCAN, SETTINGS), SETTINGS)


def test_all_1688_features_equal_pyradiomics_own_run_on_the_whole_scan(features):
    whole = RadiomicsFeatureExtractor(str(PAPER)).execute(SCAN.image, SCAN.mask > 0)
    whole = {name: float(value) for name, value in whole.items() if not name.startswith("diagnostics")}
    assert list(features) == list(whole)
    assert len(features) == 1688
    np.testing.assert_allclose(list(features.values()), list(whole.values()), rtol=1e-12, atol=0)


def test_on_the_region_s_grid_features_do_not_depend_on_how_the_scan_was_cut_and_stored():
    """Equal to the last bit; on PyRadiomics' grid the same cut moves most of them."""
    scan = synthetic_scan(size=(108, 104, 126), spacing=(0.6, 0.6, 0.5), radius_mm=(8, 8, 9), seed=3)
    parts = [sitk.DICOMOrient(volume[5:-2, 3:, 4:-1], "PIR") for volume in (scan.image, scan.mask)]
    values = {}
    for grid in ("region", "volume"):
        settings = SETTINGS | {"resampling_grid": grid}
        values[grid] = [
            extraction.extract(preprocess(one, settings), settings) for one in (scan, Scan(*parts))
        ]
    assert values["region"][0] == values["region"][1]
    assert list(values["region"][0]) == list(values["volume"][0])
    cut, whole = (np.array(list(features.values())) for features in values["volume"])
    assert np.mean(np.abs(cut - whole) > 1e-6 * np.abs(whole)) > 0.8


def test_dictionary_counts_14_shape_and_93_by_18(features):
    dictionary = feature_dictionary(list(features))
    assert dictionary["feature"].tolist() == list(features)
    textures = dictionary.query("image_type != 'Shape'")
    assert (dictionary["image_type"] == "Shape").sum() == 14
    assert textures.groupby("image").size().tolist() == [93] * 18
    assert sorted(dictionary["log_sigma_mm"].dropna().unique()) == [1, 2, 3, 4, 5]
    counts = feature_counts(dictionary)
    assert counts.loc["all classes", "all image types"] == 1688
    assert counts.loc["images", "Wavelet"] == 8
    assert counts.loc["glcm", "LoG"] == 24 * 5


def test_features_are_measured_once_and_come_back_bit_by_bit(tmp_path, features, monkeypatch):
    cache = CaseCache(tmp_path)
    prepare_case = partial(prepare, sources={"here": OneScan(SCAN)}, settings=SETTINGS, cache=cache)
    measure = partial(extraction.extract_case, prepare_case=prepare_case, settings=SETTINGS, cache=cache)
    monkeypatch.setattr(extraction, "extract", lambda block, settings: features)
    assert measure(CASE) == features
    monkeypatch.setattr(extraction, "extract", None)
    assert measure(CASE) == features


def test_a_patient_with_a_value_that_is_no_number_is_refused(tmp_path, monkeypatch):
    cache = CaseCache(tmp_path)
    prepare_case = partial(prepare, sources={"here": OneScan(SCAN)}, settings=SETTINGS, cache=cache)
    broken = {"original_glcm_MCC": np.nan, "original_shape_Flatness": 0.5}
    monkeypatch.setattr(extraction, "extract", lambda block, settings: broken)
    for _ in range(2):  # fresh, then from the cache
        with pytest.raises(StudyError, match="1 feature.*original_glcm_MCC"):
            extraction.extract_case(CASE, prepare_case, SETTINGS, cache)


def test_reader_icc_compares_the_patients_whom_both_readers_have():
    names = ["original_shape_Elongation", "wavelet-LLH_glcm_Contrast", "log-sigma-2-0-mm-3D_ngtdm_Busyness"]
    first = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=names)
    first[names[2]] = 1.0
    first.insert(0, "patient_id", [f"D{n:04d}" for n in range(20)])
    second = first.iloc[::-1].head(12).copy()
    second[names[1]] += 100  # a reader who disagrees
    table = reliability.reader_icc(first, second)
    assert table["feature"].tolist() == names
    assert table["icc"].iloc[0] == 1
    assert table["icc"].iloc[1] < 0.1
    assert np.isnan(table["icc"].iloc[2])
    summary = reliability.icc_summary(table, 0.80).set_index("feature_class")
    assert summary.loc["all", ["features", "above", "undefined"]].tolist() == [3, 1, 1]


def test_without_a_second_reader_the_icc_is_absent():
    first = pd.DataFrame({"patient_id": ["D0001"], "original_shape_Elongation": [0.5]})
    assert reliability.reader_icc(first, pd.DataFrame())["icc"].isna().all()


def test_settings_file_explains_every_setting():
    lines = [line.strip() for line in Path(PAPER).read_text(encoding="utf-8").splitlines()]
    sections = ("setting:", "imageType:", "featureClass:", "wavelet:", "sigma:")
    for before, line in zip(lines, lines[1:], strict=False):
        if line and not line.startswith(("#", *sections)):
            assert before.startswith("#"), f"'{line}' has no comment"


@pytest.mark.slow
def test_table_is_the_same_for_any_workers_and_after_a_broken_run(hospital, tmp_path):
    run, cases = run_of(hospital, tmp_path)
    alone, refused = extraction.features_table(run, cases, workers=1)
    assert alone["patient_id"].tolist() == [case.patient_id for case in cases[:3]]
    assert refused["patient_id"].tolist() == [cases[3].patient_id]
    assert "empty" in refused["reason"].iloc[0]
    assert refused["kind"].tolist() == ["mask"]
    entries = sorted(run.cache.rglob("*.case"))
    entries[0].unlink()
    entries[-1].write_bytes(entries[-1].read_bytes()[:100])
    (run.cache / "features" / "tmp123.part").write_bytes(b"half")
    pd.testing.assert_frame_equal(
        extraction.features_table(run, cases, workers=2)[0], alone, check_exact=True
    )
    shutil.rmtree(run.cache)
    pd.testing.assert_frame_equal(
        extraction.features_table(run, cases, workers=2)[0], alone, check_exact=True
    )


def test_quality_table_lists_the_refused_with_their_reason(hospital, tmp_path):
    run, cases = run_of(hospital, tmp_path)
    table = quality_table(run, cases, workers=1)
    assert table["patient_id"].tolist() == [case.patient_id for case in cases]
    assert table["status"].tolist()[-1] == "refused"
    assert table["kind"].tolist() == [*[""] * (len(cases) - 1), "mask"]
    run.write("preprocessing", table)
    with pytest.raises(StudyError, match="None of the 1 patients.*empty"):
        quality_table(run, cases[3:], workers=1)


def test_no_second_reader_makes_an_empty_table(hospital, tmp_path):
    run, _ = run_of(hospital, tmp_path)
    second, refused = extraction.features_table(run, [], workers=1)
    run.write("features_reader2", second)
    assert len(second) == len(refused) == 0
