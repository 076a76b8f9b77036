"""Performance at a cut-off locked on training data, and without the patients whom a rule sets aside."""

import pandas as pd
import pytest
from made_up_predictions import two_sets

from helpers.evaluation.cutoffs import confusion_metrics
from helpers.evaluation.performance import performance_table, sensitivity_analysis


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
