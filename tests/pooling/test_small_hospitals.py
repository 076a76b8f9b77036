"""Protects: chapter 16 of a virtual study is about the run's own model, tells that nobody sent its files,
and is made anew when the model is another."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from helpers.commands import memory
from helpers.commands.run import is_needed
from helpers.frozen.bundle import bundle_hash, load_bundle
from helpers.pooling.registry import open_pooled
from helpers.pooling.small_hospitals import made_here
from helpers.study.places import POOLED, STEPS
from helpers.study.run_folder import Run

HOSPITALS, PATIENTS = 3, 8  # as tests/data/tiny.yml asks


def test_the_hospitals_met_the_run_s_own_model(finished):
    pooled = open_pooled(finished.hospitals / "pooled")
    assert len(pooled.sites) == HOSPITALS and pooled.is_virtual
    own = bundle_hash(load_bundle(finished.bundle))
    assert {site.bundle for site in pooled.sites} == {own}
    for site in pooled.sites:
        (hospital,) = site.hospitals
        assert hospital.role == "external" and hospital.patients <= PATIENTS
        assert {row.stage: row.patients for row in site.flow}["all"] > PATIENTS  # with those excluded
    table = pd.read_csv(finished.table_path("pooled_estimates"))
    assert set(table["pool"]) == {pooled.id} and set(table["data"]) == {"virtual"}


def test_the_page_says_that_nobody_sent_these_files(finished):
    page = (finished.book / "html" / "notebooks" / f"{POOLED}.html").read_text(encoding="utf-8")
    assert "No hospital sent these files" in page and "intervals are wide" in page
    told = open_pooled(finished.hospitals / "pooled")
    hospitals = [site.hospitals[0] for site in told.sites]
    assert made_here(told, hospitals, 3) == ""  # of files that came there is nothing to say
    words = made_here(replace(told, run=finished), hospitals, 4)
    assert "would tell nothing of how the model does in 3 of 3" in words
    assert "1 more had no patient within the model's domain" in words


def test_another_model_makes_it_anew(own_run):
    parameters = {"hospitals": HOSPITALS, "patients": PATIENTS}
    assert memory.holds(own_run, "16", parameters)
    model = own_run.bundle / "model.json"
    content = json.loads(model.read_text(encoding="utf-8"))
    content["cutoffs"]["nomogram"] += 0.01
    model.write_text(json.dumps(content), encoding="utf-8")
    assert not memory.holds(own_run, "16", parameters)


@pytest.mark.parametrize(("keys", "needed"), [({}, True), ({"region": "the liver"}, False)])
def test_only_virtual_studies_of_the_paper_s_design_have_it(finished, keys, needed):
    assert STEPS["16"] == POOLED
    study = finished.study.model_copy(update=keys)
    assert is_needed(study, "16", {}) == needed
    sites = [site.model_copy(update={"virtual": None}) for site in study.sites]
    real = Run(study.model_copy(update={"sites": sites}), finished.folder)
    assert not is_needed(real.study, "16", {})
