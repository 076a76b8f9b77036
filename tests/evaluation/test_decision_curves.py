"""Protects: net benefit equals R's formula, thresholds met exactly, ranges read off correctly."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_values import data, expected
from scipy.stats import norm

from helpers.errors import StudyError
from helpers.evaluation.decision_curves import (
    benefit_at_prevalence,
    benefit_difference,
    best_ranges,
    decision_curves,
    moved_risks,
    net_benefit,
    treat_all,
)

R = expected("decision_curve")
births = data("birthwt_predictions")


@pytest.mark.parametrize("model", R["models"])
def test_net_benefit_equals_r(model):
    benefit = net_benefit(births["y"], births[model], R["thresholds"])
    assert benefit == pytest.approx(R["models"][model]["net_benefit_ge"], abs=1e-12)
    assert treat_all(births["y"], R["thresholds"]) == pytest.approx(R["treat_all"], rel=1e-12, abs=1e-12)


@pytest.fixture
def curves():
    frame = pd.DataFrame({"patient_id": births["row"].astype(str), "outcome": births["y"]})
    parts = [
        frame.assign(cohort="internal", model=model, probability=births[column])
        for model, column in (("nomogram", "p_full"), ("clinical", "p_small"))
    ]
    return decision_curves(pd.concat(parts), ["nomogram", "clinical"], R["thresholds"])


def test_avoided_interventions_equal_r(curves):
    part = curves[curves["strategy"] == "nomogram"]
    reference = R["models"]["p_full"]["net_interventions_avoided_per_100"]
    assert part["avoided_per_100"].to_numpy() == pytest.approx(reference, abs=1e-9)


def test_a_risk_on_the_threshold_is_treated_in_spite_of_rounding():
    edge = R["edge_p_equal_threshold"]
    assert net_benefit(edge["y"], edge["p"], [edge["threshold"]])[0] == pytest.approx(edge["nb_ge"])
    above = np.arange(0, 1, 0.01)[57]
    assert above > 0.57
    assert net_benefit([0, 1, 0], [0.1, 0.57, 0.2], [above])[0] == pytest.approx(1 / 3)


cases = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 100)), min_size=3, max_size=40).filter(
    lambda rows: len({y for y, _ in rows}) == 2
)


@given(cases)
@settings(max_examples=80, deadline=None)
def test_treating_all_and_none_and_the_order_of_patients(rows):
    y, percent = np.array(rows).T
    thresholds = np.arange(0, 1, 0.05)
    prevalence = y.mean()
    everybody = prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
    assert treat_all(y, thresholds) == pytest.approx(everybody, abs=1e-9)
    assert net_benefit(y, np.zeros(len(y)), thresholds[1:]) == pytest.approx(0)
    assert net_benefit(y, percent / 100, [0.0])[0] == pytest.approx(prevalence)
    order = np.random.default_rng(0).permutation(len(y))
    shuffled = net_benefit(y[order], percent[order] / 100, thresholds)
    assert shuffled == pytest.approx(net_benefit(y, percent / 100, thresholds), abs=1e-12)
    assert (net_benefit(y, percent / 100, thresholds) <= prevalence + 1e-12).all()


@pytest.mark.parametrize("threshold", [1.0, -0.1, np.nan])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(StudyError, match="Thresholds"):
        net_benefit([0, 1], [0.1, 0.9], [threshold])


@pytest.mark.parametrize("risk", [1.2, -0.1, np.nan])
def test_impossible_risks_are_refused(risk):
    with pytest.raises(StudyError):
        net_benefit([0, 1], [0.1, risk], [0.5])


def made_up_curves(best):
    thresholds = np.round(np.arange(1, len(best) + 1) / 100, 2)
    rows = {"nomogram": np.where(best, 0.2, 0.1), "clinical": np.full(len(best), 0.1)}
    parts = [
        pd.DataFrame({"cohort": "external", "strategy": name, "threshold": thresholds, "net_benefit": values})
        for name, values in rows.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_ranges_are_the_runs_of_thresholds_and_ties_do_not_count():
    ranges = best_ranges(made_up_curves([True, False, False, True, True, True, False, True]), "nomogram")
    assert ranges[["low", "high"]].to_numpy().tolist() == [[0.01, 0.01], [0.04, 0.06], [0.08, 0.08]]
    assert ranges["longest"].tolist() == [False, True, False]


def test_a_model_that_is_nowhere_best_has_no_range():
    assert best_ranges(made_up_curves([False] * 4), "nomogram").empty


@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.4])
def test_a_difference_is_that_of_r_and_its_interval_that_of_resampled_patients(threshold):
    y, full, small = (births[name].to_numpy(float) for name in ("y", "p_full", "p_small"))
    found = benefit_difference(y, full, small, threshold)
    at = int(np.argmin(np.abs(np.array(R["thresholds"]) - threshold)))
    first, second = (R["models"][model]["net_benefit_ge"][at] for model in ("p_full", "p_small"))
    assert found["difference"] == pytest.approx(first - second, abs=1e-12)

    rng = np.random.default_rng(1)
    worth = {name: [] for name in ("full", "small")}
    for _ in range(4000):
        drawn = rng.integers(0, len(y), len(y))
        for name, risk in (("full", full), ("small", small)):
            worth[name].append(net_benefit(y[drawn], risk[drawn], [threshold])[0])
    spread = np.std(np.subtract(worth["full"], worth["small"]))
    half = (found["ci_high"] - found["ci_low"]) / 2
    assert half == pytest.approx(norm.ppf(0.975) * spread, rel=0.05)


def test_two_strategies_that_treat_the_same_patients_do_not_differ():
    y, risk = [0, 1, 1, 0], [0.3, 0.6, 0.7, 0.2]
    assert set(benefit_difference(y, risk, np.ones(4), 0.1).values()) == {0.0}
    against_none = benefit_difference(y, risk, np.zeros(4), 0.25)["difference"]
    assert against_none == pytest.approx(net_benefit(y, risk, [0.25])[0])


@pytest.mark.parametrize("healthy", [1, 3, 7])
def test_another_prevalence_is_a_set_with_more_healthy_patients(healthy):
    """Each patient without the outcome several times over: the weights come to the same."""
    y, p = births["y"].to_numpy(), births["p_full"].to_numpy()
    times = np.where(y == 1, 1, healthy)
    more, risks = np.repeat(y, times), np.repeat(p, times)
    limits = [0.05, 0.2, 0.5]
    found = benefit_at_prevalence(y, p, limits, more.mean())
    assert found == pytest.approx(net_benefit(more, risks, limits), abs=1e-12)


def test_moved_risks_are_those_that_are_seen_at_the_other_prevalence():
    """A test of three results, whose risks are counted in both populations."""
    ill, healthy = np.array([10, 30, 60]), np.array([70, 20, 10])
    here, there = ill / (ill + healthy), ill / (ill + 9 * healthy)
    assert moved_risks(here, 0.5, 0.1) == pytest.approx(there)
    assert moved_risks([0.0, 1.0], 0.5, 0.1).tolist() == [0.0, 1.0]
