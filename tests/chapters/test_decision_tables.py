"""Net benefit at a few thresholds, against rivals, and where the outcome is rarer, per 100 patients."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from helpers.chapters import decision_tables
from helpers.evaluation.decision_curves import decision_curves, net_benefit


def test_chosen_thresholds_per_100_patients_and_the_best_of_each():
    y, p = [1, 1, 0, 0, 0], [0.9, 0.3, 0.4, 0.2, 0.1]
    people = pd.DataFrame({"patient_id": list("abcde"), "cohort": "training", "outcome": y})
    curves = decision_curves(people.assign(model="nomogram", probability=p), ["nomogram"], [0.1, 0.2, 0.5])
    wide = decision_tables.net_benefit_per_100(curves, ["nomogram"], [0.2, 0.5])
    assert wide.index.tolist() == [("training", 0.2), ("training", 0.5)]
    assert wide.columns.tolist() == ["nomogram", "treat all", "treat none"]
    assert wide["nomogram"].tolist() == pytest.approx((100 * net_benefit(y, p, [0.2, 0.5])).tolist())
    words = decision_tables.best_in_words(wide)
    assert words == "Training: nomogram at 0.20, nomogram at 0.50"


@pytest.fixture
def predictions():
    """Two sets; the model "good" knows the outcome, "clinical" says the same of everybody."""
    parts = []
    for cohort, cases in (("training", 4), ("external", 6)):
        people = pd.DataFrame({"outcome": [1] * cases + [0] * (10 - cases), "cohort": cohort})
        people["patient_id"] = [f"{cohort}{i}" for i in range(10)]
        sure = people["outcome"].map({1: 0.9, 0: 0.02})
        parts += [people.assign(model="good", probability=sure)]
        parts += [people.assign(model="clinical", probability=0.05)]
    return pd.concat(parts, ignore_index=True)


def test_gains_are_differences_of_net_benefit_in_validation_sets(predictions):
    gains = decision_tables.benefit_differences(predictions, "good", ["clinical", "treat all"], [0.1, 0.3])
    assert set(gains["cohort"]) == {"external"}
    row = gains[(gains["threshold"] == 0.3) & (gains["against"] == "treat all")].iloc[0]
    assert row["difference"] == pytest.approx(100 * 0.4 * 0.3 / 0.7)  # the healthy whom it spares
    read = decision_tables.shown_differences(gains)
    assert read.columns.tolist() == ["cohort", "threshold", "over clinical", "over treat all"]
    assert read.loc[1, "over treat all"].startswith(f"{row['difference']:+.1f} ({row['ci_low']:.1f} to")
    words = decision_tables.differences_in_words(gains, 0.3)
    assert words["gain-set"] == "External validation"
    assert "over clinical +60.0 (" in words["gain-low"] and words["gain-low"].count(", shown") == 2


def test_where_the_outcome_is_rare_treating_nobody_beats_treating_all(predictions):
    table = decision_tables.benefit_by_prevalence(predictions, ["clinical"], [0.2], [0.05])
    assert table["prevalence"].tolist() == [0.6, 0.05]
    assert table["treat all"].tolist() == pytest.approx([100 * (0.6 - 0.4 / 4), 100 * (0.05 - 0.95 / 4)])
    words = decision_tables.best_by_prevalence(table, [0.1, 0.3])
    assert words == "at 60% treat all (0.20); at 5% clinical (0.20)"


def test_the_rival_is_a_regression_on_mean_hu_of_training_patients():
    rng = np.random.default_rng(3)
    people = pd.DataFrame({"patient_id": [f"P{i:02d}" for i in range(60)], "outcome": rng.integers(0, 2, 60)})
    people["cohort"] = ["training"] * 40 + ["external"] * 20
    hu = 150 - 30 * people["outcome"] + rng.normal(0, 30, 60)
    ages = pd.DataFrame({"patient_id": people["patient_id"], "age": rng.normal(60, 8, 60), "sex": "female"})

    class Stored:
        """A run, as far as this function reads one."""

        study = SimpleNamespace(predictors=["age", "sex"], has_features=False)

        def read(self, name):
            return ages if name == "cohort" else people[["patient_id"]].assign(trabecular_hu=hu)

    before = people.assign(model="nomogram", probability=0.5)
    found = decision_tables.with_hu_model(before, Stored())
    added = found[found["model"] == decision_tables.HU_MODEL]
    x = sm.add_constant(np.column_stack([hu, ages["age"]]))
    fit = sm.Logit(people["outcome"][:40], x[:40]).fit(disp=0)
    assert added["probability"].to_numpy() == pytest.approx(fit.predict(x), abs=1e-6)
    Stored.study = SimpleNamespace(predictors=["age"], has_features=True)
    assert decision_tables.with_hu_model(before, Stored()) is before
