"""Tables of the strict chapter follow from held-out risks alone, and leave out what cannot be estimated."""

import numpy as np
import pandas as pd
import pytest

from helpers.chapters import strict_tables
from helpers.chapters.strict_validation import Fitted, Nested, stability_in_words
from helpers.evaluation.calibration import calibration_summary
from helpers.evaluation.sample_size import cox_snell_of, development_size


@pytest.fixture(scope="module")
def people():
    """Training and external patients with a risk that tells something."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"cohort": np.repeat(["training", "external"], [80, 50])})
    table["outcome"] = rng.integers(0, 2, len(table))
    table["risk"] = 1 / (1 + np.exp(-rng.normal(2 * table["outcome"] - 1, 1)))
    return table.set_axis([f"P{i}" for i in range(len(table))])


def test_smote_is_judged_on_held_out_risks_in_training_and_on_the_model_elsewhere(people):
    training = people[people["cohort"] == "training"]
    external = people[people["cohort"] == "external"]
    held_out = Nested(np.tile(training["risk"].to_numpy(), (2, 1)), [])
    # The model's risks of its own patients would be flattered: they must not be looked at.
    flattered = people["risk"].where(people["cohort"] != "training", people["outcome"] * 0.98 + 0.01)
    ways = {"none": (held_out, Fitted(flattered.to_numpy(), []))}
    table = strict_tables.smote_effect(ways, people).set_index("cohort")
    for cohort, part in (("training", training), ("external", external)):
        expected = calibration_summary(part["outcome"], part["risk"])
        assert table.loc[cohort, "c_index"] == pytest.approx(expected.c_index)
        assert table.loc[cohort, "slope"] == pytest.approx(expected.slope)


def test_sizes_follow_from_the_held_out_risks(people):
    training = people[people["cohort"] == "training"]
    y, nested = training["outcome"].to_numpy(), Nested(training[["risk"]].to_numpy().T, [])
    table = strict_tables.sample_sizes(y, nested, [1688, 5])
    expected = development_size(5, y.mean(), cox_snell_of(y, training["risk"].to_numpy()))
    five = table[table["purpose"] == "development, 5 parameters"].drop(columns="purpose")
    pd.testing.assert_frame_equal(five, expected)
    assert "external validation" in set(table["purpose"])
    words = strict_tables.sizes_in_words(y, nested, 1688)
    assert words["events-per-candidate"] == f"{y.sum() / 1688:.2f}"


def test_a_model_no_better_than_chance_needs_no_size():
    y = np.tile([0, 1], 20)
    table = strict_tables.sample_sizes(y, Nested(np.where(y == 1, 0.4, 0.6)[None], []), [10])
    assert table.empty and table.columns.tolist() == ["purpose", "criterion", "patients", "events"]


def test_each_set_is_held_against_the_patients_that_it_needs():
    purposes = ["development, 1688 parameters"] * 2 + ["development, 6 parameters", "external validation"]
    sizes = pd.DataFrame({"purpose": purposes, "patients": [10, 28000, 400, 419]})
    cohorts = pd.Series(["training"] * 420 + ["internal"] * 180 + ["external"] * 263)
    assert strict_tables.enough_in_words(sizes, cohorts) == (
        "400 (development, 6 parameters) to 28000 (development, 1688 parameters) patients are asked for and "
        "420 there, enough; 419 to judge it (external validation), internal 180 there, too few, "
        "external 263 there, too few."
    )
    assert "no better than chance" in strict_tables.enough_in_words(sizes[:0], cohorts)


def test_scanners_are_known_from_training_patients_only():
    patients = pd.DataFrame({"cohort": ["training", "training", "external", "external"]}, index=list("abcd"))
    patients["scanner"] = ["S1", None, "S1", "S2"]
    scanners = strict_tables.scanners_of(patients)
    assert scanners["b"] == "not stated"
    table = strict_tables.scanners_in_training(patients, scanners).set_index("cohort")
    assert table.index.tolist() == ["training", "external"]
    assert table.loc["external", "scanner in training"] == 1
    assert table.loc["external", "scanner not in training"] == 1
    assert table.loc["training", "scanner not in training"] == 0
    assert set(strict_tables.scanners_of(patients[["cohort"]])) == {"not stated"}


def test_an_advantage_is_shown_only_where_its_interval_lies_above_zero():
    rows = [
        ("internal", "nomogram", "HU and clinical", 0.05, 0.01, 0.09),
        ("external", "nomogram", "HU and clinical", 0.031, -0.002, 0.064),
        ("external: north", "nomogram", "HU and clinical", -0.1, -0.2, -0.01),
        ("external", "nomogram", "HU alone", 0.2, 0.1, 0.3),
    ]
    compared = pd.DataFrame(rows, columns="cohort first second difference ci_low ci_high".split())
    said = strict_tables.advantage_in_words(compared)
    assert "internal +0.050 (0.010 to\xa00.090), shown" in said
    assert "external +0.031 (-0.002 to\xa00.064), not shown" in said
    assert "external: north -0.100 (-0.200 to\xa0-0.010), shown to be worse" in said
    clinical = compared[:1].replace("HU and clinical", "clinical")
    assert "that of clinical: internal" in strict_tables.advantage_in_words(clinical)
    alone = compared[:1].replace("HU and clinical", "radiomics")
    assert "nothing simpler" in strict_tables.advantage_in_words(alone)


def test_the_words_give_ranges_and_counts():
    table = pd.DataFrame({"quantity": ["AUC", "AUC", "sensitivity", "specificity"]})
    words = strict_tables.differences_in_words(table.assign(difference=[-0.02, 0.01, 0.1, np.nan]))
    assert words["strict-AUC"] == "-0.020 to\xa0+0.010" and words["strict-specificity"] == "not estimable"
    said = stability_in_words([["a", "b"], ["a"], ["a", "c"]])
    # Jaccard indices 1/2, 1/3 and 1/2; only "a" is in half of them or more.
    assert said == {
        "strict-overlap": "0.44",
        "strict-ever": "3",
        "strict-often": "1",
        "strict-sizes": "1 to 2",
    }


def test_what_divides_nobody_makes_no_subgroups():
    people = pd.DataFrame({"sex": ["female"] * 4, "age": [55, 58, 71, 80]}, index=list("abcd"))
    unknown = strict_tables.scanners_of(people)
    assert list(strict_tables.subgroups_of(people, unknown)) == ["age"]
    two = people.assign(scanner=["A", "A", "B", "B"])
    assert list(strict_tables.subgroups_of(two, strict_tables.scanners_of(two))) == ["age", "scanner"]
    none = strict_tables.subgroups_of(people[["sex"]], unknown)
    predictions = (
        people.rename_axis("patient_id")
        .reset_index()
        .assign(cohort="training", model="m", outcome=[0, 1, 0, 1], probability=[0.1, 0.4, 0.3, 0.8])
    )
    table = strict_tables.subgroup_table(predictions, "m", none)
    assert table.empty and "there are no subgroups" in strict_tables.subgroups_in_words(table)
    assert "nothing to harmonise" in strict_tables.reach_in_words(unknown)
    assert "counts whom" in strict_tables.reach_in_words(strict_tables.scanners_of(two))
