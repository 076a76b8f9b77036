"""A frozen model at a new hospital: the same risks whatever way the images come, refusal where features are
not the same features, honest numbers where outcomes are known, and predictions only where they are not."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from small_bundle import make_bundle
from typer.testing import CliRunner

from helpers import cli
from helpers.commands.run import apply_bundle, is_needed
from helpers.errors import StudyError
from helpers.evaluation.cutoffs import confusion_metrics
from helpers.evaluation.delong import delong_auc
from helpers.features.extraction import features_table
from helpers.features.prepare import cases_of
from helpers.frozen import judged, new_hospital, verdicts
from helpers.frozen.bundle import Bundle, bundle_hash, load_bundle, score
from helpers.frozen.updated import RECALIBRATED, Updated, recalibrated_coefficients, save_updated
from helpers.pages import leaks
from helpers.pooling import registry
from helpers.pooling.folders import read_folder
from helpers.study import pseudonyms
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run, open_run
from helpers.study.study_file import load_study
from helpers.virtual import VirtualSite

pytestmark = pytest.mark.slow  # measures sixteen patients and applies a model to files

COARSE = REPOSITORY / "tests" / "data" / "coarse.yml"
RNG = np.random.default_rng(2)
SITES = ["Theirs", "The harbour", "西院"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run of the hospital that made the model."""
    return make_bundle(tmp_path_factory.mktemp("made"), COARSE)


@pytest.fixture(scope="module")
def bundle(made):
    return load_bundle(made.bundle)


@pytest.fixture(scope="module")
def exported(made, bundle):
    """A third virtual hospital, handed over as files, and measured."""
    new = new_hospital.open_hospital(made, "", bundle, 8)
    people = new_hospital.new_patients(new).query("exclusion == ''").reset_index(drop=True)
    return new, people, new_hospital.measure(new, people, bundle.features, 1)


@pytest.fixture
def ready(made, bundle, tmp_path):
    """Write a study of ready features, the made ones under new numbers; give back its file."""

    def write(outcomes=True, engine=None, name="theirs", sites=1, **keys):
        people, values = made.read("cohort"), made.read("features")
        numbers = [f"MRN-55{i:04d}" for i in range(len(people))]
        table = people[["age", "sex", "t_score"]].assign(number=numbers)
        table["centre"] = [SITES[i % sites] for i in range(len(people))]
        table.drop(columns=[] if outcomes else "t_score").to_csv(tmp_path / "dxa.csv", index=False)
        stated = bundle.model["engine"] if engine is None else engine
        versions = {
            "diagnostics_Versions_PyRadiomics": stated.get("pyradiomics-bhklab"),
            "diagnostics_Versions_PyWavelet": stated.get("PyWavelets"),
            "diagnostics_Versions_SimpleITK": stated.get("SimpleITK"),
        }
        values = values.drop(columns="patient_id").assign(number=numbers, **versions)
        values.dropna(axis=1).to_csv(tmp_path / "features.csv", index=False)
        site = {"role": "external", "features": {"path": "features.csv", "patient_id": "number"}}
        shared = {"path": "dxa.csv", "columns": {"patient_id": "number"}}
        parts = [
            site | {"name": centre, "table": shared | {"where": {"centre": centre}}}
            for centre in SITES[:sites]
        ]
        study = {"name": name, "title": "Their hospital", "seed": 1, "extraction": str(COARSE)}
        (tmp_path / "study.yml").write_text(yaml.safe_dump(study | {"sites": parts} | keys))
        return tmp_path / "study.yml"

    return write


def altered(bundle, **changes):
    return Bundle(bundle.folder, bundle.model | changes)


def test_dicom_and_masks_give_the_risks_of_the_images_in_memory(made, bundle, exported):
    """The way through files: DICOM, label maps and a GBK table, against the simulator's own images."""
    new, people, measured = exported
    assert (new.study.path("dxa.csv")).read_bytes().decode("gbk").startswith("患者编号")
    through_files = score(bundle, people, measured.features)
    raw = pseudonyms.raw_ids(new)
    seed = int(made.study.rng("new hospital").integers(2**31))
    protocol = made.study.path(made.study.sites[0].virtual.protocol)
    site = VirtualSite(protocol, "external", 8, seed)
    in_memory = site.screened().set_index("patient_id").loc[[raw[number] for number in people["patient_id"]]]
    virtual = {"name": "H", "role": "external", "virtual": {"protocol": str(protocol), "patients": 8}}
    study = made.study.model_copy(update={"seed": seed, "sites": [type(made.study.sites[0])(**virtual)]})
    run = Run(study, new.folder / "in_memory")
    in_memory = in_memory.reset_index().assign(site="H")
    features, refused = features_table(run, cases_of(in_memory), 1)
    assert refused.empty
    expected = score(bundle, in_memory, features)
    columns = ["rad_score", *bundle.models]
    np.testing.assert_allclose(through_files[columns], expected[columns], rtol=1e-9)
    np.testing.assert_array_equal(people["outcome"], in_memory["t_score"] <= -2.5)


def test_the_exported_hospital_is_written_once(made, bundle, exported):
    folder = exported[0].study.folder
    before = (folder / "dxa.csv").stat().st_mtime_ns
    again = new_hospital.open_hospital(made, "", bundle, 8)
    assert again.study == exported[0].study and (folder / "dxa.csv").stat().st_mtime_ns == before


def test_the_same_settings_and_engine_pass(bundle, exported):
    checks = new_hospital.origins(bundle, exported[0])
    assert checks["same"].all()
    new_hospital.require_same(checks, accept_differences=False)


def test_other_settings_engines_and_outcome_rules_are_refused_unless_accepted(bundle, exported, tmp_path):
    new = exported[0]
    settings = yaml.safe_load(COARSE.read_text())
    settings["setting"]["binWidth"] = 20
    settings["imageType"]["LoG"] = {"sigma": [1.0]}
    (tmp_path / "other.yml").write_text(yaml.safe_dump(settings))
    outcome = new.study.outcome.model_copy(update={"t_score_at_most": -2.0})
    study = new.study.model_copy(update={"extraction": tmp_path / "other.yml", "outcome": outcome})
    engine = bundle.model["engine"] | {"pyradiomics-bhklab": "3.0.1"}
    checks = new_hospital.origins(altered(bundle, engine=engine), Run(study, new.folder))
    different = checks[~checks["same"]].set_index("what")
    assert set(different.index) == {
        "outcome",
        "version of pyradiomics-bhklab",
        "extraction: setting.binWidth",
        "extraction: imageType.LoG.sigma",
    }
    assert tuple(different.loc["extraction: setting.binWidth", ["model", "here"]]) == ("25", "20")
    with pytest.raises(StudyError, match="binWidth: the model has 25, here it is 20.*accept-differences"):
        new_hospital.require_same(checks, accept_differences=False)
    new_hospital.require_same(checks, accept_differences=True)
    assert "3.0.1 in the model" in new_hospital.in_words(bundle, new, checks)["differences"]


def test_the_resampling_grid_is_compared_and_left_out_is_pyradiomics(bundle, exported, tmp_path):
    new = exported[0]

    def grids(grid):
        (tmp_path / "mine.yml").write_text(f"resampling_grid: {grid}\n{COARSE.read_text()}")
        study = new.study.model_copy(update={"extraction": tmp_path / "mine.yml"})
        checks = new_hospital.origins(bundle, Run(study, new.folder))
        return checks[~checks["same"]][["what", "model", "here"]].to_numpy().tolist()

    assert grids("volume") == []
    assert grids("region") == [["extraction: resampling_grid", "volume", "region"]]


def test_outcome_rules_are_compared_as_values_not_as_words(bundle, exported):
    """A limit of the T-score that is not used is no difference; any other limit is one."""
    new = exported[0]

    def same(**rule):
        study = new.study.model_copy(update={"outcome": new.study.outcome.model_copy(update=rule)})
        checks = new_hospital.origins(frozen, Run(study, new.folder)).set_index("what")
        return bool(checks.loc["outcome", "same"])

    frozen = altered(bundle, outcome={"t_score_at_most": -2.5, "given": False})
    assert same(t_score_at_most=-2.5) and not same(t_score_at_most=-2.5000001) and not same(given=True)
    frozen = altered(bundle, outcome={"t_score_at_most": -2.5, "given": True})
    assert same(given=True, t_score_at_most=-1.0) and not same(given=False)


def test_ready_features_of_an_unknown_engine_are_not_the_same(bundle, ready, tmp_path):
    study = ready(engine={})
    checks = new_hospital.origins(bundle, open_run(study, tmp_path / "run")).set_index("what")
    assert tuple(checks.loc["version of SimpleITK", ["here", "same"]]) == ("not stated", False)
    checks = new_hospital.origins(altered(bundle, engine={}), open_run(study, tmp_path / "run"))
    assert checks["same"].all()


def test_points_add_up_to_the_frozen_risk(bundle, exported):
    new, people, measured = exported
    scores = score(bundle, people, measured.features).assign(warned=False)
    table = verdicts.positions(bundle, people, scores)
    points = table.filter(like="points_")
    assert list(points) == ["points_age", "points_sex", "points_rad_score"]
    np.testing.assert_allclose(points.sum(axis=1), table["total_points"])
    risk = bundle.chart.probability(table["total_points"].to_numpy())
    np.testing.assert_allclose(risk, table["nomogram"], rtol=1e-9)
    assert (table["positive"] == (table["nomogram"] >= bundle.model["cutoffs"]["nomogram"])).all()
    new.write("scores", table)
    shown = table.set_index("patient_id").loc[verdicts.middle_patient(table), "nomogram"]
    assert (
        abs(shown - table["nomogram"].median())
        == (table["nomogram"] - table["nomogram"].median()).abs().min()
    )


def people_and_scores(n=60):
    people = pd.DataFrame({"patient_id": [f"P{i}" for i in range(n)], "outcome": RNG.binomial(1, 0.4, n)})
    people["outcome"] = people["outcome"].astype(float)
    risk = np.clip(0.4 + 0.2 * (people["outcome"] - 0.4) + RNG.normal(0, 0.15, n), 0.01, 0.99)
    return people, pd.DataFrame({"patient_id": people["patient_id"], "nomogram": risk, "radiomics": risk**2})


def test_performance_is_judged_at_the_frozen_cutoffs():
    people, scores = people_and_scores()
    predictions = judged.predictions_of(people, scores, ["radiomics", "nomogram"])
    table = judged.frozen_performance(predictions, {"radiomics": 0.2, "nomogram": 0.45}).set_index("model")
    y = people["outcome"].astype(int)
    for model, cutoff in (("radiomics", 0.2), ("nomogram", 0.45)):
        expected = confusion_metrics(y, scores[model], cutoff)
        row = table.loc[model]
        assert row["sensitivity"] == ((scores[model] >= cutoff) & (y == 1)).sum() / y.sum()
        assert (row["npv_low"], row["npv_high"]) == tuple(expected.loc["npv", ["wilson_low", "wilson_high"]])
        assert row["auc"] == pytest.approx(delong_auc(y, scores[model]).auc, rel=1e-12)
    shown = judged.printed_performance(table.reset_index(), "0 of 60")
    assert re.fullmatch(r"0\.\d\d \(0\.\d\d to\s[01]\.\d\d\)", shown.loc["auc", "nomogram"])
    auc = shown.loc["auc", "nomogram"]
    assert judged.auc_in_words(table.reset_index()) == f"The nomogram's AUC is {auc}."
    protected = judged.frozen_performance(predictions, {"radiomics": 0.2, "nomogram": 0.45}, min_cell=60)
    assert protected["sensitivity_low"].isna().all() and protected["auc"].notna().all()


def test_patients_without_outcome_are_scored_but_not_judged():
    people, scores = people_and_scores()
    people.loc[:9, "outcome"] = np.nan
    predictions = judged.predictions_of(people, scores, ["nomogram"])
    assert len(predictions) == 50 and judged.can_be_judged(people)
    assert "outcome of 50 is known" in judged.outcomes_in_words(people, 0, "relapse")
    assert "outcome of <60 is known" in judged.outcomes_in_words(people, 60, "relapse")
    people["outcome"] = np.where(people.index == 0, 1.0, 0.0)
    assert not judged.can_be_judged(people)
    assert "too few to judge" in judged.outcomes_in_words(people, 0, "relapse")
    assert "No outcomes" in judged.outcomes_in_words(people.drop(columns="outcome"), 0, "relapse")


def test_a_missing_predictor_or_bundle_is_told(bundle, ready, tmp_path):
    run = open_run(ready(predictors=["age"]), tmp_path / "run")
    with pytest.raises(StudyError, match="needs the predictor.*sex"):
        new_hospital.check_before_applying(run, str(bundle.folder), accept_differences=False)
    for name in ("nowhere", "README.md"):  # the second is a file, and no bundle
        with pytest.raises(StudyError, match=f"no bundle '{name}'"):
            new_hospital.open_bundle(run, name)


def test_nobody_left_is_told(ready, tmp_path):
    run = open_run(ready(inclusion={"min_age": 99}), tmp_path / "run")
    with pytest.raises(StudyError, match="Nobody is left of 96.*younger than 99"):
        new_hospital.new_patients(run)


def test_apply_judges_on_known_outcomes_and_makes_a_book(bundle, ready, tmp_path):
    """The command, from the bundle's folder to the page: same patients, so no drift and the frozen AUC."""
    folder = tmp_path / "applied"
    asked = ["apply", str(bundle.folder), str(ready(sites=3)), "--run-dir", str(folder), "--workers", "1"]
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 0, done.output
    run = open_run(tmp_path / "study.yml", folder)
    scores = run.read("scores")
    assert len(scores) == 96
    drifted = pd.read_csv(run.table_path("new_hospital_drift"))
    np.testing.assert_allclose(drifted[["shift", "psi"]], 0, atol=1e-9)
    performance = pd.read_csv(run.table_path("new_hospital_performance")).set_index("model")
    known = pd.read_csv(tmp_path / "dxa.csv").set_index("number")["t_score"] <= -2.5
    given = pd.read_csv(run.private / "scores.csv").set_index("patient_number")["risk_nomogram"]
    by_hand = delong_auc(known.loc[given.index].astype(int), given)
    assert performance.loc["nomogram", "auc"] == pytest.approx(by_hand.auc)
    assert performance.loc["nomogram", "cutoff"] == pytest.approx(bundle.model["cutoffs"]["nomogram"])
    page = (run.book / "html" / "notebooks" / "11_new_hospital.html").read_text(encoding="utf-8")
    assert "A small virtual model" in page and "MRN-55" not in page
    assert not leaks.find_leaks(run)
    judged_by_site(run, tmp_path)
    assert json.loads(run.record.read_text())["notebooks"]["11_new_hospital"]["status"] == "ok"


def test_apply_gives_predictions_only_where_no_outcome_is_known(bundle, ready, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.commands.run.build_book", lambda run: None)  # the test above builds one
    run = apply_bundle(bundle.folder, ready(outcomes=False), tmp_path / "applied", workers=1)
    assert len(run.read("scores")) == 96
    assert not run.table_path("new_hospital_performance").exists()
    assert (run.private / "figures" / "new_hospital_nomogram.svg").is_file()
    text = (run.notebooks / "11_new_hospital.ipynb").read_text(encoding="utf-8")
    assert "the model cannot be judged here" in text and "MRN-55" not in text


def test_apply_gives_no_score_outside_the_domain_and_lists_everybody(bundle, ready, tmp_path, monkeypatch):
    """One patient with a feature far beyond the training patients': a reason in the table, not a number.

    The model is one that was updated for hospitals of which this is one: its page and its site.json say so.
    """
    moved = recalibrated_coefficients(bundle, -0.2, 0.9)
    update = Updated(RECALIBRATED, moved, -0.2, 0.9, "0123456789ab", ["Elsewhere", "Theirs"], True)
    bundle = load_bundle(save_updated(bundle, tmp_path / "updated", update))
    monkeypatch.setattr("helpers.commands.run.build_book", lambda run: None)
    study = ready()
    features = pd.read_csv(tmp_path / "features.csv")
    features.loc[5, bundle.features[0]] += 100 * features[bundle.features[0]].std()
    features.to_csv(tmp_path / "features.csv", index=False)
    run = apply_bundle(bundle.folder, study, tmp_path / "applied", workers=1)
    given = pd.read_csv(run.private / "scores.csv").set_index("patient_number")
    odd, others = given.loc["MRN-550005"], given.drop(index="MRN-550005")
    assert odd["status"] == "outside the domain" and np.isnan(odd["risk_nomogram"])
    assert "outside the model's domain:" in odd["reasons"] and "(training" in odd["reasons"]
    assert (others["status"] == "scored").all() and others["risk_nomogram"].notna().all()
    assert len(run.read("scores")) == 95
    sets = pd.read_csv(run.table_path("new_hospital_sensitivity")).query("model == 'nomogram'")
    assert sets.set_index("patients")["n"].to_dict() == {
        "as scored": 95,
        "without warned patients": 95,
        "with those outside the domain": 96,
    }
    flow = pd.read_csv(run.table_path("new_hospital_flow")).set_index("stage")["patients"]
    assert (flow["all"], flow["outside the domain"], flow["scored"]) == (96, 1, 95)
    text = (run.notebooks / "11_new_hospital.ipynb").read_text(encoding="utf-8")
    assert "MRN-55" not in text and "Not for any real patient" in text
    assert "nomogram recalibrated in 2 hospital(s)" in text and "learnt from patients of: Elsewhere" in text
    site = read_folder(run.folder / "share")
    assert (site.bundle, site.hospitals[0].role) == (bundle_hash(bundle), "development")


def test_an_exported_virtual_hospital_goes_the_way_of_a_real_one(bundle, tmp_path, monkeypatch):
    """The how-to's lines: exported files with their own study file, apply, share-check, pool.

    Of the frozen model's makers comes its extraction.yml, which takes the place of the exported one.
    """
    monkeypatch.setattr("helpers.commands.run.build_book", lambda run: None)
    monkeypatch.setattr("helpers.commands.pool.execute_chapter", lambda pooled: None)
    monkeypatch.setattr("helpers.commands.pool.render", lambda pooled, stages, search: "its page")

    def asked(*words):
        done = CliRunner().invoke(cli.app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.output

    told = asked("export-virtual", tmp_path / "hospitals", "--sites", 1, "--patients", 8)
    (study,) = (tmp_path / "hospitals").glob("*/study.yml")
    assert f"radbook apply BUNDLE {study}" in told
    study.with_name("extraction.yml").write_bytes(bundle.extraction.read_bytes())
    asked("apply", bundle.folder, study, "--run-dir", tmp_path / "run", "--workers", 1)
    share = tmp_path / "run" / "share"
    checked = asked("share-check", share)
    assert "No count of 1 to 9" in checked and "is put down as sent" in checked
    assert "No number, name or day" in checked
    assert "its page" in asked("pool", share, "--out", tmp_path / "pooled")
    (site,) = registry.open_pooled(tmp_path / "pooled").sites
    (hospital,) = site.hospitals
    assert hospital.label == load_study(study).sites[0].name and site.bundle == bundle_hash(bundle)
    assert (hospital.patients, hospital.role, site.virtual) == ("<10", "external", True)


def judged_by_site(run, tmp_path):
    """Each site's AUC is that of its own patients, and all add up to those judged together."""
    rates = pd.read_csv(run.table_path("new_hospital_sites")).query("model == 'nomogram'").set_index("site")
    assert list(rates.index) == SITES and rates["n"].tolist() == [32] * 3
    table = pd.read_csv(tmp_path / "dxa.csv").set_index("number")
    scores = run.read("scores").assign(number=lambda t: t["patient_id"].map(pseudonyms.raw_ids(run)))
    rows = scores.set_index("number").join(table[["centre", "t_score"]])
    for name, part in rows.groupby("centre"):
        area = delong_auc((part["t_score"] <= -2.5).astype(int), part["nomogram"])
        assert rates.loc[name, ["auc", "auc_low"]].tolist() == pytest.approx([area.auc, area.ci_low])
    summary = pd.read_csv(run.table_path("new_hospital_site_summary")).query("model == 'nomogram'")
    assert summary.set_index("measure").loc["auc", "hospitals"] == 3
    drift = pd.read_csv(run.table_path("new_hospital_site_drift")).set_index("site")
    assert list(drift.index) == SITES and (drift["of"] == drift["of"].iloc[0]).all()
    for name in ("new_hospital_sites", "new_hospital_calibration_sites"):
        assert run.figure_path(name, "svg").is_file()
    text = (run.notebooks / "11_new_hospital.ipynb").read_text(encoding="utf-8")
    assert "come from 3 sites: each is also judged by itself" in text


def test_apply_refuses_before_it_measures(bundle, ready, tmp_path):
    asked = ["apply", str(bundle.folder), str(ready(engine={})), "--run-dir", str(tmp_path / "applied")]
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 1
    assert "not stated" in done.output and "--accept-differences" in done.output


def test_a_hospitals_own_run_meets_no_new_hospital_unless_it_names_one(ready):
    study = load_study(ready())
    assert not is_needed(study, "11", {"new_study": ""})
    assert is_needed(study, "11", {"new_study": "partner.yml"})
    virtual = load_study(REPOSITORY / "tests" / "data" / "tiny.yml")
    assert is_needed(virtual, "11", {})
    # Real patients stand beside virtual ones, never in a hospital's own book.
    assert is_needed(virtual, "15", {}) and not is_needed(study, "15", {})
