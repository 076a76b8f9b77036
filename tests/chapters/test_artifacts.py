"""Patients and features of a chapter lie row for row, and seeds follow from the study and the step alone."""

import pandas as pd
import pytest

from helpers.chapters.artifacts import patients_with_features, seed
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run


@pytest.fixture
def run(tmp_path):
    return open_run(REPOSITORY / "tests" / "data" / "tiny.yml", tmp_path / "run")


def test_patients_without_features_are_left_out_and_rows_correspond(run):
    names = ["P3", "P1", "P2"]
    known = {"site": "A", "cohort": "training", "outcome": [1, 0, 1], "second_reader": False}
    run.write("cohort", pd.DataFrame({"patient_id": names, **known}))
    run.write("features", pd.DataFrame({"patient_id": ["P2", "P3"], "original_firstorder_Mean": [2.0, 3.0]}))
    patients, features = patients_with_features(run)
    assert patients.index.tolist() == features.index.tolist() == ["P3", "P2"]
    assert features["original_firstorder_Mean"].tolist() == [3.0, 2.0]


def test_a_seed_is_the_same_each_time_and_another_for_another_step(run):
    assert seed(run, "models") == seed(run, "models") != seed(run, "selection")
    assert 0 <= seed(run, "strict", "final") < 2**31
