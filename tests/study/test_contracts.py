"""Tables that travel between notebooks keep their contracts: a broken one is told, and nothing is written."""

import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.study.contracts import check


@pytest.mark.parametrize(
    ("status", "kind", "broken"),
    [
        ("refused", "mask", ""),
        ("warned", "", ""),
        ("refused", "", "a kind where refused"),
        ("warned", "metal", "a kind where refused"),
        ("refused", "the mask is empty.", "isin"),
    ],
)
def test_quality_control_has_a_known_kind_for_the_refused_and_for_nobody_else(status, kind, broken):
    row = {"patient_id": "P1", "status": status, "reason": "why", "kind": kind, "trabecular_hu": 100.0}
    table = pd.DataFrame([row])
    if not broken:
        pd.testing.assert_frame_equal(check("preprocessing", table), table)
        return
    with pytest.raises(StudyError, match=broken):
        check("preprocessing", table)


def rad_scores(**changes):
    rows = {"patient_id": ["a", "b"], "cohort": "training", "outcome": [0, 1], "rad_score": [0.5, 1.5]}
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
