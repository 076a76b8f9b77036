"""Cohorts keep the paper's names with one external hospital, and each of several has a name of its own."""

import pandas as pd

from helpers.study import cohorts
from helpers.study.contracts import check


def test_one_external_hospital_is_the_papers_cohort():
    assert cohorts.external_cohorts(["Partner"]) == {"Partner": "external"}
    assert [cohorts.cohort_title(name) for name in cohorts.PAPER] == [
        "Training",
        "Internal validation",
        "External validation",
    ]


def test_of_several_each_has_its_own_in_the_studys_order():
    own = cohorts.external_cohorts(["Z", "A", "M: 2"])
    assert list(own.values()) == ["external: Z", "external: A", "external: M: 2"]
    rows = ["external: Z", "internal", "external: A", "training", "external: Z", "external: M: 2", ""]
    assert cohorts.ordered_cohorts(rows) == ["training", "internal", *own.values()]
    assert cohorts.cohort_title("external: M: 2") == "External validation: M: 2"


def test_the_contract_takes_them_and_nothing_else():
    table = pd.DataFrame({"patient_id": ["P1"], "outcome": [1], "rad_score": [0.1]})
    for name in ("training", "external", "external: Z"):
        assert len(check("rad_score", table.assign(cohort=name)))
    try:
        check("rad_score", table.assign(cohort="test"))
    except ValueError as error:
        assert "test" in str(error)
    else:
        raise AssertionError("a cohort that the book does not know")


def test_other_names_stay_as_they_are():
    """The paper prints totals, too."""
    assert cohorts.cohort_title("all") == "all" and not cohorts.is_cohort("all")


def test_parts_of_file_names_hold_no_hospitals_words():
    names = ["training", "external: a/b", "external: 医院"]
    assert list(cohorts.file_parts(names).values()) == ["training", "external_1", "external_2"]
