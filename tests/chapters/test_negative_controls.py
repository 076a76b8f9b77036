"""The moved region lies in muscle, away from bone; without muscle it is refused; noise predicts nothing."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from helpers.chapters import negative_controls
from helpers.chapters.negative_controls import BONE_MARGIN_MM, muscle_scan
from helpers.chapters.strict_validation import Procedure
from helpers.errors import StudyError
from helpers.imaging.sources import Scan
from helpers.learning.selection import SelectionSettings


def trunk(muscle_hu=50.0, spacing=(0.9, 0.9, 1.0)):
    """A vertebra of 180 HU in fat, a muscle block behind and left of it with a rib (600 HU) through it."""
    hu = np.full((60, 150, 150), -100.0)
    hu[:, 40:70, 60:90] = 180
    hu[:, 75:130, 90:145] = muscle_hu
    hu[:, 75:80, 90:145] = 600
    layers = np.zeros(hu.shape, np.uint8)
    for layer in range(6):
        layers[9 * layer + 2 : 9 * layer + 10, 45:65, 64:86] = layer + 1
    noise = np.random.default_rng(0).normal(0, 15, hu.shape)
    image, mask = sitk.GetImageFromArray((hu + noise).astype(np.int16)), sitk.GetImageFromArray(layers)
    for volume in (image, mask):
        volume.SetSpacing(spacing)
    return Scan(image, mask)


def test_region_moves_into_muscle_and_keeps_away_from_bone():
    moved = muscle_scan(trunk(), "P1")
    hu, layers = sitk.GetArrayFromImage(moved.image), sitk.GetArrayFromImage(moved.mask)
    inside = hu[layers > 0]
    assert abs(inside.mean() - 50) < 2 and inside.max() < 150
    assert set(np.unique(layers)) == set(range(7))
    rib = np.argwhere(hu > 400)
    gap = np.abs(np.argwhere(layers > 0)[:, 1].min() - rib[:, 1].max()) * 0.9
    assert gap > BONE_MARGIN_MM


def test_direction_of_the_image_does_not_matter():
    """Stored from left to right and from back to front: the same muscle is found."""
    scan = trunk()
    flipped = Scan(*(sitk.DICOMOrient(volume, "RAS") for volume in (scan.image, scan.mask)))
    first, second = (muscle_scan(one, "P1") for one in (scan, flipped))
    counts = [
        np.bincount(sitk.GetArrayFromImage(one.mask).ravel(), minlength=7)[1:] for one in (first, second)
    ]
    np.testing.assert_allclose(*counts, rtol=0.05)


def test_without_muscle_the_patient_is_refused():
    with pytest.raises(StudyError, match="P1: no place beside the spine"):
        muscle_scan(trunk(muscle_hu=-90), "P1")


def test_cases_are_drawn_within_each_outcome_and_all_where_there_are_fewer():
    people = pd.DataFrame({"site": "A", "outcome": [0] * 20 + [1] * 10})
    people = people.set_axis([f"P{i:02d}" for i in range(30)]).rename_axis("patient_id")
    drawn = negative_controls.drawn_cases(people, 15, np.random.default_rng(0))
    assert people.loc[[case.patient_id for case in drawn], "outcome"].sum() == 5 and len(drawn) == 15
    everyone = negative_controls.drawn_cases(people, 100, np.random.default_rng(0))
    assert [case.patient_id for case in everyone] == people.index.tolist()


@pytest.mark.slow
def test_a_region_of_noise_adds_nothing_and_too_few_patients_are_told():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [60, 40])
    names = [f"original_firstorder_F{i}" for i in range(12)]
    noise = pd.DataFrame(rng.normal(size=(100, 12)), columns=names, index=[f"P{i:03d}" for i in range(100)])
    bone = noise.assign(original_firstorder_F0=noise["original_firstorder_F0"] + 2 * y)
    people = pd.DataFrame({"outcome": y, "age": rng.normal(65, 8, 100)}, index=noise.index)
    procedure = Procedure(
        dict.fromkeys(names, 1.0), SelectionSettings(smote="none", folds=3, mrmr_features=5)
    )
    how = {"folds": 3, "repeats": 1, "seed": 1, "workers": 1}
    table, problems = negative_controls.regions_table(
        procedure, {"muscle": noise, "vertebra": bone}, people, ["age"], **how
    )
    table = table.set_index("region")
    assert not problems and table.loc["vertebra", "auc"] > 0.85 > 0.65 > table.loc["muscle", "auc"]
    assert table.loc["muscle", "or_low"] < 1 < table.loc["muscle", "or_high"]
    few = people.iloc[58:61]
    table, problems = negative_controls.regions_table(
        procedure, {"muscle": noise.loc[few.index]}, few, [], **how
    )
    assert table.empty and problems[0].startswith("muscle: not estimable with 3 patients.")


def test_permutations_are_told_by_mean_and_coverage():
    table = pd.DataFrame({"strict": [0.4, 0.6], "ci_low": [0.3, 0.55], "ci_high": [0.5, 0.7]})
    words = negative_controls.permuted_in_words(table.assign(leaky_lr=[0.7, 0.8], leaky_rf=0.9))
    assert (words["permuted-n"], words["permuted-covered"]) == ("2", "1")
    assert (words["permuted-strict"], words["permuted-leaky_lr"]) == ("0.50", "0.75")


def test_one_permutation_has_no_interval():
    table = pd.DataFrame(
        {"strict": [0.4], "ci_low": [0.3], "ci_high": [0.5], "leaky_lr": [0.7], "leaky_rf": [0.9]}
    )
    assert negative_controls.permuted_in_words(table)["permuted-interval"] == "not estimable"
