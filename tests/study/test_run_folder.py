"""Artifacts go in and out of a run folder by contract; shared tables say whose data they are."""

import pandas as pd
import pytest

from helpers.errors import StudyError


def rad_scores(**changes):
    rows = {"patient_id": ["a", "b"], "cohort": "training", "osteoporosis": [0, 1], "rad_score": [0.5, 1.5]}
    return pd.DataFrame(rows | changes)


def test_an_artifact_comes_back_as_it_went_in(run):
    run.write("rad_score", rad_scores())
    pd.testing.assert_frame_equal(run.read("rad_score"), rad_scores())


def test_a_missing_artifact_names_the_notebook_that_writes_it(run):
    with pytest.raises(StudyError, match="features.parquet is not in the run folder yet.*03_extraction"):
        run.read("features")


def test_shared_tables_say_that_patients_are_virtual(run):
    run.write_table("table_1", pd.DataFrame({"n": [1]}))
    assert run.table_path("table_1").read_text(encoding="utf-8") == "data,n\nvirtual,1\n"
