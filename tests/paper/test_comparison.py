"""Every printed number stands beside the computed one, and its status follows from the stated rule."""

import pandas as pd
import pytest

from helpers.evaluation.cutoffs import PROPORTIONS
from helpers.paper import comparison, publication
from helpers.paper.comparison import (
    ABSENT,
    AGREES,
    BUILT_IN,
    DIFFERS,
    INSIDE,
    OVERLAPS,
    ROUNDED,
    STATUSES,
    Computed,
    Judge,
)
from helpers.paper.reported import REPORTED_VALUES
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run
from helpers.study.study_file import load_study

TINY = REPOSITORY / "tests" / "data" / "tiny.yml"
TESTS = {"difference": 0.0, "ci_low": 0.0, "ci_high": 0.0, "p_holm": 1.0}


@pytest.fixture(scope="module")
def paper() -> publication.Publication:
    return publication.read_publication(REPORTED_VALUES, REPOSITORY / "data" / "paper" / "design.yml")


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(load_study(TINY), tmp_path)


def status(
    paper, key: tuple, found: Computed, is_virtual: bool = False, **others: Computed
) -> tuple[str, str]:
    computed = {key[1:]: found} | others
    judge = Judge(paper, computed, set(), is_virtual, comparison._paper_counts(paper))
    return judge.status(paper.reported.entries[key])


AUC = ("Table 5", "internal", "nomogram", "auc")  # 0.849 (0.794 to 0.903)
SENSITIVITY = ("Table 5", "internal", "nomogram", "sensitivity")  # 52 of 58
P = ("Text 3.4", "external", "nomogram vs radiomics", "delong_p")  # 0.290
Z = ("Text 3.4", "training", "nomogram vs radiomics", "delong_z")  # 2.071
LIMIT = ("Discussion", "internal", "XGBoost", "auc")  # < 0.80
WORDS = ("Abstract", "external", "radiomics vs clinical", "delong_p")  # < 0.05
AGE = ("Table 1", "external", "osteoporosis", "age_mean")  # 68.26
RANGE = ("Text 3.4", "internal", "nomogram", "dca_highest_net_benefit_range")  # 0.18 to 0.46


@pytest.mark.parametrize(
    ("key", "found", "expected"),
    [
        (AUC, Computed(0.8493), ROUNDED),
        (AUC, Computed(0.8503), ROUNDED),  # the next printed digit: "rounding" in the audit
        (AUC, Computed(0.80), INSIDE),
        (AUC, Computed(0.79), DIFFERS),
        (SENSITIVITY, Computed(52 / 58), ROUNDED),
        # Wilson's interval of 52 of 58 is 0.792 to 0.952 (R prop.test without correction).
        (SENSITIVITY, Computed(0.795), INSIDE),
        (SENSITIVITY, Computed(0.789), DIFFERS),
        (P, Computed(0.2901), ROUNDED),
        (P, Computed(0.9), AGREES),
        (P, Computed(0.04), DIFFERS),
        (Z, Computed(3.0), AGREES),
        (Z, Computed(-3.0), DIFFERS),
        (Z, Computed(1.9), DIFFERS),
        (LIMIT, Computed(0.79), AGREES),
        (LIMIT, Computed(0.826), DIFFERS),  # inside the interval of Table 3, but the text says below 0.80
        (AGE, Computed(68.264), ROUNDED),
        (AGE, Computed(68.3), DIFFERS),
        (RANGE, Computed(float("nan"), 0.40, 0.80), OVERLAPS),
        (RANGE, Computed(float("nan"), 0.47, 0.80), DIFFERS),
        (AUC, Computed(float("nan")), ABSENT),
    ],
)
def test_status_follows_the_rule(paper, key, found, expected):
    assert status(paper, key, found)[0] == expected


def test_a_significant_difference_the_other_way_round_is_no_agreement(paper):
    def with_aucs(radiomics, clinical):
        computed = {WORDS[1:]: Computed(0.01)}
        computed |= {("external", "radiomics", "auc"): Computed(radiomics)}
        computed |= {("external", "clinical", "auc"): Computed(clinical)}
        return Judge(paper, computed, set(), False, {}).status(paper.reported.entries[WORDS])

    assert with_aucs(0.85, 0.75)[0] == AGREES
    assert with_aucs(0.75, 0.85) == (DIFFERS, "significant in the other direction")


def test_only_virtual_patients_agree_by_construction(paper):
    assert status(paper, AGE, Computed(68.26), is_virtual=True)[0] == BUILT_IN
    assert status(paper, AGE, Computed(68.26), is_virtual=False)[0] == ROUNDED
    assert status(paper, AGE, Computed(70.0), is_virtual=True)[0] == DIFFERS
    assert status(paper, AUC, Computed(0.849), is_virtual=True)[0] == ROUNDED


def test_a_number_that_the_settings_fix_is_by_construction_for_everyone(paper):
    key = ("Text 3.2", "training", "features", "after mRMR")
    assert status(paper, key, Computed(50.0))[0] == BUILT_IN
    assert status(paper, key, Computed(30.0))[0] == DIFFERS


def test_every_printed_number_is_there_once_even_when_nothing_was_computed(run, paper):
    table = comparison.compare_with_paper(run, paper)
    printed = pd.read_csv(REPORTED_VALUES, dtype=str)
    keys = ["item", "cohort", "subject", "metric"]
    assert sorted(map(tuple, table[keys].to_numpy())) == sorted(map(tuple, printed[keys].to_numpy()))
    assert (table["status"] == ABSENT).all()
    assert table["why"].str.fullmatch(r"notebook \d\d has not run in this folder").all()


def table_1(cohort: str, male: int | str = 8) -> list[list]:
    cases = {"n": 58, "age_mean": 67.72, "age_sd": 9.2, "male": male, "female": 50}
    controls = {"n": 122, "age_mean": 60.92, "age_sd": 8.17, "male": 38, "female": 84}
    groups = {"osteoporosis": cases, "non-osteoporosis": controls}
    return [
        [cohort, name, metric, value] for name, group in groups.items() for metric, value in group.items()
    ]


def test_whole_cohorts_follow_from_the_groups_of_table_1(run, paper):
    rows = table_1("training") + table_1("internal")
    run.write_table("table_1", pd.DataFrame(rows, columns=["cohort", "subject", "metric", "value"]))
    table = comparison.compare_with_paper(run, paper).set_index(["item", "cohort", "subject", "metric"])
    assert table.loc[("Text 2.1", "development", "cohort", "n"), "computed"] == "360"
    assert table.loc[("Text 2.1", "development", "cohort", "male"), "difference"] == 92 - 140
    # 58 of 67.72 years and 122 of 60.92 years, twice.
    assert table.loc[("Text 2.1", "development", "cohort", "age_mean"), "computed"] == "63.11"
    percent = table.loc[("Table 1", "internal", "osteoporosis", "male_percent")]
    assert (percent["computed"], percent["status"]) == ("13.79", BUILT_IN)
    # There are no external patients: nothing is said of all.
    assert table.loc[("Discussion", "all", "cohort", "n"), "status"] == ABSENT


def test_a_hidden_count_is_not_worked_out(run, paper):
    rows = table_1("internal", male="<10")
    run.write_table("table_1", pd.DataFrame(rows, columns=["cohort", "subject", "metric", "value"]))
    table = comparison.compare_with_paper(run, paper).set_index(["item", "cohort", "subject", "metric"])
    for metric in ("male", "male_percent"):
        row = table.loc[("Table 1", "internal", "osteoporosis", metric)]
        assert (row["status"], row["computed"]) == (ABSENT, "")


def test_values_come_from_the_shared_tables(run, paper):
    auc = {"auc": 0.8493, "ci_low": 0.79, "ci_high": 0.91, **dict.fromkeys(PROPORTIONS, 0.5)}
    run.write_table("table_5", pd.DataFrame([{"model": "nomogram", "cohort": "internal", **auc}]))
    test = {"cohort": "external", "subject": "LR vs KNN", "z": 1.4, "p_value": 0.0004, **TESTS}
    run.write_table("delong_pairs", pd.DataFrame([test]))
    run.write_json("selection", {"lambda": 0.01206})
    table = comparison.compare_with_paper(run, paper).set_index(["item", "cohort", "subject", "metric"])
    row = table.loc[AUC]
    assert (row["computed"], row["difference"], row["status"]) == ("0.849 (0.790 to 0.910)", 0.0, ROUNDED)
    assert (row["figure"], row["chapter"]) == ("Figure 6", "06")
    row = table.loc[("Table 4", "external", "LR vs KNN", "delong_p")]
    assert (row["computed"], row["status"]) == ("<0.001", DIFFERS)
    assert table.loc[("Text 3.2", "training", "LASSO", "ln_lambda"), "status"] == ROUNDED


def test_the_papers_aucs_stand_beside_the_computed_ones(run, paper):
    row = {"cohort": "internal", "model": "nomogram", "auc": 0.9, "ci_low": 0.8, "ci_high": 0.95}
    run.write_table("table_5", pd.DataFrame([row | dict.fromkeys(PROPORTIONS, 0.5)]))
    table = comparison.aucs_beside(run, paper).set_index(["cohort", "model"])
    assert len(table) == 9
    assert table.loc[("internal", "nomogram")].tolist() == [0.849, 0.794, 0.903, 0.9, 0.8, 0.95]
    assert table.loc[("external", "clinical"), "computed":].isna().all()


def test_counts_add_up(run, paper):
    table = comparison.compare_with_paper(run, paper)
    counts = comparison.status_counts(table)
    assert counts.loc["all"].sum() == len(table)
    assert list(counts.columns) == STATUSES
