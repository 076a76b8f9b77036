"""Protects: an updated model is a bundle as any other, says what it is, and calls positive whom the frozen
one called, where it was recalibrated only."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hospitals_to_update import SITE, frozen_bundle, judged_people
from scipy.special import expit, logit

from helpers.errors import StudyError
from helpers.frozen.bundle import bundle_hash, load_bundle
from helpers.frozen.new_hospital import alarm
from helpers.frozen.updated import RECALIBRATED, Updated, recalibrated_coefficients, save_updated
from helpers.study.study_file import load_study


@pytest.fixture
def bundle(tmp_path):
    return frozen_bundle(tmp_path / "bundle")


@pytest.fixture
def update(bundle):
    moved = recalibrated_coefficients(bundle, -0.7, 0.8)
    return Updated(RECALIBRATED, moved, -0.7, 0.8, "0123456789ab", ["North <1>", "South"], False)


def risks(bundle, people):
    columns = bundle.nomogram_columns(people)
    return expit(columns.to_numpy() @ bundle.nomogram_slopes(columns) + bundle.nomogram_intercept)


def test_recalibrated_risks_are_the_frozen_ones_moved_and_positive_are_the_same(bundle, update, tmp_path):
    updated, people = load_bundle(save_updated(bundle, tmp_path / "new", update)), judged_people(300, 1)
    before, now = risks(bundle, people), risks(updated, people)
    np.testing.assert_allclose(now, expit(-0.7 + 0.8 * logit(before)), rtol=1e-12)
    above = before >= bundle.model["cutoffs"]["nomogram"]
    np.testing.assert_array_equal(above, now >= updated.model["cutoffs"]["nomogram"])
    assert 0 < above.sum() < 300
    points = [updated.chart.points(row) for row in people.to_dict("records")]
    total = pd.DataFrame(points).sum(axis=1)
    assert np.corrcoef(total, logit(now))[0, 1] == pytest.approx(1)


def test_it_says_what_it_is_and_everything_else_is_the_frozen_model(bundle, update, tmp_path):
    updated = load_bundle(save_updated(bundle, tmp_path / "new", update))
    changed = {"title", "nomogram", "cutoffs", "updated"}
    kept = {name: value for name, value in updated.model.items() if name not in changed}
    assert kept == {name: value for name, value in bundle.model.items() if name not in changed}
    assert updated.extraction.read_bytes() == bundle.extraction.read_bytes()
    assert updated.model["title"].endswith("(nomogram recalibrated in 2 hospital(s))")
    assert updated.model["updated"]["from"] == bundle_hash(bundle) != bundle_hash(updated)
    page = (updated.folder / "README").read_text(encoding="utf-8")
    assert "North <1>, South" in page and "0123456789ab" in page and "尚未在其他患者中验证" in page


def test_pages_tell_from_whom_it_has_learnt(bundle, update, tmp_path):
    updated = load_bundle(save_updated(bundle, tmp_path / "new", update))
    (tmp_path / "t.yml").write_text(
        f"name: s\ntitle: t\nseed: 1\nextraction: e.yml\nsites:\n  - {{name: A, role: external, {SITE}}}\n"
    )
    study = load_study(tmp_path / "t.yml")
    told = alarm(updated, study)
    assert "An updated model" in told and "North &lt;1&gt;, South" in told and "too good" in told
    assert alarm(bundle, study) == ""


def test_virtual_patients_make_a_virtual_model(bundle, update, tmp_path):
    assert not bundle.model["virtual"]
    assert load_bundle(save_updated(bundle, tmp_path / "new", replace(update, virtual=True))).model["virtual"]


def test_what_cannot_be_a_model_is_told(bundle, update, tmp_path):
    with pytest.raises(StudyError, match="not those of the bundle's nomogram"):
        save_updated(bundle, tmp_path / "new", replace(update, coefficients={"Intercept": 0.0}))
    with pytest.raises(StudyError, match=r"slope is -0\.30"):
        save_updated(bundle, tmp_path / "new", replace(update, slope=-0.3))
    assert not (tmp_path / "new").exists()
