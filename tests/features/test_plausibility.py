"""Protects the rules on regions and scans: each breach is told, none other, and the study file decides."""

import re

import numpy as np
import pandas as pd
import pytest
from plausible_facts import PLAUSIBLE, study

from helpers.features.plausibility import RULES, breaches, judge
from helpers.study.study_file import Limits, Plausibility

NAN = float("nan")
# What is changed in a plausible patient, and the one rule that it breaks.
BROKEN = {
    "into an end plate": ({"margin_l1_foot": -1.6}, "edge", "L1: the region reaches .*: lower side .1.1 mm"),
    "into the front of both": ({"margin_t12_front": -1.2, "margin_l1_front": -1.2}, "edge", "T12.*L1"),
    "no shell on two sides": ({"margin_t12_left": NAN, "margin_t12_front": NAN}, "shell", "left side, front"),
    "a shift to the left": (
        {f"margin_{v}_{s}": m for v in ("t12", "l1") for s, m in (("left", 0.1), ("right", 2.9))},
        "centred",
        "1.4 mm out of the middle, left to right",
    ),
    "a layer of disc": ({"hu_t12_lower": -60, "hu_l1_upper": -60}, "tissue", "T12 lower: mean -60 HU"),
    "a layer of cement": ({"hu_l1_upper": 900, "hu_t12_lower": 900}, "tissue", "L1 upper: mean 900 HU"),
    "lung inside": ({"air_percent": 3.0}, "tissue", "3.0 % of the region is air or lung"),
    "cortex inside": ({"cortex_percent": 9.0}, "tissue", "as bright as cortex"),
    "fat inside": ({"fat_percent": 9.0}, "tissue", "is fat"),
    "a giant": ({"body_t12_width": 60, "body_l1_width": 62}, "size", "T12: body width 60 mm"),
    "a scrap": ({f"volume_l1_{part}": 300 for part in ("upper", "middle", "lower")}, "size", "900 mm3"),
    "other levels": ({"levels_mm": 65.0}, "pair", "65 mm apart"),
    "askew": ({"tilt_degrees": 60.0}, "pair", "60 degrees off"),
    "unlike HU": (
        {f"hu_l1_{part}": 250 for part in ("upper", "middle", "lower")},
        "pair",
        "T12 has 150 HU and L1 250",
    ),
    "unlike sizes": ({"body_l1_height": 33.0}, "pair", "height differs by a factor of 1.5"),
    "cut off": ({"at_edge": 1.0}, "cut_off", "edge of the scan"),
    "moved by 50 HU": (
        {"fat_hu": -50.0, "soft_hu": 100.0},
        "hounsfield",
        "fat has -50 HU.*soft tissue has 100",
    ),
    "pixels of another size": ({"pixel_scale": 1.15}, "scale", "pixel spacing is 1.15 times"),
    "a woman as wide as no woman": (
        {"sex": "female", "body_t12_width": 48.0, "body_l1_width": 48.0},
        "size",
        "48 mm .usual 22 to 45.5 in women",
    ),
    "a woman with a man's region": (
        {"sex": "female"} | {f"volume_l1_{part}": 13000 for part in ("upper", "middle", "lower")},
        "size",
        "39000 mm3 .usual 2000 to 32000 in women",
    ),
    "a man as narrow as no man": (
        {"sex": "male", "body_t12_width": 24.0, "body_l1_width": 24.0},
        "size",
        "24 mm .usual 25 to 52 in men",
    ),
    "two kernels in turn": ({"noise_alternates": 2.1}, "series", "2.1 from slice to slice"),
    "two series": ({"noise_jumps": 2.4}, "series", "2.4 between two parts"),
    "thick slices": ({"step_height": 5.0}, "thickness", "voxels of 5.0 mm"),
    "in pieces": ({"lost_percent": 45.0}, "pieces", "45 % of a vertebra's mask"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_breach_is_found_by_its_rule_alone(name):
    change, rule, words = BROKEN[name]
    found = breaches(PLAUSIBLE | change, Limits())
    assert list(found) == [rule]
    assert re.search(words, found[rule])


def test_every_rule_can_be_broken_and_a_plausible_patient_breaks_none():
    assert {rule for _, rule, _ in BROKEN.values()} == set(RULES) == set(Plausibility.model_fields)
    assert breaches(PLAUSIBLE, Limits()) == {}


@pytest.mark.parametrize(
    "change",
    [
        # Of thick slices the last voxel holds a part of the end plate: half of it is no breach.
        {"step_height": 3.0, "margin_t12_head": -1.8, "margin_l1_foot": -1.8, "margin_t12_foot": -1.0},
        # One vertebra alone.
        {name: NAN for name in PLAUSIBLE if "_t12_" in name} | {"levels_mm": NAN, "tilt_degrees": NAN},
        # No DICOM header, and what a man may be.
        {"pixel_scale": None},
        {"pixel_scale": NAN},
        {"sex": "male", "body_t12_width": 48.0, "body_l1_width": 48.0},
        {"sex": ""} | {f"volume_l1_{part}": 13000 for part in ("upper", "middle", "lower")},
        # A scan cropped to the spine has no fat, and one side may be open.
        {"fat_hu": NAN, "margin_l1_left": NAN, "margin_l1_back": NAN, "noise_jumps": NAN},
    ],
    ids=["thick slices", "one vertebra", "no header", "not stated", "man", "sex unknown", "cropped"],
)
def test_what_cannot_be_known_breaks_no_rule(change):
    assert breaches(PLAUSIBLE | change, Limits()) == {}


def measured(**changes):
    rows = [
        {"patient_id": name, "status": "ok", "reason": "", "kind": "", **PLAUSIBLE, **change}
        for name, change in changes.items()
    ]
    return pd.DataFrame(rows)


QUALITY = measured(
    plain={},
    thick={"step_height": 5.0},
    wrong={"step_height": 5.0, "air_percent": 4.0},
    gone={"status": "refused", "reason": "empty", "kind": "mask", "step_height": np.nan},
)
COHORT = pd.DataFrame({"patient_id": ["wrong", "gone", "plain", "thick"]})
NOBODY = pd.Series(False, index=QUALITY.index)


def test_known_contrast_explains_bright_soft_tissue():
    bright = measured(one={"soft_hu": 110.0})
    for injected, status in ((False, "refused"), (True, "ok")):
        found = judge(bright, COHORT, pd.Series([injected]), study())
        assert found["status"].tolist() == [status]


def test_who_breaks_a_rule_is_refused_by_default_with_every_reason():
    found = judge(QUALITY, COHORT, NOBODY, study()).set_index("patient_id")
    assert found["status"].tolist() == ["ok", "refused", "refused", "refused"]
    assert found["broken"].tolist() == ["", "thickness", "tissue, thickness", ""]
    assert found["kind"].tolist() == ["", "image", "mask", "mask"]
    assert found.loc["wrong", "reason"] == (
        "4.0 % of the region is air or lung (limit 1 %); voxels of 5.0 mm (limit 3 mm)"
    )
    assert found.loc["gone", "reason"] == "empty"


def test_the_study_file_asks_accepts_and_moves_limits():
    asked = judge(QUALITY, COHORT, NOBODY, study(plausibility={"thickness": "ask"})).set_index("patient_id")
    assert asked["status"].tolist() == ["ok", "warned", "refused", "refused"]
    assert asked.loc["thick", "kind"] == ""
    accepted = judge(QUALITY, COHORT, NOBODY, study(plausibility={"thickness": "accept"})).set_index(
        "patient_id"
    )
    assert accepted.loc["thick", ["status", "reason", "broken"]].tolist() == ["ok", "", ""]
    moved = judge(QUALITY, COHORT, NOBODY, study(limits={"slice_mm": 5.0})).set_index("patient_id")
    assert moved.loc["thick", "status"] == "ok"


def test_the_hospitals_table_tells_the_sex():
    wide = measured(her={"body_t12_width": 47.0, "body_l1_width": 47.0})
    for sex, status in (("female", "refused"), ("male", "ok")):
        table = pd.DataFrame({"patient_id": ["her"], "sex": [sex]})
        assert judge(wide, table, pd.Series([False]), study())["status"].tolist() == [status]


def test_a_written_reason_lets_a_patient_in_and_is_told():
    table = COHORT.assign(accepted=["seen by Dr. A: a bubble", "no matter", "not needed", ""])
    found = judge(QUALITY, table, NOBODY, study()).set_index("patient_id")
    assert found["status"].tolist() == ["ok", "refused", "warned", "refused"]
    assert found["accepted"].tolist() == ["", "", "seen by Dr. A: a bubble", ""]
    assert found.loc["wrong", "reason"].endswith("let in by the hospital: seen by Dr. A: a bubble")
    assert found.loc["wrong", "kind"] == ""
