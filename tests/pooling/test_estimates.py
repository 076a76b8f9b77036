"""Protects: pooled tables are those of the patients; the developing hospital is in no summary."""

import numpy as np
import pandas as pd
import pytest
from synthetic_site import content, hospital, patients

from helpers.evaluation.by_hospital import judged
from helpers.evaluation.delong import delong_test
from helpers.evaluation.meta_analysis import random_effects
from helpers.pooling import estimates, in_words, properties
from helpers.pooling.contract import Hospital, SiteFile
from helpers.pooling.measures import HU

PATIENTS = {f"Hospital {seed}": patients(150 + 20 * seed, seed) for seed in range(5)}


@pytest.fixture(scope="module")
def hospitals():
    roles = ["development", *["external"] * 4]
    return [
        Hospital.model_validate(hospital(name, table, 0, role, seed))
        for seed, ((name, table), role) in enumerate(zip(PATIENTS.items(), roles, strict=True))
    ]


def test_each_hospitals_estimates_are_those_of_its_patients(hospitals):
    table = estimates.estimates(hospitals)
    for name, people in PATIENTS.items():
        for model in ("clinical", "nomogram"):
            expected = judged(people["outcome"], people[model])
            found = table[(table["hospital"] == name) & (table["model"] == model)].set_index("measure")
            for measure in expected.index:
                columns = ["estimate", "low", "high", "variance"]
                assert found.loc[measure, columns].tolist() == pytest.approx(
                    expected.loc[measure, columns].tolist(), rel=1e-6
                )


def test_summaries_are_of_external_hospitals_only(hospitals):
    table = estimates.estimates(hospitals)
    summary = estimates.pooled(table).set_index(["model", "measure"])
    part = table[(table["model"] == "nomogram") & (table["measure"] == "slope")]
    own = random_effects(part["estimate"].iloc[1:], part["variance"].iloc[1:])
    found = summary.loc[("nomogram", "slope")]
    assert found["hospitals"] == 4
    assert found[["estimate", "pi_low", "pi_high", "tau2"]].tolist() == pytest.approx(
        [own.mean, own.pi_low, own.pi_high, own.tau2]
    )
    assert part["weight"].isna().tolist() == [True, False, False, False, False]
    assert part["weight"].sum() == pytest.approx(100)


def test_paired_differences_are_delongs(hospitals):
    table = estimates.differences(hospitals).set_index(["hospital", "measure"])
    for name, people in PATIENTS.items():
        for other in ("clinical", HU):
            test = delong_test(people["outcome"], people["nomogram"], people[other])
            row = table.loc[(name, f"AUC minus that of {other}")]
            assert row[["estimate", "low", "high"]].tolist() == pytest.approx(
                [test.difference, test.ci_low, test.ci_high], rel=1e-9
            )


def test_leaving_one_out_is_pooling_without_it(hospitals):
    table = estimates.estimates(hospitals)
    without = estimates.leave_one_out(table)
    assert without["left_out"].unique().tolist() == [f"Hospital {n}" for n in range(1, 5)]
    again = estimates.pooled(estimates.estimates([one for one in hospitals if one.label != "Hospital 2"]))
    found = without[without["left_out"] == "Hospital 2"].drop(columns="left_out").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, again)


@pytest.mark.parametrize("number", [1, 2])
def test_one_or_two_hospitals_give_tables_and_no_summary(hospitals, number):
    few = hospitals[1 : 1 + number]
    table = estimates.estimates(few)
    assert len(table) and estimates.pooled(table)["estimate"].isna().all()
    assert estimates.leave_one_out(table).empty
    words = in_words.summary_in_words(estimates.pooled(table), "nomogram", "auc")
    assert words["mean"] == words["next"] == in_words.NO_SUMMARY and words["number"] == "too few"


def test_what_a_hospital_hides_is_missing_and_not_zero(hospitals):
    told = content(seed=7, n=80)
    hidden = Hospital.model_validate(told["hospitals"][0])
    table = estimates.estimates([*hospitals, hidden])
    own = table[table["hospital"] == hidden.label]
    assert own["estimate"].isna().any()
    assert (
        own.loc[own["estimate"].isna(), ["low", "high", "scaled", "variance", "weight"]].isna().all(axis=None)
    )


def test_drift_is_in_training_sds():
    site = SiteFile.model_validate(content(seed=3))
    drift = estimates.drift([site])[site.hospitals[0].label]
    feature = site.hospitals[0].features["original_glcm_Contrast"]
    assert drift["original_glcm_Contrast"] == pytest.approx((feature.mean - 100) / 20)
    told = content(seed=3)
    told["hospitals"][0]["predictors"]["sex"] = {"female": 120, "male": 40}
    moved = estimates.drift([SiteFile.model_validate(told)])[site.hospitals[0].label]
    assert moved["sex: female"] == pytest.approx((0.75 - 0.5) / 0.5)


def many(number):
    """Hospitals whose AUC falls with the age of their patients."""
    found = []
    for seed in range(number):
        people = patients(400, seed, strength=2.4 - 0.2 * seed)
        one = hospital(f"H{seed}", people, 0, seed=seed)
        one["predictors"] |= {"age": {"mean": 60.0 + seed, "sd": 8.0}}
        one["scans"] = {"scanner": {"GE One": 300, "Siemens Two": 100}, "spacing_z": {"1": 200, "5": 200}}
        found.append(Hospital.model_validate(one))
    return found


def test_meta_regression_needs_ten_hospitals():
    nine = many(9)
    table = estimates.estimates(nine)
    assert properties.meta_regressions(table, properties.properties(nine), "nomogram", ["auc"]).empty
    assert "9 external hospital(s)" in properties.why_no_regression(table)


def test_meta_regression_finds_what_hospitals_differ_by():
    ten = many(10)
    table, of = estimates.estimates(ten), properties.properties(ten)
    assert of[properties.STEP].tolist() == [3.0] * 10
    assert of["share of scans by GE"].tolist() == [0.75] * 10
    found = properties.meta_regressions(table, of, "nomogram", ["auc"]).set_index("property")
    assert properties.why_no_regression(table) == ""
    assert found.loc[properties.AGE, "high"] < 0 and found.loc[properties.AGE, "p_value"] < 0.01
    assert properties.STEP not in found.index  # the same everywhere


def test_the_flow_names_whose_it_is():
    sites = [SiteFile.model_validate(content(label=f"H{seed}", seed=seed)) for seed in (1, 2)]
    flow = estimates.flow(sites)
    assert flow["hospital"].tolist() == ["H1"] * 3 + ["H2"] * 3
    assert flow["patients"].tolist()[:3] == [200, 40, 160] and np.all(flow["outcome"] == "")
