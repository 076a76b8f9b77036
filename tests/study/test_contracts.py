"""A broken contract is told, and nothing is written."""

import pandas as pd
import pytest

from helpers.errors import StudyError


def rad_scores(**changes):
    rows = {"patient_id": ["a", "b"], "cohort": "training", "osteoporosis": [0, 1], "rad_score": [0.5, 1.5]}
    return pd.DataFrame(rows | changes)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rad_scores().drop(columns="rad_score"), "column 'rad_score' is missing"),
        (rad_scores(cohort="test"), "cohort.*test"),
        (rad_scores(patient_id="a"), "patient_id"),
    ],
)
def test_a_broken_contract_is_told_and_nothing_is_written(run, frame, message):
    with pytest.raises(StudyError, match=message):
        run.write("rad_score", frame)
    assert not run.artifact_path("rad_score").exists()
