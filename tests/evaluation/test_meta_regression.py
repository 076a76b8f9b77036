"""Protects: the meta-regression gives what metafor prints, and is refused where hospitals are few."""

import numpy as np
import pytest

from helpers.errors import StudyError
from helpers.evaluation.meta_analysis import random_effects
from helpers.evaluation.meta_regression import FEWEST, meta_regression

# metafor's dat.bcg (Colditz et al., JAMA 1994;271:698): cases and others, by vaccine; latitude.
BCG = np.array(
    [
        (4, 119, 11, 128, 44),
        (6, 300, 29, 274, 55),
        (3, 228, 11, 209, 42),
        (62, 13536, 248, 12619, 52),
        (33, 5036, 47, 5761, 13),
        (180, 1361, 372, 1079, 44),
        (8, 2537, 10, 619, 19),
        (505, 87886, 499, 87892, 13),
        (29, 7470, 45, 7232, 27),
        (17, 1699, 65, 1600, 42),
        (186, 50448, 141, 27197, 18),
        (5, 2493, 3, 2338, 33),
        (27, 16886, 29, 17825, 33),
    ],
    dtype=float,
)
A, B, C, D, LATITUDE = BCG.T
EFFECTS = np.log(A / (A + B) / (C / (C + D)))
VARIANCES = 1 / A - 1 / (A + B) + 1 / C - 1 / (C + D)


def test_latitude_in_the_bcg_trials_as_metafor_prints_it():
    """rma(yi, vi, mods = ~ ablat, data = dat): tau2 0.0764, 0.2515 (0.2491), -0.0291 (0.0072)."""
    found = meta_regression(EFFECTS, VARIANCES, LATITUDE, hartung_knapp=False)
    assert found.tau2 == pytest.approx(0.0764, abs=1e-4)  # metafor ends its steps at 1e-5
    assert found.coefficients == pytest.approx([0.2515, -0.0291], abs=5e-5)
    assert found.se == pytest.approx([0.2491, 0.0072], abs=5e-5)
    assert found.p_values[0] == pytest.approx(0.3127, abs=1e-4)


def test_without_a_regressor_it_is_the_summary():
    summary = random_effects(EFFECTS, VARIANCES)
    found = meta_regression(EFFECTS, VARIANCES, np.empty((13, 0)))
    assert found.tau2 == pytest.approx(summary.tau2, rel=1e-5)
    assert (found.coefficients[0], found.se[0]) == pytest.approx((summary.mean, summary.se), rel=1e-5)


def test_it_is_refused_with_fewer_than_ten_hospitals_and_for_what_never_differs():
    few = slice(0, FEWEST - 1)
    with pytest.raises(StudyError, match="9 hospitals are too few"):
        meta_regression(EFFECTS[few], VARIANCES[few], LATITUDE[few])
    with pytest.raises(StudyError, match="same in every hospital"):
        meta_regression(EFFECTS, VARIANCES, np.ones(13))
