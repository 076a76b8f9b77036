"""Intervals and summaries of measures by hospital agree with independent ways to the same numbers."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from reference_values import FOLDER, expected
from scipy.special import expit, logit

from helpers.evaluation.by_hospital import SCALES, judged, judged_apart, summaries, with_weights
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.meta_analysis import random_effects


@pytest.fixture(scope="module")
def risks():
    rng = np.random.default_rng(4)
    p = expit(rng.normal(-0.5, 1.2, 400))
    return (rng.uniform(size=400) < expit(0.3 + 0.7 * logit(p))).astype(int), p


def test_slope_and_intercept_are_those_of_statsmodels(risks):
    y, p = risks
    table = judged(y, p)
    joint = sm.GLM(y, sm.add_constant(logit(p)), family=sm.families.Binomial()).fit(tol=1e-12)
    large = sm.GLM(y, np.ones(400), family=sm.families.Binomial(), offset=logit(p)).fit(tol=1e-12)
    for name, fit, at in (("slope", joint, 1), ("in_the_large", large, 0)):
        assert table.loc[name, "variance"] == pytest.approx(fit.bse[at] ** 2, rel=1e-6)
        assert table.loc[name, ["low", "high"]].tolist() == pytest.approx(fit.conf_int()[at].tolist())


def test_intervals_cover_as_often_as_they_say():
    """In 400 samples of 150 patients with right risks: the true AUC, slope 1, intercept 0 and O/E 1."""
    rng, covered = np.random.default_rng(1), []
    big = expit(rng.normal(-0.5, 1, 200_000))
    true_auc = delong_auc((rng.uniform(size=big.size) < big).astype(int), big).auc
    for _ in range(400):
        p = expit(rng.normal(-0.5, 1, 150))
        table = judged((rng.uniform(size=150) < p).astype(int), p)
        truth = pd.Series({"auc": true_auc, "slope": 1, "in_the_large": 0, "observed_expected": 1})
        covered.append((table["low"] <= truth) & (truth <= table["high"]))
    shares = pd.DataFrame(covered).mean()
    # O/E's formula takes the expected as given, and so is a little wide when the risks tell patients apart.
    assert ((shares > 0.92) & (shares < 0.995)).all(), shares


def test_an_auc_of_one_has_no_interval_and_no_part_in_the_summary():
    table = judged([0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.9])
    assert table.loc["auc", "estimate"] == 1 and table.loc["auc", ["low", "high"]].isna().all()


def test_summaries_are_metafors_on_the_stored_values():
    """The BCG trials as log(observed / expected) of thirteen hospitals: back on the ratio's scale."""
    stored = json.loads((FOLDER / "meta_analysis.json").read_text(encoding="utf-8"))
    table = pd.DataFrame({"scaled": stored["yi"], "variance": stored["vi"], "estimate": np.exp(stored["yi"])})
    table = table.assign(hospital="one of them", model="m", measure="observed_expected")
    row, theirs = summaries(table).iloc[0], expected("meta_analysis")["REML"]
    named = {"estimate": "mu", "ci_low": "knha_ci_low", "pi_high": "knha_pi_high"}
    for ours, name in named.items():
        assert np.log(row[ours]) == pytest.approx(theirs[name], abs=1e-6)
    weights = with_weights(table)["weight"]
    assert weights.tolist() == pytest.approx(random_effects(stored["yi"], stored["vi"]).weights.tolist())


def test_scales_go_there_and_back():
    for scale in SCALES.values():
        assert scale.back(scale.to(0.3)) == pytest.approx(0.3)


def test_external_hospitals_are_judged_apart_and_the_cohorts_of_development_are_not(risks):
    y, p = risks
    cohort = np.repeat(["training", "external: A", "external: B", "external: C"], 100)
    outcome = np.where(cohort == "external: C", 0, y)
    table = pd.DataFrame({"patient_id": range(400), "cohort": cohort, "outcome": outcome, "probability": p})
    found = judged_apart(table.assign(model="nomogram"), ["nomogram"])
    assert found.hospitals["status"].tolist() == ["judged", "judged", "one class"] and found.has_summary
    assert found.measures["hospital"].unique().tolist() == ["A", "B"]
    for name, rows in (("A", slice(100, 200)), ("B", slice(200, 300))):
        own = found.measures.set_index(["hospital", "measure"]).loc[(name, "auc")]
        assert own["estimate"] == pytest.approx(delong_auc(y[rows], p[rows]).auc)
    assert found.summary["estimate"].isna().all()  # of two hospitals with an interval there is none
    alone = judged_apart(table.assign(model="nomogram", cohort="external"), ["nomogram"])
    assert alone.hospitals.empty and not alone.has_summary
