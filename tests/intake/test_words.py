"""Whatever is said in English is said in Chinese, with the same gaps; no sentence is said by nobody."""

import re
from string import Formatter

from helpers.intake.guesses import said
from helpers.intake.words import say, sentences
from helpers.study.places import REPOSITORY


def test_both_languages_have_the_same_gaps():
    for key, forms in sentences().items():
        gaps = {language: set(re.findall(r"(?<!{){(\w+)}", text)) for language, text in forms.items()}
        # Chinese leaves out what a header says twice, never a count.
        assert gaps["en"] == gaps["zh"], key


def test_every_sentence_can_be_filled():
    for key, forms in sentences().items():
        for language, text in forms.items():
            gaps = {name for _, name, *_ in Formatter().parse(text) if name is not None}
            assert "" not in gaps and say(said(key, **dict.fromkeys(gaps, "x")), language), key
            assert all(gap.isidentifier() for gap in gaps), key


def test_every_sentence_is_used_and_every_used_one_exists():
    places = [*(REPOSITORY / "src/helpers/intake").glob("*.py"), REPOSITORY / "src/helpers/commands/init.py"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in places)
    told = set(re.findall(r'said\(\s*"(\w+)"', code))
    assert told <= set(sentences())
    words = set(re.findall(r'"(\w+)"', code))
    counted = {f"sum_{word}" for word in words}
    assert set(sentences()) <= words | counted


def test_gaps_are_filled_and_doubled_braces_are_single_ones():
    text = say(said("labels_unknown", n=3, labels="1, 2"), "en")
    assert "3 masks" in text and "labels 1, 2" in text
    assert "{1: T12, 2: L1}" in say(said("labels_todo"), "zh")
