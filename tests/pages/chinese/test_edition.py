"""Tables of book/ in the Chinese edition: the same rows and numbers, their words in Chinese."""

import csv
import re

import pytest

from helpers.pages.chinese import edition
from helpers.study.places import REPOSITORY

TABLES = sorted((REPOSITORY / "book").glob("*.csv"))


@pytest.mark.parametrize("path", TABLES, ids=[path.stem for path in TABLES])
def test_a_table_of_the_book_keeps_names_and_numbers_and_has_no_english_words(path):
    english = path.read_text(encoding="utf-8")
    before, after = (
        [*csv.reader(text.splitlines())] for text in (english, edition.table(path.name, english))
    )
    assert len(before) == len(after) > 1
    for row, translated in zip(before, after, strict=True):
        for cell, said in zip(row, translated, strict=True):
            if re.fullmatch(r"\w+_\w+|-?[\d.]+", cell):
                assert said == cell
            else:
                assert re.search("[\u4e00-\u9fff]", said), cell


def test_a_cell_with_a_comma_stays_one_cell():
    assert edition.table("ibsi_x.csv", 'remark,ratio\n"1, 2",3\n') == '备注,比值\n"1, 2",3\n'
