"""Codes and dates mean what the study file says, and nothing else is taken for them."""

import pandas as pd
import pytest

from helpers.patients.own_ways import in_common_words
from helpers.study.sites import CohortTable


def read(cells, **keys):
    return in_common_words(pd.DataFrame(cells), CohortTable(path="t.csv", **keys)).to_dict("list")


def test_codes_of_sex_become_words_and_others_stay():
    assert read({"sex": ["1", "2", "１", "9", "女"]}, sexes={1: "male", 2: "female"}) == {
        "sex": ["male", "female", "male", "9", "女"]
    }


@pytest.mark.parametrize(("order", "day"), [("day first", "2024-04-03"), ("month first", "2024-03-04")])
def test_the_order_of_day_and_month_is_the_study_file_s(order, day):
    assert read({"ct_date": ["03/04/2024", "2024-05-06", ""]}, dates=order) == {
        "ct_date": [day, "2024-05-06", ""]
    }
    assert read({"ct_date": ["03/04/2024"]}) == {"ct_date": ["03/04/2024"]}


def test_an_impossible_day_is_not_made_possible():
    from helpers.patients import spellings

    (day,) = read({"ct_date": ["13/14/2024"]}, dates="day first")["ct_date"]
    assert spellings.date(day) is None


def test_age_is_counted_in_whole_years_to_the_day_of_the_ct():
    born, scanned = ["1950-03-02", "1950-03-01", "1931/1/5", "?"], ["2024-03-01"] * 4
    assert read({"birth_date": born, "ct_date": scanned})["age"] == ["73", "74", "93", ""]


def test_a_given_age_stands_and_birthdays_go_no_further():
    found = read({"birth_date": ["1950-03-02"], "ct_date": ["2024-03-01"], "age": ["70"]})
    assert found == {"ct_date": ["2024-03-01"], "age": ["70"]}
