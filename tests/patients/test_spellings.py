"""What people type is read as meant, or not at all."""

import datetime

import pytest

from helpers.patients import spellings

DAY = datetime.date(2024, 3, 1)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("-2.5", -2.5),
        ("-2,5", -2.5),
        ("－２.５", -2.5),
        ("－２．５", -2.5),
        ("“−2.5”", -2.5),
        (" – 2.5 ", -2.5),
        ("+1.2", 1.2),
        (".5", 0.5),
        ("65岁", 65),
        ("12 days", 12),
        ("1,234", None),
        ("0,125", 0.125),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("2.5SD", None),
        ("", None),
    ],
)
def test_numbers(text, read):
    assert spellings.number(text) == read


@pytest.mark.parametrize(
    "text",
    [
        *("2024-03-01", "2024-03-01 10:22:00", "2024-03-01T00:00", "2024/3/1", "2024.3.1", "2024年3月1日"),
        *("２０２４年３月１日", "20240301", "1.3.2024", "01-Mar-2024", "1 March 2024", "Mar 1, 2024"),
        *("45352", "45352.5"),
    ],
)
def test_dates_that_are_certain(text):
    assert spellings.date(text) == DAY


@pytest.mark.parametrize(
    "text",
    ["03/04/2024", "1/3/2024", "01-03-2024", "3/1/24", "2024-13-01", "20241301", "1900-01-01", "12", "x"],
)
def test_dates_that_are_not_certain_are_not_guessed(text):
    assert spellings.date(text) is None


def test_a_day_above_12_leaves_one_order():
    assert spellings.date("25/03/2024") == spellings.date("03/25/2024") == datetime.date(2024, 3, 25)
    assert spellings.date("03/03/2024") == datetime.date(2024, 3, 3)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("F", "female"),
        ("Male", "male"),
        ("女", "female"),
        ("男性", "male"),
        ("ｍ", "male"),
        ("1", None),
        ("", None),
    ],
)
def test_sexes(text, read):
    assert spellings.sex(text) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [("是", True), ("No", False), ("无", False), ("1", True), ("０", False), ("2", None), ("", None)],
)
def test_answers(text, read):
    assert spellings.yes_no(text) is read


def test_words_for_nothing_known():
    assert all(spellings.is_missing(text) for text in ("", " ", "/", "－", "N/A", "未测"))
    assert not any(spellings.is_missing(text) for text in ("0", "-2.5", "no", "无", "none"))
