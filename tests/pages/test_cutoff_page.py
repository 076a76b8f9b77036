"""The cut-off explorer gets the statistics' own numbers, and nothing of a single real patient."""

import json
import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predicted_run import REAL, VIRTUAL, predicted_run, predictions
from scipy.special import expit

from helpers.evaluation.cutoffs import confusion_counts, youden_cutoff
from helpers.pages import cutoff_page, staging
from helpers.pages.cutoff_page import SMALLEST_GROUP


@pytest.fixture
def make_run(tmp_path):
    return partial(predicted_run, tmp_path)


def page_data(text):
    return json.loads(re.search(r'type="application/json" id="[^"]+">(.*?)</script>', text).group(1))


def test_exact_counts_and_the_youden_cutoff_are_those_of_metrics():
    data = cutoff_page.cutoff_data(predictions(), grouped=False)
    assert [model["name"] for model in data["models"]] == ["nomogram", "LR"]
    for (model, cohort), part in predictions().groupby(["model", "cohort"]):
        y, p = part["outcome"].to_numpy(), part["probability"].to_numpy()
        curve = data["curves"][model][cohort]
        assert curve["cutoffs"] == sorted(set(p))
        for cutoff, tp, fp in zip(curve["cutoffs"], curve["tp"], curve["fp"], strict=True):
            counted = confusion_counts(y, p, cutoff)
            assert (tp, fp) == (counted.tp, counted.fp)
        assert confusion_counts(y, p, curve["youden"]) == confusion_counts(y, p, youden_cutoff(y, p))
        assert len(repr(curve["youden"])) <= 6  # a cut-off that people can write down


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(30, 400), st.integers(2, 15))
def test_groups_of_patients_are_never_small(seed, n, smallest):
    """No cell, and no difference of two cut-offs, is a count from 1 to smallest - 1."""
    rng = np.random.default_rng(seed)
    y = rng.binomial(1, 0.3, n)
    p = expit(rng.normal(2 * y - 1, 1))
    table = cutoff_page.grouped_counts(y, p, smallest)
    for name, total in (("tp", y.sum()), ("fp", (1 - y).sum())):
        ends = [*table[name], 0] if table["cutoffs"] else []
        assert all(
            ends[i] - ends[j] == 0 or ends[i] - ends[j] >= smallest
            for i in range(len(ends))
            for j in range(i, len(ends))
        )
        assert not ends or ends[0] == total
    for cutoff, tp, fp in zip(*table.values(), strict=True):
        counted = confusion_counts(y, p, cutoff)
        assert (tp, fp) == (counted.tp, counted.fp)


@pytest.mark.parametrize("sources", [(REAL, REAL), (REAL, VIRTUAL)])
def test_no_risk_of_a_real_patient_reaches_the_page(make_run, sources):
    """One real site is enough: groups of ten, and never an observed probability."""
    run = make_run(*sources)
    files = staging.made_pages(run)
    text = files["interactive/cutoff_explorer.md"].decode()
    data = page_data(text)
    assert data["grouped"]
    assert "in groups" in text
    observed = set(run.read("predictions")["probability"])
    for curve in (curve for sets in data["curves"].values() for curve in sets.values()):
        assert not observed & {*curve["cutoffs"], curve["youden"]}
        assert min(-np.diff([*curve["tp"], 0])[-np.diff([*curve["tp"], 0]) > 0]) >= SMALLEST_GROUP
    assert "simulated patient, not one of the study" in files["interactive/volume_viewer.md"].decode()


def test_virtual_patients_are_shown_one_by_one(make_run):
    text = staging.made_pages(make_run(VIRTUAL))["interactive/cutoff_explorer.md"].decode()
    assert not page_data(text)["grouped"]
