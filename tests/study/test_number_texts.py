"""Intervals and P values are written alike wherever they stand."""

import numpy as np
import pytest

from helpers.study.number_texts import estimate_text, p_text, span


@pytest.mark.parametrize(
    "numbers, form, text",
    [
        ((0.8, 0.72, 0.884), ".2f", "0.80 (0.72 to\xa00.88)"),
        ((0.8, np.nan, np.nan), ".3f", "0.800 (no interval)"),
        ((0.8, 0.7, np.inf), ".3f", "0.800 (no interval)"),
        ((1.0, 1.0, 1.0), ".3f", "1.000 (no interval)"),
        ((np.nan, 0.7, 0.9), ".2f", "not estimable"),
        ((0.04, -0.012, 0.09), "+.2f", "+0.04 (-0.01 to\xa00.09)"),
        ((-0.001, -0.004, 0.2), "z.2f", "0.00 (0.00 to\xa00.20)"),
    ],
)
def test_an_estimate_stands_with_its_interval(numbers, form, text):
    assert estimate_text(*numbers, form) == text


def test_a_range_keeps_its_signs():
    assert span(-0.1, 0.25, "+.1f") == "-0.1 to\xa0+0.2"


@pytest.mark.parametrize(
    "p, text", [(0.00099, "<0.001"), (0.001, "0.001"), (0.0126, "0.013"), (1.0, "1.000"), (np.nan, "")]
)
def test_small_p_values_are_a_limit(p, text):
    assert p_text(p) == text
