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


def test_printed_counts_are_those_of_table_1():
    sexes = reported.counts_by_sex("training")
    assert sexes.sum().tolist() == reported.counts_by_cohort().loc["training"].tolist()
    female = reported.reported("Table 1", "training", "osteoporosis", "female")
    assert sexes.loc["female", "osteoporosis"] == female


def test_printed_features_stand_beside_the_steps_that_the_paper_names():
    funnel = pd.DataFrame({"step": ["after mRMR", "after constants"], "computed": [10, 20]})
    paper = reported.features_beside(funnel)["paper"]
    assert paper[0] == 50 and paper.isna().tolist() == [False, True]


def test_performance_and_odds_ratios_get_the_paper_s_columns():
    computed = pd.DataFrame({"cohort": ["internal"], "model": ["nomogram"], "auc": [0.5]})
    assert reported.performance_beside(computed, "Table 5", ["auc"])["paper_auc"].tolist() == [0.849]
    rows = pd.DataFrame({"cohort": "training", "analysis": ["univariable"], "predictor": ["sex"]})
    beside = reported.odds_ratios_beside(rows)
    printed = reported.reported("Table 2", "training", "sex", "univariable_or")
    assert beside["paper_value"].tolist() == [printed]
    assert beside["paper_ci_low"][0] < printed < beside["paper_ci_high"][0]
    assert reported.odds_ratios_beside(rows.iloc[:0])["paper_value"].empty


def test_delong_tests_get_the_texts_of_the_section_and_gaps_elsewhere():
    tests = pd.DataFrame(
        {"cohort": ["training", "training"], "subject": ["nomogram vs clinical", "LR vs KNN"]}
    )
    beside = reported.delong_beside(tests)
    assert beside["paper_z"].isna().tolist() == [False, True]


def test_the_printed_range_of_net_benefit_stands_beside_the_longest():
    ranges = pd.DataFrame(
        {"cohort": "internal", "low": [0.1, 0.6], "high": [0.4, 0.7], "longest": [True, False]}
    )
    beside = reported.benefit_ranges_beside(ranges)
    assert beside["paper_low"].notna().tolist() == beside["paper_high"].notna().tolist() == [True, False]
