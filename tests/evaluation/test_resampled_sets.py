"""What a locked cut-off costs, and intervals that belong to the estimates beside them."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.calibration import calibration_summary
from helpers.evaluation.cutoffs import confusion_metrics, youden_cutoff
from helpers.evaluation.decision_curves import net_benefit
from helpers.evaluation.performance import (
    THRESHOLDS,
    intervals_table,
    locked_cutoffs,
    lost_by_locking,
    performance_table,
    resampled_sets,
)


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(3)
    people = pd.DataFrame({"cohort": np.repeat(["training", "internal", "external"], [60, 40, 50])})
    people["patient_id"] = [f"P{i}" for i in range(len(people))]
    people["outcome"] = rng.integers(0, 2, len(people))
    risk = 1 / (1 + np.exp(-rng.normal(people["outcome"], 1.5)))
    return people.assign(model="nomogram", probability=risk)


def of(predictions, cohort):
    part = predictions[predictions["cohort"] == cohort]
    return part["outcome"], part["probability"]


def test_the_same_risks_stand_at_the_training_cutoff_and_at_their_own(predictions):
    table = locked_cutoffs(predictions, ["nomogram"]).set_index(["cohort", "rule"])
    assert set(table.index.get_level_values("cohort")) == {"internal", "external"}
    for cohort in ("internal", "external"):
        cutoffs = {"locked": youden_cutoff(*of(predictions, "training"))}
        cutoffs["own Youden"] = youden_cutoff(*of(predictions, cohort))
        for rule, cutoff in cutoffs.items():
            found = confusion_metrics(*of(predictions, cohort), cutoff)["estimate"]
            assert table.loc[(cohort, rule), "cutoff"] == cutoff
            assert table.loc[(cohort, rule), "npv"] == found["npv"]


def test_locking_a_cutoff_never_gains(predictions):
    """By construction of the Youden index: the set's own cut-off is the best one there."""
    lost = lost_by_locking(performance_table(predictions, ["nomogram"]))
    assert len(lost) == 2 and (lost >= -1e-12).all() and lost.max() > 0


def test_intervals_lie_around_the_estimates_of_their_set(predictions):
    generators = {name: np.random.default_rng(1) for name in ("internal", "external")}
    resampled = resampled_sets(predictions, "nomogram", generators, 200)
    table = intervals_table(predictions, "nomogram", resampled).set_index(["cohort", "measure"])
    for cohort in generators:
        rows, summary = table.loc[cohort], calibration_summary(*of(predictions, cohort))
        assert rows.loc["auc", "estimate"] == summary.c_index
        for name in ("slope", "intercept", "in_the_large", "brier"):
            assert rows.loc[name, "estimate"] == getattr(summary, name)
        assert (rows["low"] < rows["estimate"]).all() and (rows["estimate"] < rows["high"]).all()


def test_a_resample_has_its_own_patients_net_benefit(predictions):
    drawn = resampled_sets(predictions, "nomogram", {"external": np.random.default_rng(2)}, 5)["external"]
    y, p = (np.asarray(values) for values in of(predictions, "external"))
    rows = np.repeat(np.arange(len(y)), drawn.weights[3])
    expected = net_benefit(y[rows], p[rows], THRESHOLDS)
    np.testing.assert_allclose(drawn.performance.net_benefit[3], expected, atol=1e-12)
