"""Printed values are found where they belong, and stand beside computed ones without entering them."""

import pandas as pd
import pytest

from helpers.paper import reported


def test_a_printed_number_is_found():
    assert reported.reported("Table 5", "internal", "nomogram", "auc") == 0.849


def test_an_unknown_value_is_an_error_not_a_guess():
    with pytest.raises(KeyError):
        reported.reported("Table 5", "internal", "nomogram", "brier")


def test_beside_follows_the_rows_and_leaves_gaps():
    computed = pd.DataFrame({"cohort": ["external", "training", "training"], "model": ["LR", "KNN", "none"]})
    beside = reported.beside(computed, "Table 3", "auc", "model")
    assert beside.tolist()[:2] == [0.848, 0.902]
    assert pd.isna(beside[2])


def test_pairs_are_read_computed_first():
    table = pd.DataFrame(
        {
            "model": "LR",
            "cohort": ["training"],
            "auc": [0.8571],
            "paper_auc": [0.88],
            "ppv": [float("nan")],
            "paper_ppv": [0.726],
            "ci_low": [0.8],
            "ci_high": [0.9],
        }
    )
    shown = reported.pairs(table, ["auc", "ppv"])
    assert shown.loc[0, "auc"] == "0.857 /\xa00.880"
    assert shown.loc[0, "ppv"] == "- /\xa00.726"
