"""The small nomogram marks the patient where the model puts him."""

import re

import numpy as np
import pandas as pd
import pytest

from helpers.learning.nomogram import Nomogram
from helpers.pages.small_nomogram import script_of, small_nomogram


@pytest.fixture
def chart():
    people = pd.DataFrame({"age": np.arange(50.0, 90), "sex": ["male", "female"] * 20})
    people["rad_score"] = np.linspace(-4, 4, 40)
    return Nomogram({"Intercept": -5.0, "age": 0.05, "sex=male": -0.6, "rad_score": 1.2}, people)


PATIENT = {"age": 71.0, "sex": "female", "rad_score": 0.4}


def places(html):
    return [float(x) for x in re.findall(r'<circle [^>]*cx="([\d.]+)"', html)]


def test_each_mark_stands_at_the_patients_points(chart):
    html = str(small_nomogram(chart, "osteoporosis", PATIENT, "told"))
    script = script_of(chart, "osteoporosis", PATIENT)
    points = chart.points(PATIENT)
    expected = [script["left"] + script["width"] * points[name] / 100 for name in chart.predictors]
    total = sum(points.values())
    expected.append(script["left"] + script["width"] * total / script["widest"])
    assert places(html) == pytest.approx(expected, abs=0.06)
    assert f"{total:.0f} points: risk {chart.probability(total):.2f}" in html


def test_the_script_has_what_moves_the_longest_axis(chart):
    script = script_of(chart, "osteoporosis", PATIENT)
    assert chart.predictors[script["row"]] == "rad_score" and script["reach"] == pytest.approx(100)
    total = script["start"] + script["others"]
    risk = 1 / (1 + np.exp(-(script["zero_points"] + total / script["points_per_unit"])))
    assert risk == pytest.approx(chart.probability(sum(chart.points(PATIENT).values())))


def test_a_hospitals_words_are_no_markup(chart):
    html = str(small_nomogram(chart, "<script>alert(1)</script>", PATIENT, '"><img src=x>'))
    assert "<script" not in html and "<img" not in html
