"""Performance at a cut-off locked on training data, and without the patients whom a rule sets aside."""

import pandas as pd
import pytest
from made_up_predictions import two_sets
from reference_values import expected

from helpers.evaluation.cutoffs import confusion_metrics
from helpers.evaluation.performance import (
    perfect_in_words,
    performance_table,
    sensitivity_analysis,
    strict_shown,
)


@pytest.fixture
def predictions():
    return two_sets()


def test_strict_numbers_use_the_training_cutoff(predictions):
    table = performance_table(predictions, ["LR"]).set_index("cohort")
    external = predictions[predictions["cohort"] == "external"]
    locked = table.loc["training", "cutoff"]
    assert table.loc["external", "cutoff_strict"] == locked
    direct = confusion_metrics(external["outcome"], external["probability"], locked)["estimate"]
    assert table.loc["external", "sensitivity_strict"] == direct["sensitivity"]
    assert table.loc["training", "accuracy"] == table.loc["training", "accuracy_strict"]


def test_strict_sensitivity_has_the_interval_of_r(predictions):
    """R's prop.test without continuity correction, on patients whose cut-off is that of the training set."""
    r = expected("diagnostic_metrics")["s100b"]["sensitivity"]
    hits = [0.9] * r["x"] + [0.1] * (r["n"] - r["x"])
    people = pd.DataFrame({"outcome": [1] * r["n"] + [0] * 5, "probability": [*hits, *[0.2] * 5]})
    people = people.assign(cohort="external", model="LR", patient_id=[f"E{i}" for i in range(len(people))])
    training = predictions[predictions["cohort"] == "training"]
    locked = performance_table(training, ["LR"])["cutoff"].iloc[0]
    people["probability"] = people["probability"].map({0.9: locked + 0.01, 0.1: locked - 0.01, 0.2: 0.0})
    table = performance_table(pd.concat([training, people]), ["LR"]).set_index("cohort").loc["external"]
    limits = table[["sensitivity_strict_low", "sensitivity_strict_high"]].tolist()
    assert limits == pytest.approx(r["wilson"], abs=1e-9)
    (shown,) = strict_shown(table.to_frame().T.reset_index(names="cohort")).to_dict("records")
    low, high = r["wilson"]
    assert shown["sensitivity (95 % CI)"] == f"{r['estimate']:.3f} ({low:.3f} to\xa0{high:.3f})"


def test_only_models_without_a_fault_had_learnt_by_heart():
    aucs = pd.Series({"RF": 1.0, "LR": 0.9, "XGBoost": 1.0})
    assert perfect_in_words(aucs).startswith("RF and XGBoost had learnt")
    assert perfect_in_words(aucs[["LR"]]) == ""


def test_patients_set_aside_leave_only_the_judging():
    """AUC of those who stay is that of a table without the others; nobody set aside, no row."""
    rows = pd.DataFrame(
        {
            "patient_id": [f"P{i}" for i in range(8)],
            "cohort": ["training"] * 8,
            "outcome": [0, 1] * 4,
            "model": "nomogram",
            "probability": [0.1, 0.4, 0.5, 0.8, 0.3, 0.2, 0.6, 0.9],
        }
    )
    (found,) = sensitivity_analysis(rows, pd.Series(["P5", "P2"]), ["nomogram"]).to_dict("records")
    assert (found["n"], found["events"], found["set_aside"]) == (6, 3, 2)
    # Events 0.4, 0.8, 0.9 against 0.1, 0.3, 0.6: 8 of 9 pairs in order; with 0.2 and 0.5, 11 of 16.
    assert found["auc"] == pytest.approx(8 / 9)
    assert found["auc_all"] == pytest.approx(11 / 16)
    assert sensitivity_analysis(rows, pd.Series(dtype=str), ["nomogram"]).empty
    one_outcome = sensitivity_analysis(rows, rows.loc[rows["outcome"] == 0, "patient_id"], ["nomogram"])
    assert one_outcome["auc"].isna().all()
