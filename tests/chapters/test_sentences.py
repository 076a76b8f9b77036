"""A number in the prose is the one that was computed: plain text, in the format asked for."""

import numpy as np
import pytest

from helpers.chapters import sentences


@pytest.fixture
def said(monkeypatch):
    texts = {}
    monkeypatch.setattr(sentences, "glue", lambda name, text, display: texts.update({name: text}))
    return texts


def test_counts_and_words_are_said_as_they_are(said):
    sentences.say({"n": np.int64(40), "smote": "on"})
    assert said == {"n": "40", "smote": "on"} and type(said["n"]) is str


def test_one_format_serves_all_values(said):
    sentences.say({"auc": np.float64(0.8571), "slope": 1}, ".2f")
    assert said == {"auc": "0.86", "slope": "1.00"}
