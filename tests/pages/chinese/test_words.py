"""The table of words: exact texts before patterns, numbers and names kept, nothing half translated."""

import pytest

from helpers.pages.chinese import words
from helpers.pages.chinese.words import Words

TABLE = {
    "kept": ["AUC|mm", r"D\d{4}"],
    "common": {
        "training": "训练集",
        "first": "首次",
        "{a} vs {b}": "{a} 与 {b}",
        "{a}: {n}": "{a}：{n}",
        "Site: {name}": "医院：{name}",
        "not on {n} mm": "{n} mm 上没有",
    },
    "07": {"first": "前者", "{n} of {n2} pairs": "{n2} 对中 {n} 对"},
}


@pytest.fixture(autouse=True)
def table(known_words):
    known_words(TABLE)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("training", "训练集"),
        ("  training\n ", "训练集"),
        ("first", "前者"),
        ("3 of 15 pairs", "15 对中 3 对"),
        ("training vs AUC", "训练集 与 AUC"),
        ("training: 1,234", "训练集：1,234"),
        ("Site: St. Mary's", "医院：St. Mary's"),
        ("training; 3 of 15 pairs", "训练集；15 对中 3 对"),
        ("Site: A; Site: B", "医院：A；医院：B"),
        ("0.812 (0.7-0.9)", "0.812 (0.7-0.9)"),
        ("D0001", "D0001"),
    ],
)
def test_a_text_is_found_exactly_by_a_pattern_or_in_parts(english, chinese):
    asked = Words("07")
    assert asked.or_english(english) == chinese
    assert not asked.missing


@pytest.mark.parametrize("text", ["testing", "testing vs training", "training; testing", "training: many"])
def test_what_is_not_known_as_a_whole_stays_english_and_is_listed(text):
    asked = Words("07")
    assert asked.or_english(text) == text
    assert asked.missing == {text: text}


def test_a_page_without_a_section_has_the_common_words_and_a_study_its_own():
    assert Words("01").chinese("first") == "首次"
    assert Words("01", {"relapse": "复发"}).chinese("relapse vs training") == "复发 与 训练集"


def test_every_entry_of_the_real_table_uses_the_placeholders_of_its_english(monkeypatch):
    monkeypatch.undo()
    import re

    import yaml

    table = yaml.safe_load(words.TABLE.read_text(encoding="utf-8"))
    for name, section in table.items():
        for english, chinese in (section or {}).items() if name != words.KEPT else ():
            places = [set(re.findall(r"\{(\w+)\}", text)) for text in (english, chinese)]
            assert places[0] == places[1], (name, english)
            assert english == " ".join(english.split()), f"line breaks and blanks do not count: {english}"
