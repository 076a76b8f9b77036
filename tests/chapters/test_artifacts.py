"""Patients and features of a chapter lie row for row, and seeds follow from the study and the step alone."""

import pandas as pd
import pytest

from helpers.chapters.artifacts import patients_with_features, seed
from helpers.errors import StudyError
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run


@pytest.fixture
def run(tmp_path):
    return open_run(REPOSITORY / "tests" / "data" / "tiny.yml", tmp_path / "run")


def test_patients_without_features_are_left_out_and_rows_correspond(run):
    names = [f"P{number}" for number in range(12, -1, -1)]
    cohorts = ["training", "internal", "external"] * 4 + ["training"]
    known = {"site": "A", "cohort": cohorts, "outcome": [1] * 6 + [0] * 7, "second_reader": False}
    run.write("cohort", pd.DataFrame({"patient_id": names, **known}))
    measured = [name for name in reversed(names) if name != "P0"]
    values = {"patient_id": measured, "original_firstorder_Mean": [float(name[1:]) for name in measured]}
    run.write("features", pd.DataFrame(values))
    patients, features = patients_with_features(run)
    assert patients.index.tolist() == features.index.tolist() == names[:-1]
    assert features["original_firstorder_Mean"].tolist() == list(range(12, 0, -1))


def test_a_cohort_left_with_too_few_patients_stops_the_chapter(run):
    names = ["P3", "P1", "P2"]
    known = {"site": "A", "cohort": "training", "outcome": [1, 0, 1], "second_reader": False}
    run.write("cohort", pd.DataFrame({"patient_id": names, **known}))
    run.write("features", pd.DataFrame({"patient_id": ["P2", "P3"], "original_firstorder_Mean": [2.0, 3.0]}))
    with pytest.raises(StudyError, match="training has 2 patients with osteoporosis and 0 without"):
        patients_with_features(run)


def test_a_seed_is_the_same_each_time_and_another_for_another_step(run):
    assert seed(run, "models") == seed(run, "models") != seed(run, "selection")
    assert 0 <= seed(run, "strict", "final") < 2**31
