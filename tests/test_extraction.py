"""Protects the features themselves: PyRadiomics' values, names and order, and what is said about them."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radiomics.featureextractor import RadiomicsFeatureExtractor
from synthetic_scan import synthetic_scan
from test_preprocessing import CASE, PAPER, SETTINGS, OneScan

from helpers import extraction
from helpers.cases import CaseCache
from helpers.errors import StudyError
from helpers.preprocessing import prepare, preprocess

SCAN = synthetic_scan(spacing=(0.7, 0.65, 0.5), seed=3)


@pytest.fixture(scope="module")
def features():
    return extraction.extract(preprocess(SCAN, SETTINGS), SETTINGS)


def test_all_1688_features_equal_pyradiomics_own_run_on_the_whole_scan(features):
    whole = RadiomicsFeatureExtractor(str(PAPER)).execute(SCAN.image, SCAN.mask > 0)
    whole = {name: float(value) for name, value in whole.items() if not name.startswith("diagnostics")}
    assert list(features) == list(whole)
    assert len(features) == 1688
    np.testing.assert_allclose(list(features.values()), list(whole.values()), rtol=1e-9, atol=0)


def test_dictionary_counts_14_shape_and_93_by_18(features):
    dictionary = extraction.feature_dictionary(list(features))
    assert dictionary["feature"].tolist() == list(features)
    textures = dictionary.query("image_type != 'Shape'")
    assert (dictionary["image_type"] == "Shape").sum() == 14
    assert textures.groupby("image").size().tolist() == [93] * 18
    assert sorted(dictionary["log_sigma_mm"].dropna().unique()) == [1, 2, 3, 4, 5]
    counts = extraction.feature_counts(dictionary)
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
    table = extraction.reader_icc(first, second)
    assert table["feature"].tolist() == names
    assert table["icc"].iloc[0] == 1
    assert table["icc"].iloc[1] < 0.1
    assert np.isnan(table["icc"].iloc[2])
    summary = extraction.icc_summary(table, 0.80).set_index("feature_class")
    assert summary.loc["all", ["features", "above", "undefined"]].tolist() == [3, 1, 1]


def test_without_a_second_reader_the_icc_is_absent():
    first = pd.DataFrame({"patient_id": ["D0001"], "original_shape_Elongation": [0.5]})
    assert extraction.reader_icc(first, pd.DataFrame())["icc"].isna().all()


def test_settings_file_explains_every_setting():
    lines = [line.strip() for line in Path(PAPER).read_text(encoding="utf-8").splitlines()]
    sections = ("setting:", "imageType:", "featureClass:", "wavelet:", "sigma:")
    for before, line in zip(lines, lines[1:], strict=False):
        if line and not line.startswith(("#", *sections)):
            assert before.startswith("#"), f"'{line}' has no comment"
