"""Artifacts go in and out of a run folder by contract; shared tables say whose data they are."""

import json

import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.study.run_folder import read_record


def rad_scores(**changes):
    rows = {"patient_id": ["a", "b"], "cohort": "training", "outcome": [0, 1], "rad_score": [0.5, 1.5]}
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


RECORD = {"study_file": "s.yml", "updated": "2026-04-28T10:11:12+00:00", "versions": {"numpy": "2"}}
RECORD |= {"notebooks": {"01_cohort": {"status": "ok", "seconds": 1.5, "started": "2026"}}, "seed": 7}


def test_the_record_comes_back_whole_and_is_empty_before_the_first_run(run):
    assert read_record(run.folder) == {}
    run.record.write_text(json.dumps(RECORD), encoding="utf-8")
    assert read_record(run.folder) == RECORD


@pytest.mark.parametrize(
    "content",
    [
        "",
        json.dumps(RECORD)[:40],
        "[]",
        *[
            json.dumps({key: RECORD[key] for key in RECORD if key != gone})
            for gone in RECORD
            if gone != "seed"
        ],
        json.dumps(RECORD | {"notebooks": {"01_cohort": {}}}),
        json.dumps(RECORD | {"notebooks": []}),
    ],
)
def test_a_damaged_record_says_what_to_do(run, content):
    run.record.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match=r"run\.json' is damaged\. Remove it.*results are kept"):
        read_record(run.folder)
