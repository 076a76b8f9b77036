"""ComBat equals a plain rewriting of Johnson 2007, and touches only the scanners it has learnt."""

import numpy as np
import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.learning.combat import ComBat


@pytest.fixture
def scans():
    rng = np.random.default_rng(6)
    batch = np.repeat(["A", "B", "C"], [20, 15, 10])
    values = rng.normal(size=(45, 12)) * np.linspace(1, 5, 12) + 10
    values[batch == "B"] = values[batch == "B"] * 1.5 + 4
    index = [f"P{i}" for i in range(45)]
    return pd.DataFrame(values, index=index, columns=[f"f{i}" for i in range(12)]), dict(
        zip(index, batch, strict=True)
    )


def johnson(table, batches):
    """Parametric empirical Bayes ComBat without covariates, feature by feature."""
    x, batch = table.to_numpy(), np.array([batches[i] for i in table.index])
    names, n = np.unique(batch), len(x)
    grand = sum((batch == b).sum() * x[batch == b].mean(axis=0) for b in names) / n
    pooled = sum(((x[batch == b] - x[batch == b].mean(axis=0)) ** 2).sum(axis=0) for b in names) / n
    z, out = (x - grand) / np.sqrt(pooled), np.empty_like(x)
    for b in names:
        part = z[batch == b]
        gamma, delta, size = part.mean(axis=0), part.var(axis=0, ddof=1), len(part)
        bar, tau = gamma.mean(), gamma.var(ddof=1)
        m, s2 = delta.mean(), delta.var(ddof=1)
        lam, theta = (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
        for j in range(x.shape[1]):
            g, d = gamma[j], delta[j]
            for _ in range(500):
                g = (size * tau * gamma[j] + d * bar) / (size * tau + d)
                d = (theta + 0.5 * ((part[:, j] - g) ** 2).sum()) / (size / 2 + lam - 1)
            out[batch == b, j] = (part[:, j] - g) / np.sqrt(d) * np.sqrt(pooled[j]) + grand[j]
    return out


def test_equals_a_plain_rewriting(scans):
    table, batches = scans
    np.testing.assert_allclose(ComBat(batches).fit_transform(table), johnson(table, batches), atol=1e-8)


def test_takes_shift_and_scale_of_a_scanner_out(scans):
    table, batches = scans
    harmonised = ComBat(batches).fit_transform(table)
    by_scanner = harmonised.groupby(pd.Series(batches))
    before = table.groupby(pd.Series(batches))
    assert np.ptp(by_scanner.mean(), axis=0).max() < 0.4 * np.ptp(before.mean(), axis=0).max()
    ratio = by_scanner.std().loc["B"] / by_scanner.std().loc["A"]
    assert ratio.mean() == pytest.approx(1, abs=0.15)


def test_unknown_scanners_stay_and_new_patients_change_nothing(scans):
    table, batches = scans
    fitted = ComBat(batches).fit(table.iloc[:35])  # A and B only
    assert fitted.known_ == ["A", "B"]
    together = fitted.transform(table)
    pd.testing.assert_frame_equal(together.iloc[35:], table.iloc[35:])
    pd.testing.assert_frame_equal(fitted.transform(table.iloc[:3]), together.iloc[:3])


def test_constant_features_stay_and_bad_tables_are_refused(scans):
    table, batches = scans
    constant = table.assign(f3=2.0)
    np.testing.assert_allclose(ComBat(batches).fit_transform(constant)["f3"], 2.0)
    with pytest.raises(StudyError, match="no scanner"):
        ComBat({"P0": "A"}).fit(table)
    few = table.iloc[[0, 1, 20, 21]]
    pd.testing.assert_frame_equal(ComBat(batches).fit(few).transform(few), few)
    broken = table.copy()
    broken.iloc[0, 0] = np.inf
    with pytest.raises(StudyError, match="missing or infinite"):
        ComBat(batches).fit(broken)
