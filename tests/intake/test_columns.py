"""Columns are recognised by header and content together; where either leaves a doubt, a person decides."""

import numpy as np
import pandas as pd
import pytest

from helpers.intake.columns import codes_of_sex, order_of_dates, recognised
from helpers.study.study_file import OPEN

N = 20
RNG = np.random.default_rng(1)
T = [f"{value:.1f}" for value in RNG.normal(-2, 1, N)]
BMD = [f"{value:.3f}" for value in RNG.uniform(0.6, 1.2, N)]
AGES = [str(value) for value in RNG.integers(50, 90, N)]
DAYS = [f"2024-03-{day:02d}" for day in range(1, N + 1)]
SEXES = ["女", "男"] * (N // 2)


def headers(table):
    return {name: guess.value for name, guess in recognised(pd.DataFrame(table)).items()}


@pytest.mark.parametrize(
    "table",
    [
        {"性别": SEXES, "年龄": AGES, "腰T值": T, "颈T值": T, "髋T值": T, "CT日期": DAYS, "DXA日期": DAYS},
        {"xb": SEXES, "nl": AGES, "yztz": T, "ggjtz": T, "qktz": T, "ctrq": DAYS, "gmdrq": DAYS},
        {
            "Sex": ["F", "M"] * (N // 2),
            "Age (years)": AGES,
            "L1-L4 T-score": T,
            "Femoral neck T-score": T,
            "Total hip T-score": T,
            "CT date": DAYS,
            "DXA date": DAYS,
        },
    ],
    ids=["Chinese", "pinyin", "English"],
)  # fmt: skip
def test_three_ways_to_write_one_table(table):
    names = [
        "sex",
        "age",
        "t_score_lumbar",
        "t_score_femoral_neck",
        "t_score_total_hip",
        "ct_date",
        "dxa_date",
    ]
    assert headers(table) == dict(zip(names, table, strict=True))


@pytest.mark.parametrize(
    "header", ["腰椎Z值", "Lumbar Z-score", "腰椎骨密度(g/cm2)", "Lumbar BMD", "前臂T值", "L2 T-score"]
)
def test_what_is_no_t_score_of_a_known_site_is_none(header):
    assert headers({header: T}) == {}


def test_a_header_of_t_scores_over_other_content_is_not_believed():
    assert headers({"腰椎T值": ["normal"] * N}) == {} and headers({"T-score": ["850"] * N}) == {}


def test_sites_under_a_joined_header_may_be_z_scores():
    assert headers({"腰椎": T, "股骨颈": T}) == {"t_score": OPEN}
    assert headers({"腰椎": BMD, "股骨颈": BMD}) == {}


def test_two_columns_of_one_meaning_are_left_open():
    assert headers({"左股骨颈T值": T, "右股骨颈T值": T[::-1]}) == {"t_score_femoral_neck": OPEN}


def test_a_lowest_t_score_is_taken_beside_its_sites_only_when_it_is_the_lowest():
    lowest = [min(pair, key=float) for pair in zip(T, T[::-1], strict=True)]
    table = {"T值": lowest, "腰椎T值": T, "全髋T值": T[::-1]}
    assert headers(table)["t_score"] == "T值"
    assert "t_score" not in headers(table | {"T值": T})


def test_birthdays_stand_in_for_ages_only_where_there_are_none():
    born = ["1950-02-01"] * N
    assert headers({"出生日期": born}) == {"birth_date": "出生日期"}
    assert headers({"出生日期": born, "年龄": AGES}) == {"age": "年龄"}


SEEN = pd.Series(["M", "F"] * (N // 2))
CODES = ["1", "2"] * (N // 2)


def meaning(header, codes=CODES, seen=None):
    table = pd.DataFrame({header: codes})
    return codes_of_sex(table[header], pd.Series(index=table.index, dtype=object) if seen is None else seen)


@pytest.mark.parametrize(
    "header", ["性别(1男2女)", "Sex (1=male, 2=female)", "性别 男=1，女=2", "gender: male 1 female 2"]
)
def test_a_header_may_explain_its_codes(header):
    guess = meaning(header)
    assert guess.value == {"1": "male", "2": "female"} and guess.sure == "sure"
    assert meaning("性别(0女1男)", ["0", "1"] * 10).value == {"0": "female", "1": "male"}


def test_dicom_headers_explain_codes_unless_they_contradict_each_other():
    assert meaning("性别", seen=SEEN).value == {"1": "male", "2": "female"}
    assert meaning("性别", seen=SEEN[::-1].reset_index(drop=True)).value == {"1": "female", "2": "male"}
    mixed = SEEN.copy()
    mixed[0] = "F"
    assert meaning("性别", seen=mixed).value == {"1": OPEN, "2": OPEN}


def test_codes_that_nothing_explains_are_left_to_a_person():
    guess = meaning("性别")
    assert guess.sure == "open" and guess.value == {"1": OPEN, "2": OPEN}
    assert meaning("性别", SEXES) is None


def test_day_and_month_are_told_by_others_of_the_column_or_not_at_all():
    def order(*days):
        guess = order_of_dates([pd.Series(days)])
        return guess and guess.value

    certain = [f"{day}/04/2024" for day in range(13, 19)]
    assert order("03/04/2024", *certain) == "day first"
    assert order("03/04/2024", *(f"04/{day}/2024" for day in range(13, 19))) == "month first"
    assert order("03/04/2024") == OPEN
    assert order("03/04/2024", *certain, "04/20/2024") == OPEN
    assert order("2024-03-04", "04/04/2024") is None
