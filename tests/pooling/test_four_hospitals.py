"""Protects the whole way on real patients: a model frozen in one hospital meets three others, each in its own
run; a centre pools what the four share, and finds what the patients themselves say.

A small piece of the real study: every twentieth feature, three folds.
"""

import numpy as np
import pytest
import statsmodels.api as sm
from small_bundle import freeze

from helpers.errors import StudyError
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.meta_analysis import random_effects
from helpers.features.ready import take_features
from helpers.frozen.bundle import load_bundle
from helpers.learning.newton import progress, terms
from helpers.patients.cohort import apply_inclusion, load_screened, outcome_by_rule
from helpers.pooling import estimates, registry
from helpers.pooling.answering import answer
from helpers.pooling.judged import JUDGED, LOG_ODDS, columns_of
from helpers.pooling.round_files import NOMOGRAM, RECALIBRATION, file_of
from helpers.pooling.share import share_run
from helpers.pooling.share_applied import share_new
from helpers.pooling.updating import Update
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run
from helpers.study.study_file import Split, load_study

REAL = load_study(REPOSITORY / "data" / "studies" / "real.yml")
HOME, *AWAY = REAL.sites


def study_of(site, role):
    own = {"name": site.name, "sites": [site.model_copy(update={"role": role})], "split": Split()}
    return REAL.model_copy(update=own | {"parameters": {}, "predictors": ["age", "sex"]})


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """The hospital that made the model: two thirds of its patients trained it."""
    run = open_run(study_of(HOME, "development"), tmp_path_factory.mktemp("real") / HOME.name, "06")
    people = apply_inclusion(load_screened(run), run.study).query("exclusion == ''").reset_index(drop=True)
    people["outcome"] = outcome_by_rule(people, run.study).astype(int)
    people["cohort"] = np.where(np.arange(len(people)) % 3, "training", "internal")
    values = take_features(run, people).values.iloc[:, ::20]
    run.write("cohort", people.assign(second_reader=False).drop(columns="exclusion"))
    run.write("features", values.rename_axis("patient_id").reset_index())
    freeze(run, people, values.loc[people["patient_id"]])
    return run


@pytest.fixture(scope="module")
def four(frozen):
    """Share folders of all four, each in a run folder of its own."""
    share_run(frozen)
    runs = [frozen]
    for site in AWAY:
        new = open_run(study_of(site, "external"), frozen.folder.parent / site.name, "11")
        share_new(new, load_bundle(frozen.bundle), 1)
        runs.append(new)
    return runs


def judged(run):
    """Outcomes and risks of those on whom a hospital judged the model."""
    if run.study.sites[0].role == "development":
        return run.read("predictions").query("cohort == 'internal' and model == 'nomogram'")
    outcome = load_screened(run).set_index("patient_id")["outcome"]
    scores = run.read("scores")
    return scores.assign(outcome=outcome.loc[scores["patient_id"]].to_numpy(), probability=scores["nomogram"])


def test_what_is_pooled_is_what_the_patients_say(four, tmp_path):
    pooled = registry.pool([run.folder / "share" for run in four], tmp_path / "pooled")
    hospitals = estimates.hospitals_of(pooled.sites)
    assert {one.label for one in hospitals} == {site.name for site in REAL.sites}
    assert not pooled.is_virtual
    table = estimates.estimates(hospitals)
    auc = table.query("model == 'nomogram' and measure == 'auc'").set_index("hospital")
    scaled, variance = [], []
    for run in four:
        patients = judged(run)
        area = delong_auc(patients["outcome"], patients["probability"])
        name = run.study.sites[0].name
        assert auc.loc[name, "estimate"] == pytest.approx(area.auc, abs=1e-12)
        log_odds = np.log(patients["probability"] / (1 - patients["probability"]))
        fit = sm.Logit(patients["outcome"], sm.add_constant(log_odds)).fit(disp=False)
        told = table.query("model == 'nomogram' and measure == 'slope' and hospital == @name").iloc[0]
        assert told["estimate"] == pytest.approx(fit.params.iloc[1], abs=1e-6)
        if run is not four[0]:
            scaled.append(np.log(area.auc / (1 - area.auc)))
            variance.append(area.variance / (area.auc * (1 - area.auc)) ** 2)
    summary = estimates.pooled(table).query("model == 'nomogram' and measure == 'auc'").iloc[0]
    expected = random_effects(np.array(scaled), np.array(variance))
    assert summary["hospitals"] == 3  # the hospital that made the model is shown, not summarised
    assert summary["estimate"] == pytest.approx(1 / (1 + np.exp(-expected.mean)), abs=1e-9)


def all_fit(run):
    """Sums, as files add them up, of whatever patients; the nomogram's columns as they are."""
    table = run.read(JUDGED)
    return np.column_stack([np.ones(len(table)), table[columns_of(table)]]), table["outcome"].to_numpy()


def test_sums_of_four_hospitals_are_the_fit_on_all_their_patients(four):
    parts = [all_fit(run) for run in four]
    coefficients, rounds = np.zeros(parts[0][0].shape[1]), []
    while not rounds or not progress(rounds).done:
        sums = [terms(*part, coefficients).sums() for part in parts]
        rounds.append((coefficients, sums[0] + sums[1] + sums[2] + sums[3]))
        coefficients = progress(rounds).coefficients
    design, outcome = (np.concatenate(one) for one in zip(*parts, strict=True))
    expected = sm.Logit(outcome, design).fit(disp=False, tol=1e-14, maxiter=100)
    assert len(outcome) > 150
    np.testing.assert_allclose(coefficients, expected.params, rtol=0, atol=1e-7)


def test_real_hospitals_recalibrate_together_and_those_of_few_patients_do_not(four, frozen, tmp_path):
    """Two coefficients need twenty patients of either outcome: hospitals with fewer do not answer."""
    pooled = registry.pool([run.folder / "share" for run in four], tmp_path / "pooled")
    update, answered = Update(pooled, load_bundle(frozen.bundle)), []
    request = update.step([]).request
    for run in four:
        counts = np.bincount(run.read(JUDGED)["outcome"])
        if counts.min() >= 20:
            answered.append(run)
            answer(run, update.folder / file_of(1))
        else:
            with pytest.raises(StudyError, match="does not take part in the round"):
                answer(run, update.folder / file_of(1))
    assert request.round == 1 and {run.study.name for run in answered} == {"UMCU", "VUMC"}
    update = Update(pooled, load_bundle(frozen.bundle), ["AVL", "MAASTRO"])
    state = update.step([])
    while not state.is_done:
        for run in answered:
            answer(run, update.folder / file_of(state.request.round))
        state = update.step([run.folder / "share" for run in answered])
    tables = [run.read(JUDGED) for run in answered]
    outcome, log_odds = (np.concatenate([table[name] for table in tables]) for name in ("outcome", LOG_ODDS))
    expected = sm.Logit(outcome, sm.add_constant(log_odds)).fit(disp=False, tol=1e-14, maxiter=100)
    np.testing.assert_allclose(state.fits[RECALIBRATION].coefficients, expected.params, rtol=0, atol=1e-7)
    assert set(state.refused[NOMOGRAM]) == {"UMCU", "VUMC"} and NOMOGRAM not in state.fits
