"""Protects what is kept of clicks: the whole or nothing, only accepted regions used, no free words."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from pydantic import ValidationError
from small_hospital import one_patient
from synthetic_spine import spine

from helpers.errors import StudyError
from helpers.imaging.bodies import layers_around
from helpers.imaging.clicked import REASONS, Clicked, keep_clicked, read_clicked

SPINE = spine()
BOTH = {"T12": (3.0, -140.0, 536.0), "L1": (3.0, -140.0, 504.0)}
RAW = "0042"


@pytest.fixture
def hospital(tmp_path):
    sitk.WriteImage(SPINE.image, tmp_path / f"{RAW}.nii.gz")
    return one_patient(tmp_path, RAW, images="{patient_id}.nii.gz", points="click")


def test_what_is_kept_is_read_again(tmp_path):
    clicked = Clicked(points=BOTH, margin_mm=1.5, decision="accepted", seconds=12.5)
    keep_clicked(tmp_path / "clicks" / "P1.json", clicked)
    assert read_clicked(tmp_path / "clicks" / "P1.json") == clicked
    assert [file.name for file in (tmp_path / "clicks").iterdir()] == ["P1.json"]
    assert read_clicked(tmp_path / "clicks" / "P2.json") == Clicked()


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "accepted", "points": {"T12": BOTH["T12"]}},
        {"decision": "accepted", "points": BOTH, "alone": True},
        {"decision": "accepted", "points": BOTH, "reason": REASONS["skipped"][0]},
        {"decision": "skipped"},
        {"decision": "skipped", "reason": "Mrs Doe moved"},
        {"decision": "skipped", "reason": REASONS["to draw"][0]},
        {"points": {"T12": (1.0, 2.0, float("nan"))}},
        {"points": {"T11": BOTH["T12"]}},
        {"margin_mm": -1},
        {"margin_mm": 99},
        {"name": "Doe"},
    ],
)
def test_what_cannot_be_is_not_kept(wrong):
    with pytest.raises(ValidationError):
        Clicked.model_validate(wrong)


def test_an_accepted_region_is_the_one_from_the_points(hospital):
    source, patient, run = hospital
    assert source.origin(patient) == ""
    keep_clicked(run.click(patient), Clicked(points=BOTH, margin_mm=2.0, decision="accepted"))
    assert source.origin(patient) == "points"
    points = {name: np.array(place) for name, place in BOTH.items()}
    wanted = sitk.GetArrayFromImage(layers_around(SPINE.image, points, 2.0))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(source.load(patient).mask), wanted)


def test_another_margin_is_another_region(hospital):
    source, patient, run = hospital
    keep_clicked(run.click(patient), Clicked(points=BOTH, decision="accepted"))
    before = source.fingerprint(patient)
    keep_clicked(run.click(patient), Clicked(points=BOTH, margin_mm=3.0, decision="accepted"))
    assert source.fingerprint(patient) != before


@pytest.mark.parametrize(
    ("clicked", "told", "kind"),
    [
        (None, "nobody has set and accepted points", "missing file"),
        (Clicked(points=BOTH), "nobody has set and accepted points", "missing file"),
        (Clicked(decision="skipped", reason="metal or cement"), r"skipped \(metal or cement\)", "mask"),
        (Clicked(decision="to draw", reason="a lesion in the body"), "private/regions/", "mask"),
        ("{", "is damaged", "mask"),
        (json.dumps({"points": {"T12": [1, 2]}}), "is damaged", "mask"),
    ],
)
def test_without_an_accepted_region_the_patient_is_refused(hospital, clicked, told, kind):
    source, patient, run = hospital
    if isinstance(clicked, str):
        run.click(patient).parent.mkdir()
        run.click(patient).write_text(clicked)
    elif clicked is not None:
        keep_clicked(run.click(patient), clicked)
    with pytest.raises(StudyError, match=told) as refusal:
        source.load(patient)
    assert str(refusal.value).startswith(f"{patient}, points 'click'")
    assert refusal.value.kind == kind
    assert source.origin(patient) == ""


def test_a_drawn_region_wins_over_to_draw(hospital):
    source, patient, run = hospital
    keep_clicked(run.click(patient), Clicked(decision="to draw", reason="a lesion in the body"))
    own = layers_around(SPINE.image, {name: np.array(place) for name, place in BOTH.items()}, 4.0)
    run.region(patient).parent.mkdir()
    sitk.WriteImage(own, run.region(patient))
    assert source.origin(patient) == "corrected"
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(source.load(patient).mask), sitk.GetArrayFromImage(own)
    )
