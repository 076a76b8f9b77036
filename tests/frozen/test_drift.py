"""Drift: nothing where nothing changed, the size of what did, no patient in what a model carries along."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm

from helpers.frozen.drift import feature_drift, outside_range, scanner_drift, training_summary
from helpers.plots.drift import plot_drift

RNG = np.random.default_rng(3)
FEATURES = pd.DataFrame(
    RNG.normal([5, -2e6], [2, 3e5], (90, 2)),
    columns=["original_glcm_Contrast", "original_firstorder_Energy"],
)
PEOPLE = pd.DataFrame({"age": RNG.uniform(50, 85, 90), "sex": np.repeat(["female", "male"], [70, 20])})
QUALITY = pd.DataFrame(
    {
        "kvp": np.repeat([120.0, 100.0], [80, 10]),
        "kernel": np.repeat(["B40", "FC08", "STD"], [85, 3, 2]),
        "spacing_z": RNG.uniform(0.6, 1.5, 90),
    }
)
SUMMARY = training_summary(FEATURES, PEOPLE, QUALITY, min_cell=0)


def test_the_training_patients_themselves_have_not_drifted():
    table = feature_drift(SUMMARY, FEATURES)
    np.testing.assert_allclose(table[["shift", "psi"]], 0, atol=1e-12)
    np.testing.assert_allclose(table["sd_ratio"], 1, rtol=1e-12)
    assert (table["outside"] < 0.03).all() and not table["drifted"].any()
    same = scanner_drift(SUMMARY, QUALITY, min_cell=0)
    assert (same["training"] == same["new"]).all() and len(same) == 3
    assert (outside_range(SUMMARY, PEOPLE, min_cell=0)["outside"] < 0.03).all()


def test_a_shift_and_a_stretch_come_back_in_training_sds():
    spread = FEATURES.std(ddof=0)
    table = feature_drift(SUMMARY, FEATURES + 1.5 * spread)
    np.testing.assert_allclose(table["shift"], 1.5, rtol=1e-9)
    assert table["drifted"].all()
    table = feature_drift(SUMMARY, FEATURES.mean() + 3 * (FEATURES - FEATURES.mean()))
    np.testing.assert_allclose(table["sd_ratio"], 3, rtol=1e-9)
    assert (table["psi"] > table["psi_limit"]).all() and (table["outside"] > 0.2).all()


def test_psi_and_limits_by_hand():
    new = FEATURES.iloc[:30] + FEATURES.std(ddof=0) / 2
    table = feature_drift(SUMMARY, new)
    for row in table.itertuples():
        edges = [-np.inf, *np.quantile(FEATURES[row.feature], np.arange(1, 10) / 10), np.inf]
        old = np.histogram(FEATURES[row.feature], edges)[0] / 90
        share = np.maximum(np.histogram(new[row.feature], edges)[0], 0.5) / 30
        assert row.psi == pytest.approx(((share - old) * np.log(share / old)).sum())
        assert row.psi_limit == pytest.approx(chi2.ppf(1 - 0.05 / 4, 9) * (1 / 30 + 1 / 90))
        error = np.sqrt(1 / 90 + row.sd_ratio**2 / 30)
        assert row.shift_limit == pytest.approx(norm.ppf(1 - 0.05 / 8) * error)


def test_chance_alone_is_seldom_called_drift():
    """The limits hold for a whole table of features in about 95 of 100 samples of the same population."""
    alarms = []
    for _ in range(300):
        sample = pd.DataFrame(RNG.normal(size=(150, 4)), columns=list("abcd"))
        summary = training_summary(sample.iloc[:90], PEOPLE.iloc[:0], None, min_cell=0)
        alarms.append(feature_drift(summary, sample.iloc[90:])["drifted"].any())
    assert 0.01 < np.mean(alarms) < 0.10


def test_what_training_patients_had_not_is_outside():
    new = pd.DataFrame({"age": [40.0, 60.0, 95.0, 70.0], "sex": ["female", "male", "other", "male"]})
    table = outside_range(SUMMARY, new, min_cell=0).set_index("predictor")["outside"]
    assert table["age"] == 0.5 and table["sex"] == 0.25


def test_rare_categories_are_pooled_until_nobody_can_be_counted():
    summary = training_summary(FEATURES, PEOPLE, QUALITY, min_cell=10)
    # 3 and 2 patients with the rare kernels are 5 together: too few, so the common one joins them.
    assert summary["acquisition"]["kernel"] == {"categories": {"other": 1.0}}
    assert summary["acquisition"]["kvp"]["categories"] == {"120": 80 / 90, "100": 10 / 90}
    assert outside_range(summary, PEOPLE, min_cell=10)["outside"].max() < 0.03


def test_the_summary_is_json_without_extremes_of_single_patients():
    content = json.loads(json.dumps(SUMMARY, allow_nan=False))
    numbers = set(
        np.concatenate([np.ravel(v) for v in content["features"]["original_glcm_Contrast"].values()])
    )
    assert not {FEATURES.iloc[:, 0].min(), FEATURES.iloc[:, 0].max()} & numbers


def test_ready_features_have_no_scanner_and_the_figure_names_every_feature():
    summary = training_summary(FEATURES, PEOPLE, None, min_cell=0)
    assert scanner_drift(summary, None, min_cell=0).empty
    figure = plot_drift(feature_drift(summary, FEATURES + 1), "20 new patients")
    assert len(figure.axes[0].get_yticklabels()) == 2
