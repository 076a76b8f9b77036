"""Every way to be refused has its sentence and its box in the flow chart.

tests/data/refusals.csv was written by the code that still found categories by patterns on these sentences:
`way` (see refused_patients.py), the whole `message` with P1 for the pseudonym, and the `category`.
"""

import csv

import pytest
from refused_patients import GOOD, RAW, WAYS, Broken, refused_by, stack

from helpers.errors import StudyError
from helpers.patients.flow_chart import CATEGORIES
from helpers.study.places import REPOSITORY

with (REPOSITORY / "tests" / "data" / "refusals.csv").open(encoding="utf-8", newline="") as file:
    REFUSALS = {row["way"]: row for row in csv.DictReader(file)}


def refusal(folder, broken, monkeypatch):
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    source, patient = refused_by(folder, broken)
    with pytest.raises(StudyError) as error:
        source.load(patient, reader=broken.reader)
    return str(error.value).replace(patient, "P1"), CATEGORIES[error.value.kind]


def test_the_stored_refusals_are_of_every_way():
    assert list(REFUSALS) == list(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_keeps_its_sentence_and_its_category(way, tmp_path, monkeypatch):
    message, category = refusal(tmp_path, WAYS[way], monkeypatch)
    assert message == REFUSALS[way]["message"]
    assert category == REFUSALS[way]["category"]
    assert RAW not in message


@pytest.mark.parametrize("words", ["there is no 'mask'", "the mask lacks", "neither T12 nor L1", "image"])
def test_a_hospitals_own_words_move_nobody_to_another_category(words, tmp_path, monkeypatch):
    files, keys = {**GOOD, "ct/{}": stack}, {"images": "ct/{patient_id}", "series": words}
    message, category = refusal(tmp_path, Broken(files, keys), monkeypatch)
    assert words in message
    assert category == "image unusable"
