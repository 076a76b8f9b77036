"""The interactive pages get the models' and statistics' own numbers, and nothing of a single real patient."""

import base64
import gzip
import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from helpers.evaluation.cutoffs import confusion_counts, youden_cutoff
from helpers.imaging.regions import LAYERS
from helpers.learning.logistic import LogisticModel
from helpers.learning.nomogram import Nomogram
from helpers.pages import cutoff_page, nomogram_page, staging
from helpers.pages.cutoff_page import SMALLEST_GROUP
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run

VENDOR = REPOSITORY / "book" / "extra" / "vendor"
COEFFICIENTS = {"Intercept": -5.2, "age": 0.07, "sex=male": -0.9, "rad_score": 1.3}
AXES = {"age": [50.0, 60.0, 70.0, 80.0], "sex": ["female", "male"], "rad_score": [-4.0, -2.0, 0.0, 2.0]}
SITE = "  - {{name: {name}, role: {role}, {source}}}"
REAL = "table: {path: t.csv}, images: 'ct/{patient_id}', masks: 'm/{patient_id}.nii'"
VIRTUAL = "virtual: {{protocol: {}, patients: 8}}".format(REPOSITORY / "data" / "virtual" / "protocol.yml")


def predictions(n=120, seed=3, models=("nomogram", "LR"), cohorts=("training", "external")):
    rng = np.random.default_rng(seed)
    parts = []
    for cohort in cohorts:
        y = rng.binomial(1, 0.4, n)
        for model in models:
            risk = expit(rng.normal(1.5 * y - 1, 1))
            ids = [f"P{cohort}{i}" for i in range(n)]
            part = {
                "patient_id": ids,
                "cohort": cohort,
                "osteoporosis": y,
                "model": model,
                "probability": risk,
            }
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def make_run(tmp_path):
    """A run folder of sites of the given kinds, with the predictions of a finished notebook 06."""

    def make(*sources):
        roles = ["development", "external"]
        sites = [
            SITE.format(name=role, role=role, source=source)
            for role, source in zip(roles, sources, strict=False)
        ]
        head = ["name: s", "title: t", "seed: 1", "extraction: e.yml", "sites:"]
        (tmp_path / "study.yml").write_text("\n".join([*head, *sites]), encoding="utf-8")
        run = open_run(tmp_path / "study.yml", tmp_path / "run")
        run.write("predictions", predictions())
        run.figure_path("figure_6", "svg").write_text("<svg/>")
        return run

    return make


def page_data(text):
    return json.loads(re.search(r'type="application/json" id="[^"]+">(.*?)</script>', text).group(1))


def test_the_calculators_numbers_are_the_models():
    """Sum of the parts sent to the page = the logistic regression's risk = the nomogram's points."""
    chart = Nomogram(COEFFICIENTS, AXES)
    data = nomogram_page.nomogram_data(chart)
    people = pd.DataFrame({"age": [51.5, 77.0], "sex": ["male", "female"], "rad_score": [-3.3, 1.9]})
    parts = {part["name"]: part for part in data["predictors"]}
    log_odds = data["intercept"] + np.array(
        [
            parts["age"]["coefficient"] * row.age
            + parts["sex"]["levels"][row.sex]
            + parts["rad_score"]["coefficient"] * row.rad_score
            for row in people.itertuples()
        ]
    )
    model = LogisticModel(COEFFICIENTS, {"sex": AXES["sex"]}, "maximum likelihood")
    np.testing.assert_allclose(expit(log_odds), model.probability(people), rtol=1e-12)
    lowest = data["intercept"] + sum(part["lowest"] for part in parts.values())
    np.testing.assert_allclose(
        (log_odds - lowest) * data["points_per_unit"], chart.total_points(people), rtol=1e-12
    )


def test_the_calculator_starts_within_its_axes_near_a_risk_of_a_half():
    chart = Nomogram(COEFFICIENTS, AXES)
    start = {part["name"]: part["start"] for part in nomogram_page.nomogram_data(chart)["predictors"]}
    assert all(start[name] in AXES[name] for name in AXES)
    assert 0.2 < chart.probability(sum(chart.points(start).values())) < 0.8


def test_exact_counts_and_the_youden_cutoff_are_those_of_metrics():
    data = cutoff_page.cutoff_data(predictions(), grouped=False)
    assert [model["name"] for model in data["models"]] == ["nomogram", "LR"]
    for (model, cohort), part in predictions().groupby(["model", "cohort"]):
        y, p = part["osteoporosis"].to_numpy(), part["probability"].to_numpy()
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


def test_a_page_without_results_says_which_notebook_is_missing(make_run):
    run = make_run(VIRTUAL)
    run.artifact_path("predictions").unlink()
    files = staging.made_pages(run)
    assert "notebooks 05 and 06 make them" in files["interactive/cutoff_explorer.md"].decode()
    assert "notebook 06 makes it" in files["interactive/nomogram_calculator.md"].decode()


def test_the_viewers_volumes_are_small_whole_and_the_same_each_time(make_run, tmp_path):
    run = make_run(VIRTUAL)
    name = "extra/interactive/virtual_patient.js"
    script = staging.made_pages(run)[name]
    assert script == staging.made_pages(run)[name]
    assert len(script) < 2_000_000
    volumes = json.loads(script.decode().removeprefix("const radbookVolumes = ").removesuffix(";\n"))
    images = {}
    for key, address in volumes.items():
        packed = base64.b64decode(address.removeprefix("data:application/gzip;base64,"))
        (tmp_path / f"{key}.nii").write_bytes(gzip.decompress(packed))
        images[key] = sitk.ReadImage(str(tmp_path / f"{key}.nii"))
    assert images["ct"].GetSize() == images["layers"].GetSize()
    assert images["ct"].GetSpacing() == images["layers"].GetSpacing() == (1, 1, 1)
    layers = sitk.GetArrayFromImage(images["layers"])
    assert set(np.unique(layers)) == {0, *LAYERS}
    hu = sitk.GetArrayFromImage(images["ct"])
    assert -50 < hu[layers > 0].mean() < 400  # cancellous bone
    assert hu.max() > 500  # cortex


def test_shipped_libraries_are_the_recorded_files_with_their_licences():
    recorded = json.loads((VENDOR / "versions.json").read_text())
    for library in recorded:
        assert hashlib.sha256((VENDOR / library["file"]).read_bytes()).hexdigest() == library["sha256"]
        assert all((VENDOR / text).stat().st_size > 500 for text in library["licence_texts"])
    named = {name for library in recorded for name in (library["file"], *library["licence_texts"])}
    there = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert there == named | {"versions.json"}
