"""Protects the marks on regions and scans unlike the training patients': few are false, none is a guess."""

import numpy as np
import pandas as pd
import pytest
from plausible_facts import PLAUSIBLE

from helpers.frozen.drawing import drawing, drawing_summary, marked, unlike_training

RNG = np.random.default_rng(11)
SCATTER = {"margin": 0.3, "body": 1.5, "extent": 1.5, "levels": 1.5}


def hospital(n, **change):
    """Patients whose margins and sizes scatter independently about the plausible ones."""
    rows = [
        {
            name: value + RNG.normal(0, SCATTER.get(name.split("_")[0], 0))
            for name, value in PLAUSIBLE.items()
            if name.split("_")[0] in (*SCATTER, "step")
        }
        for _ in range(n)
    ]
    table = pd.DataFrame(rows).assign(patient_id=[f"P{i}" for i in range(n)], status="ok", reason="")
    for name, value in change.items():
        columns = [column for column in table if column.startswith(name)]
        table[columns] = table[columns] + value
    return table


TRAINING = drawing_summary(hospital(300))


def test_ratios_and_lengths_are_means_of_both_vertebrae():
    (row,) = drawing(pd.DataFrame([PLAUSIBLE])).to_dict("records")
    assert row["body width / height"] == pytest.approx(38 / 22)
    assert row["distance of the region from the shell (mm)"] == pytest.approx(1.5)
    assert row["distance of T12 from L1 / body width"] == pytest.approx(PLAUSIBLE["levels_mm"] / 38)
    assert row["slice step (mm)"] == 1.0
    alone = {name: np.nan for name in PLAUSIBLE if "_t12_" in name}
    assert drawing(pd.DataFrame([PLAUSIBLE | alone])).iloc[0].to_dict() == pytest.approx(row)
    one = drawing(pd.DataFrame([PLAUSIBLE]).drop(columns="levels_mm")).iloc[0]
    assert np.isnan(one["distance of T12 from L1 / body width"])


def test_patients_like_the_training_patients_are_hardly_ever_marked():
    assert len(unlike_training(TRAINING, hospital(2000))) <= 0.01 * 2000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": 2.0}, "distance of the region from the shell"),
        ({"body_t12_height": -9, "body_l1_height": -9}, "body width / height"),
        ({"extent_t12_width": -16, "extent_l1_width": -16}, "region width / height"),
        ({"levels_mm": 18.0}, "distance of T12 from L1 / body width"),
        ({"step_height": 2.0}, "slice step .mm. 3 .training 0.67 to 1.5."),
    ],
)
def test_other_ways_of_drawing_and_scanning_are_marked_and_told(change, words):
    found = unlike_training(TRAINING, hospital(50, **change))
    assert len(found) >= 48
    assert found.str.contains(words).all()


def test_a_mark_is_a_warning_beside_what_is_said_already():
    table = hospital(2, step_height=2.0).assign(reason=["", "thick"], status=["ok", "warned"])
    found = marked(TRAINING, table)
    assert found["status"].tolist() == ["warned", "warned"]
    assert found["reason"].iloc[0].startswith("unlike the training patients: ")
    assert found["reason"].iloc[1].startswith("thick; unlike the training patients: ")
    plain = pd.DataFrame([PLAUSIBLE | {"patient_id": "P", "status": "ok", "reason": ""}])
    assert marked(TRAINING, plain)[["status", "reason"]].to_numpy().tolist() == [["ok", ""]]


def test_what_was_not_measured_is_not_compared():
    nothing = hospital(20)
    nothing[[name for name in nothing if name.startswith(tuple(SCATTER))]] = np.nan
    assert unlike_training(TRAINING, nothing).empty
    assert list(drawing_summary(nothing)) == ["slice step (mm)", "voxel size in the slice (mm)"]
