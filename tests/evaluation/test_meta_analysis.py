"""The summary of several hospitals equals R metafor's, and keeps what holds for any such summary."""

import json

import numpy as np
import pytest
from reference_values import FOLDER, expected

from helpers.errors import StudyError
from helpers.evaluation.meta_analysis import random_effects

STORED = json.loads((FOLDER / "meta_analysis.json").read_text(encoding="utf-8"))
EFFECTS, VARIANCES = np.array(STORED["yi"]), np.array(STORED["vi"])
NAMES = {"mean": "mu", "se": "se", "ci_low": "ci_low", "ci_high": "ci_high"}
NAMES |= {"pi_low": "pi_low", "pi_high": "pi_high"}


@pytest.mark.parametrize("method", ["REML", "PM", "DL"])
@pytest.mark.parametrize("hartung_knapp", [True, False])
def test_equal_to_metafor(method, hartung_knapp):
    theirs = expected("meta_analysis")[method]
    ours = random_effects(EFFECTS, VARIANCES, method, hartung_knapp)
    for name, stored in NAMES.items():
        stored = f"knha_{stored}" if hartung_knapp and name != "mean" else stored
        assert getattr(ours, name) == pytest.approx(theirs[stored], abs=1e-6), name
    for name, stored in {"tau2": "tau2", "i2": "I2", "q": "Q"}.items():
        assert getattr(ours, name) == pytest.approx(theirs[stored], abs=1e-6), name
    assert ours.q_p == pytest.approx(theirs["Q_p"], rel=1e-6)


@pytest.mark.parametrize("method", ["REML", "PM", "DL"])
def test_hospitals_more_alike_than_chance_have_no_variance_between_them(method):
    """DerSimonian and Laird's formula is negative here; the prediction interval is then the mean's."""
    found = random_effects([0.50, 0.52, 0.49, 0.51], [0.04, 0.05, 0.04, 0.06], method)
    assert (found.tau2, found.i2) == (0, 0)
    assert (found.pi_low, found.pi_high) == (found.ci_low, found.ci_high)


@pytest.mark.parametrize("seed", range(20))
def test_any_summary(seed):
    """Weights add up, the mean lies among the estimates, shift and unit go through, order does not count."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 9))
    effects, variances = rng.normal(0, rng.uniform(0, 2), k), rng.uniform(0.001, 1, k)
    found = random_effects(effects, variances)
    assert found.weights.sum() == pytest.approx(100)
    assert effects.min() <= found.mean <= effects.max()
    assert found.pi_low <= found.ci_low <= found.mean <= found.ci_high <= found.pi_high
    moved = random_effects(7 + 10 * effects[::-1], 100 * variances[::-1])
    for name in ("mean", "ci_low", "pi_high"):
        assert getattr(moved, name) == pytest.approx(7 + 10 * getattr(found, name), abs=1e-6)
    assert moved.tau2 == pytest.approx(100 * found.tau2, abs=1e-6)


def test_equal_variances_have_a_known_answer():
    """With one variance, REML is the estimates' variance less it, and the standard error the usual one."""
    effects = np.array([0.1, 0.9, 0.4, 1.4])
    found = random_effects(effects, np.full(4, 0.02))
    assert found.tau2 == pytest.approx(effects.var(ddof=1) - 0.02, abs=1e-9)
    assert found.se == pytest.approx(effects.std(ddof=1) / 2, abs=1e-9)


@pytest.mark.parametrize(
    ("effects", "variances", "said"),
    [([0.1, 0.2], [1, 1], "at least 3"), ([0.1, 0.2, 0.3], [1, 1, 0], "above 0")],
)
def test_what_cannot_be_summarised_is_said(effects, variances, said):
    with pytest.raises(StudyError, match=said):
        random_effects(effects, variances)
