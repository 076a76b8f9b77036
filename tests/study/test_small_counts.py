"""What leaves the hospital shows no small group of patients: no count below the limit, and nothing from which
one could be worked out. Expected tables are written by hand; random tables are attacked by subtraction."""

import numpy as np
import pandas as pd
import pytest

from helpers.patients import table_1
from helpers.study import small_counts
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run
from helpers.study.study_file import load_study

NA = pd.NA


def test_a_count_below_the_limit_is_a_bound_and_zero_stays():
    assert [small_counts.shown_count(n, 10) for n in (0, 1, 9, 10, 431)] == ["0", "<10", "<10", "10", "431"]
    assert small_counts.shown_count(3, 0) == "3"


def test_without_a_limit_the_table_is_the_same():
    table = pd.DataFrame({"cohort": ["training"], "n": [3]})
    assert small_counts.protect("scanners", table, 0) is table


def test_a_single_small_count_takes_the_second_smallest_with_it():
    scanners = pd.DataFrame(
        {
            "cohort": ["training"] * 3 + ["external"] * 2,
            "scanner": ["A", "B", "C", "A", "B"],
            "patients": [80, 4, 30, 60, 50],
            "tube_kv": ["120", "100", "120", "120", "120"],
        }
    )
    shown = small_counts.protect("scanners", scanners, 10)
    assert shown["patients"].tolist() == [80, "<10", "hidden", 60, 50]
    assert shown["tube_kv"].isna().tolist() == [False, True, False, False, False]
    assert scanners["patients"].tolist() == [80, 4, 30, 60, 50]


def test_two_small_counts_that_are_few_together_take_a_third_with_them():
    table = pd.DataFrame({"cohort": "training", "scanner": list("ABC"), "patients": [1, 1, 50]})
    assert small_counts.protect("scanners", table, 10)["patients"].tolist() == ["<10", "<10", "hidden"]
    table["patients"] = [6, 7, 50]
    assert small_counts.protect("scanners", table, 10)["patients"].tolist() == ["<10", "<10", 50]


@pytest.mark.parametrize("pair", [(9, 9), (1, 10), (2, 9)])
def test_a_bound_beside_a_known_sum_tells_no_count(pair):
    """ "<10" twice of 18 are nine each; "<10" beside what is no small count, of 11, is one."""
    table = pd.DataFrame({"cohort": "training", "scanner": list("ABC"), "patients": [*pair, 50]})
    shown = small_counts.protect("scanners", table, 10)["patients"].tolist()
    assert (shown[2] == "hidden") == (pair != (2, 9))
    shown = small_counts.protect("scanners", table.iloc[:2], 10)["patients"].tolist()
    assert shown == (["<10", "<10"] if pair == (2, 9) else ["hidden", "hidden"])


def test_small_counts_of_a_small_sum_that_can_only_be_ones_are_no_bounds():
    """Two of "<3" within a sum that is "<3" are one each: found by solving the tiny study's tables."""
    table = pd.DataFrame({"cohort": "internal", "scanner": list("ABC"), "patients": [1, 1, 0]})
    assert small_counts.protect("scanners", table, 3)["patients"].tolist() == ["hidden", "hidden", 0]
    assert small_counts.protect("scanners", table, 4)["patients"].tolist() == ["<4", "<4", 0]


def test_status_of_the_images_hides_along_rows_and_columns():
    quality = pd.DataFrame(
        {
            "cohort": ["training", "internal", "external", "all"],
            "patients": [100, 50, 80, 230],
            "ok": [95, 50, 60, 205],
            "warned": [5, 0, 20, 25],
            "refused": [0, 0, 0, 0],
            "volume_mean": [2.0, 3.0, 4.0, 3.1],
        }
    )
    shown = small_counts.protect("preprocessing_summary", quality, 10)
    assert shown["warned"].tolist() == ["<10", 0, "hidden", 25]
    assert shown["ok"].tolist() == ["hidden", 50, "hidden", 205]
    assert shown["patients"].tolist() == [100, 50, 80, 230]
    assert shown["volume_mean"].tolist() == [2.0, 3.0, 4.0, 3.1]


def test_few_with_or_few_without_the_outcome_hide_the_rows_results():
    table = pd.DataFrame({"group": list("ABC"), "n": [40, 40, 40], "events": [3, 36, 20], "auc": 0.8})
    shown = small_counts.protect("any", table, 10)
    assert shown["events"].tolist() == ["<10", "hidden", 20]
    assert shown["auc"].isna().tolist() == [True, True, False]
    assert shown["n"].tolist() == [40, 40, 40]


def flow(*rows):
    return pd.DataFrame(rows, columns=["site", "stage", "reason", "patients", "outcome"])


def test_flow_chart_keeps_no_sum_that_tells_a_hidden_number():
    shown = small_counts.protect(
        "flow_chart",
        flow(
            ("A", "screened", "", 130, NA),
            ("A", "excluded", "young", 3, NA),
            ("A", "excluded", "metal", 15, NA),
            ("A", "excluded", "fracture", 27, NA),
            ("A", "included", "", 85, 28),
            ("A", "training", "", 60, 20),
            ("A", "internal", "", 25, 8),
        ),
        10,
    )
    assert shown["patients"].tolist() == [130, "<10", "hidden", 27, 85, 60, 25]
    assert shown["outcome"].astype(str).tolist()[4:] == ["hidden", "20", "<10"]


def test_rows_of_any_index_are_protected():
    table = pd.DataFrame({"cohort": "training", "scanner": list("AB"), "patients": [40, 4]}, index=[3, 3])
    assert small_counts.protect("scanners", table, 10)["patients"].tolist() == ["hidden", "<10"]


def test_a_single_small_exclusion_takes_the_number_screened_with_it():
    shown = small_counts.protect(
        "flow_chart",
        flow(
            ("A", "screened", "", 63, NA),
            ("A", "excluded", "young", 3, NA),
            ("A", "included", "", 60, 30),
            ("A", "analysed", "", 60, 30),
            ("A", "external", "", 60, 30),
        ),
        10,
    )
    assert shown["patients"].tolist() == ["hidden", "<10", 60, 60, 60]
    assert shown["outcome"].tolist()[2:] == [30, 30, 30]


@pytest.mark.parametrize(
    "excluded, shown",
    [
        ([("young", 17)], ["hidden", 17, "hidden", "<10", 100, 70, 30]),
        ([("young", 12), ("metal", 5)], [120, "hidden", "<10", "hidden", "<10", 100, 70, 30]),
    ],
)
def test_few_unusable_patients_are_not_those_included_less_those_analysed(excluded, shown):
    rows = [("A", "screened", "", 120, NA)]
    rows += [("A", "excluded", reason, count, NA) for reason, count in excluded]
    rows += [("A", "included", "", 103, 41), ("A", "unusable", "mask", 3, NA), ("A", "analysed", "", 100, 40)]
    rows += [("A", "training", "", 70, 28), ("A", "internal", "", 30, 12)]
    found = small_counts.protect("flow_chart", flow(*rows), 10)
    assert found["patients"].tolist() == shown
    assert found.set_index("stage")["outcome"][["included", "analysed"]].tolist() == ["hidden", 40]


def test_the_outcome_of_the_unusable_is_not_a_difference_either():
    rows = [("A", "screened", "", 120, NA), ("A", "included", "", 120, 45), ("A", "unusable", "mask", 20, NA)]
    rows += [("A", "analysed", "", 100, 40), ("A", "external", "", 100, 40)]
    found = small_counts.protect("flow_chart", flow(*rows), 10).set_index("stage")
    assert found["patients"].tolist() == [120, 120, 20, 100, 100]
    assert found["outcome"][["included", "analysed"]].tolist() == ["hidden", 40]


def test_table_1_hides_a_characteristic_with_its_test_and_the_moments_of_a_small_group():
    rows = [
        ("patients", "cohort", "n", 50),
        ("patients", "osteoporosis", "n", 8),
        ("patients", "non-osteoporosis", "n", 42),
        *[
            ("age", group, f"age_{kind}", 60)
            for group in ("osteoporosis", "non-osteoporosis")
            for kind in ("mean", "sd")
        ],
        ("age", "age", "p_value", 0.01),
        ("sex", "osteoporosis", "male", 0),
        ("sex", "osteoporosis", "female", 8),
        ("sex", "non-osteoporosis", "male", 20),
        ("sex", "non-osteoporosis", "female", 22),
        ("sex", "sex", "smd", 0.5),
    ]
    table = pd.DataFrame(rows, columns=["characteristic", "subject", "metric", "value"]).assign(
        cohort="internal"
    )
    shown = small_counts.protect("table_1", table, 10)["value"].tolist()
    assert shown[:3] == [50, "<10", "hidden"]
    assert np.isnan(shown[3:5] + shown[7:8]).all()
    assert shown[5:7] == [60, 60]
    assert shown[8:12] == ["hidden", "<10", "hidden", "hidden"]
    assert np.isnan(shown[12])


def test_table_1_of_a_cohort_that_is_small_itself():
    rows = [("cohort", 6), ("osteoporosis", 2), ("non-osteoporosis", 4)]
    table = pd.DataFrame(rows, columns=["subject", "value"])
    table = table.assign(cohort="internal", characteristic="patients", metric="n")
    assert small_counts.protect("table_1", table, 10)["value"].tolist() == ["<10"] * 3


def beside(*rows):
    """Cohorts beside each other: characteristic, cohort, n, mean or count."""
    table = pd.DataFrame(rows, columns=["characteristic", "cohort", "n", "mean", "count"])
    return table.assign(sd=9.0, share=table["count"] / table["n"], p_value=0.1, smd=0.2)


def test_the_comparison_of_cohorts_is_protected_before_it_is_printed():
    table = beside(
        ("male", "training", 420, np.nan, 94),
        ("male", "external", 263, np.nan, 78),
        ("diabetes", "training", 420, np.nan, 7),
        ("diabetes", "external", 263, np.nan, 258),
        ("age", "training", 420, 61.43, np.nan),
        ("age", "external", 263, 61.76, np.nan),
    )
    shown = small_counts.protect("table_1_cohorts", table, 10)
    assert shown["count"].tolist()[:4] == [94, 78, "<10", "hidden"]
    for told in ("share", "p_value", "smd"):
        assert shown[told].isna().tolist()[:4] == [False, False, True, True]
    printed = table_1.printed_cohorts(shown)
    assert printed["characteristic"].tolist() == ["male", "diabetes", "age"]
    assert printed["training"].tolist() == ["94 (22.38%)", "<10", "61.43 ± 9.00"]
    assert printed["external"].tolist() == ["78 (29.66%)", "hidden", "61.76 ± 9.00"]
    assert (
        printed["smd_external"].isna().tolist() == printed["p_value"].isna().tolist() == [False, True, False]
    )


@pytest.mark.parametrize("seed", range(20))
def test_no_printed_count_and_no_rest_of_it_is_small(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(10, 60, 12)
    counts = rng.integers(0, sizes + 1)
    names = [(title, cohort) for title in "ABCD" for cohort in ("training", "internal", "external")]
    rows = [(*name, n, np.nan, count) for name, n, count in zip(names, sizes, counts, strict=True)]
    table = small_counts.protect("table_1_cohorts", beside(*rows), 10)
    printed = table_1.printed_cohorts(table).set_index("characteristic")
    for title, cohort, n, _, count in rows:
        text, safe = printed.loc[title, cohort], count == 0 or min(count, n - count or count) >= 10
        assert text == (f"{count} ({100 * count / n:.2f}%)" if safe else "<10" if count < 10 else "hidden")
        assert safe or np.isnan(printed.loc[title, "p_value"])


def test_a_rest_that_two_decimals_of_its_share_do_not_show_is_small_all_the_same():
    shown = small_counts.protect("table_1_cohorts", beside(("male", "training", 90_000, np.nan, 89_999)), 10)
    assert shown["count"].tolist() == ["hidden"]


def test_nobody_of_a_small_cohort_is_still_nobody():
    shown = small_counts.protect("table_1_cohorts", beside(("male", "training", 6, np.nan, 0)), 10)
    assert shown[["n", "count"]].to_numpy().tolist() == [["<10", 0]]
    assert table_1.printed_cohorts(shown)["training"].tolist() == ["0 (0.00%)"]


def test_share_and_private_get_texts_of_the_numbers_that_they_may_show(tmp_path):
    study = load_study(REPOSITORY / "data" / "studies" / "quick.yml").model_copy(update={"min_cell": 10})
    run = Run(study, tmp_path)
    table = beside(("male", "training", 420, np.nan, 94), ("male", "external", 263, np.nan, 7))
    shown = run.write_table("table_1_cohorts", table, printed=table_1.printed_cohorts)
    header = "data,characteristic,training,external,p_value,smd_external\n"
    assert shown["external"].tolist() == ["<10"]
    share = run.table_path("table_1_cohorts").read_text(encoding="utf-8")
    assert share == header + "virtual,male,94 (22.38%),<10,,\n"
    whole = (run.private / "tables" / "table_1_cohorts.csv").read_text(encoding="utf-8")
    assert whole == header + "virtual,male,94 (22.38%),7 (2.66%),0.1,0.2\n"


def test_a_sensitivity_that_tells_a_few_missed_patients_is_left_out():
    sizes = pd.DataFrame({"n": [180, 180], "events": [58, 8]}, index=["internal", "external"])
    table = pd.DataFrame(
        {
            "model": "LR",
            "cohort": ["internal", "internal", "external"],
            "auc": 0.8,
            "sensitivity": [52 / 58, 40 / 58, 1.0],
            "specificity": [100 / 122, 100 / 122, 100 / 172],
            "accuracy": 0.8,
            "paper_auc": 0.85,
        }
    )
    shown = small_counts.protect("table_5", table, 10, sizes)
    assert shown["sensitivity"].isna().tolist() == shown["accuracy"].isna().tolist() == [True, False, True]
    assert shown["auc"].isna().tolist() == [False, False, True]  # 8 events in all
    assert shown["paper_auc"].tolist() == [0.85] * 3
    limits = table.rename(columns={"sensitivity": "sensitivity_strict", "accuracy": "specificity_strict_low"})
    shown = small_counts.protect("table_5", limits, 10, sizes)  # an interval gives its estimate away
    assert shown["specificity_strict_low"].isna().tolist() == [True, False, True]


@pytest.mark.parametrize("seed", range(40))
def test_no_hidden_cell_can_be_had_by_subtraction(seed):
    """Hidden cells of a known sum are 10 patients in 2 cells or more."""
    rng = np.random.default_rng(seed)
    parts = rng.integers(0, 40, (4, 3))
    table = pd.DataFrame(parts, columns=["ok", "warned", "refused"])
    table.insert(0, "patients", parts.sum(1))
    table.insert(0, "cohort", list("ABCD"))
    shown = small_counts.protect("preprocessing_summary", table, 10).iloc[:, 2:]
    hidden = shown.map(lambda cell: isinstance(cell, str)).to_numpy()
    assert not ((parts > 0) & (parts < 10) & ~hidden).any()
    for cells, covered in [*zip(parts, hidden, strict=True), *zip(parts.T, hidden.T, strict=True)]:
        unknown = covered & (cells > 0)
        shown = ~covered & (cells > 0)
        assert not unknown.any() or not shown.any() or (unknown.sum() > 1 and cells[unknown].sum() >= 10)


def test_share_gets_the_protected_table_and_private_the_whole(tmp_path):
    study = load_study(REPOSITORY / "data" / "studies" / "quick.yml").model_copy(update={"min_cell": 10})
    run = Run(study, tmp_path)
    table = pd.DataFrame({"cohort": "training", "scanner": ["A", "B"], "patients": [40, 4], "tube_kv": "120"})
    shown = run.write_table("scanners", table)
    assert shown["patients"].tolist() == ["hidden", "<10"]
    written = run.table_path("scanners").read_text(encoding="utf-8")
    assert "<10" in written and ",4," not in written
    assert ",4," in (run.private / "tables" / "scanners.csv").read_text(encoding="utf-8")


def test_what_a_table_hides_itself_stays_hidden():
    table = pd.DataFrame(
        {"patients": ["a", "b"], "n": [40, small_counts.HIDDEN], "events": [20, small_counts.HIDDEN]}
    )
    shown = small_counts.protect("any", table.assign(auc=0.8), 10)
    assert (
        shown["n"].tolist() == [40, small_counts.HIDDEN]
        and shown["events"].tolist()[1] == small_counts.HIDDEN
    )


def test_the_flow_at_a_new_hospital_gives_no_small_count_away():
    rows = [("all", "", 60), ("excluded", "young", 12), ("refused", "mask", 3), ("scored", "", 45)]
    table = pd.DataFrame(rows, columns=["stage", "reason", "patients"])
    shown = small_counts.protect("new_hospital_flow", table, 10)["patients"].tolist()
    assert shown == [60, small_counts.HIDDEN, "<10", 45]


def test_a_small_hospital_left_out_in_turn_shows_nothing_but_that_it_was_there():
    hospitals = pd.DataFrame(
        {
            "hospital": ["A", "B", "C", "A", "B", "C"],
            "model": ["radiomics"] * 3 + ["nomogram"] * 3,
            "status": ["judged", "judged", "small"] * 2,
            "n": [90, 60, 29] * 2,
            "events": [40, 30, 7] * 2,
            "auc": [0.7, 0.6, 0.8] * 2,
        }
    )
    shown = small_counts.protect("strict_hospitals", hospitals, 10)
    small = shown[shown["hospital"] == "C"]
    assert (small["events"] == "<10").all() and (small["status"] == "small").all()
    assert small["auc"].isna().all()
    # The number of all is known, so that the next smallest goes with it.
    assert (shown.loc[shown["hospital"] == "B", "events"] == "hidden").all()
    assert (shown.loc[shown["hospital"] == "A", "events"] == 40).all()
