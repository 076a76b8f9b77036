"""Protects: an update in rounds of files is the fit on all patients together, and who drops out, answers what
was not asked, or has too few patients is told so."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hospitals_to_update import frozen_bundle, hospital_run, judged_people
from synthetic_site import checksum

from helpers.errors import StudyError
from helpers.pooling import registry, update_tables
from helpers.pooling.answering import answer
from helpers.pooling.judged import write_judged
from helpers.pooling.round_files import NOMOGRAM, RECALIBRATION, file_of
from helpers.pooling.updating import Update
from helpers.pooling.virtual_hospitals import virtual_hospitals

SIZES = {"North": (240, 1, 0.0), "South": (200, 2, 0.5), "West": (320, 3, -0.3)}


@pytest.fixture
def bundle(tmp_path):
    return frozen_bundle(tmp_path / "bundle")


@pytest.fixture
def people():
    return {label: judged_people(*numbers) for label, numbers in SIZES.items()}


@pytest.fixture
def runs(tmp_path, bundle, people):
    return {
        label: hospital_run(tmp_path / label, label, seed, bundle, table)
        for seed, (label, table) in enumerate(people.items(), start=5)
    }


@pytest.fixture
def pooled(tmp_path, runs):
    return registry.pool([run.folder / "share" for run in runs.values()], tmp_path / "pooled")


def answered(update, runs, state):
    for run in runs.values():
        answer(run, update.folder / file_of(state.request.round))
    return update.step([run.folder / "share" for run in runs.values()])


def finished(update, runs):
    state = update.step([])
    while not state.is_done:
        state = answered(update, runs, state)
    return state


def of_all(people):
    table = pd.concat(people.values())
    design = pd.DataFrame(
        {"const": 1.0, "age": table["age"], "sex=male": table["sex"].eq("male").astype(float)}
    ).assign(rad_score=table["rad_score"])
    log_odds = design.to_numpy() @ [-4.0, 0.0475, -0.4, 1.25]
    return table["outcome"], design, log_odds


def test_the_fit_is_that_of_all_patients_together(bundle, people, runs, pooled):
    update = Update(pooled, bundle)
    state = finished(update, runs)
    assert 4 <= state.request.round <= 7
    outcome, design, log_odds = of_all(people)
    expected = sm.Logit(outcome, design).fit(disp=False, tol=1e-14, maxiter=100)
    table = update_tables.coefficients(update, state)
    np.testing.assert_allclose(table["updated"], expected.params, rtol=0, atol=1e-7)
    np.testing.assert_allclose(table["se"], expected.bse, rtol=0, atol=1e-7)
    assert table["frozen"].tolist() == [-4.0, 0.0475, -0.4, 1.25]
    both = sm.Logit(outcome, sm.add_constant(log_odds)).fit(disp=False, tol=1e-14, maxiter=100)
    recalibrated = update_tables.recalibrations(update, state).set_index("hospital")
    assert recalibrated.loc[update_tables.ALL, ["intercept", "slope"]].tolist() == pytest.approx(
        both.params.tolist(), abs=1e-7
    )
    one = json.loads((runs["North"].folder / "share" / "site.json").read_text())["hospitals"][0]
    assert recalibrated.loc["North", "slope"] == one["models"]["nomogram"]["calibration"]["slope"]


def test_virtual_hospitals_that_differ_are_fitted_as_one(tmp_path, bundle):
    """Ages, prevalence and sexes of the simulator; the score is made up from the T-score."""
    people, rng = {}, np.random.default_rng(3)
    for hospital in virtual_hospitals(3, 400, 5, tmp_path / "protocols"):
        table = hospital.site.screened().query("allocation != ''").reset_index(drop=True)
        score = -0.5 * (table["t_score"] + 2) + rng.normal(0, 1, len(table))
        ill = (table["t_score"] <= -2.5).astype(int)
        table = table[["patient_id", "age", "sex"]].assign(outcome=ill, rad_score=score)
        people[hospital.name] = table.assign(age=table["age"].astype(float))
    runs = {
        label: hospital_run(tmp_path / f"v{seed}", label, seed, bundle, table)
        for seed, (label, table) in enumerate(people.items(), start=5)
    }
    pooled = registry.pool([run.folder / "share" for run in runs.values()], tmp_path / "virtual")
    update = Update(pooled, bundle)
    state = finished(update, runs)
    assert state.refused == {RECALIBRATION: {}, NOMOGRAM: {}}
    outcome, design, log_odds = of_all(people)
    expected = sm.Logit(outcome, design).fit(disp=False, tol=1e-14, maxiter=100)
    table = update_tables.coefficients(update, state)
    np.testing.assert_allclose(table["updated"], expected.params, rtol=0, atol=1e-7)
    both = sm.Logit(outcome, sm.add_constant(log_odds)).fit(disp=False, tol=1e-14, maxiter=100)
    np.testing.assert_allclose(state.fits[RECALIBRATION].coefficients, both.params, rtol=0, atol=1e-7)


def test_what_is_sent_holds_no_patient(runs, pooled, bundle):
    update = Update(pooled, bundle)
    update.step([])
    told = answer(runs["North"], update.folder / file_of(1))
    numbers = [len(one.gradient) + sum(map(len, one.information)) + 1 for one in told.fits.values()]
    assert sum(numbers) == (2 + 4 + 1) + (4 + 16 + 1)
    text = (runs["North"].folder / "share" / file_of(1)).read_text()
    assert not any(name in text for name in runs["North"].read("judged")["patient_id"])


def test_who_has_not_answered_is_named_and_the_others_can_go_on_without(runs, pooled, bundle, people):
    update = Update(pooled, bundle)
    update.step([])
    present = {label: run for label, run in runs.items() if label != "West"}
    for run in present.values():
        answer(run, update.folder / file_of(1))
    state = update.step([run.folder / "share" for run in present.values()])
    assert state.waiting == ["West"] and not state.is_done and state.request.round == 1
    without = Update(pooled, bundle, ["West"])
    state = finished(without, present)
    outcome, design, _ = of_all({label: people[label] for label in present})
    expected = sm.Logit(outcome, design).fit(disp=False, tol=1e-14, maxiter=100)
    table = update_tables.coefficients(without, state)
    np.testing.assert_allclose(table["updated"], expected.params, rtol=0, atol=1e-7)
    assert "West" not in update_tables.parts(without, state)["hospital"].tolist()
    with pytest.raises(StudyError, match="no hospital 'Nowhere'"):
        Update(pooled, bundle, ["Nowhere"])
    with pytest.raises(StudyError, match="No hospital is left"):
        Update(pooled, bundle, list(runs))


def test_another_round_s_file_is_told_on_both_sides(runs, pooled, bundle):
    update = Update(pooled, bundle)
    state = answered(update, runs, update.step([]))
    assert state.request.round == 2
    north = runs["North"].folder / "share"
    with pytest.raises(StudyError, match=r"'share/round_02\.json' is not there"):
        update.step([north])
    (north / file_of(2)).write_bytes((north / file_of(1)).read_bytes())
    with pytest.raises(StudyError, match="answers another request than round 2"):
        update.step([north])
    third = update.folder / file_of(3)
    content = json.loads((update.folder / file_of(2)).read_text()) | {"round": 3}
    third.write_text(json.dumps(content | {"sha256": checksum(content)}))
    with pytest.raises(StudyError, match="This is round 3, and round 2 is the next"):
        answer(runs["North"], third)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told.update(round=7), "its checksum is wrong"),
        (lambda told: told.update(version=9), "another version"),
        (lambda told: told.update(format="x"), "no file of a round"),
        (lambda told: told.update(more=1), "does not keep to its contract"),
        (lambda told: told.update(site="0" * 64), "of no hospital that takes part"),
        (lambda told: told["fits"].pop(NOMOGRAM), "other fits than it was asked for"),
        (lambda told: told["fits"][NOMOGRAM]["gradient"].pop(), "numbers that no patients add up to"),
        (lambda told: told["fits"][NOMOGRAM]["information"][0].pop(), "numbers that no patients add up to"),
        (
            lambda told: told["fits"][RECALIBRATION].update(information=[[-1.0, 0.0], [0.0, 1.0]]),
            "no patients",
        ),
        (lambda told: told["fits"][RECALIBRATION].update(log_likelihood=3.0), "no patients add up to"),
    ],
)
def test_a_damaged_or_foreign_answer_is_refused(runs, pooled, bundle, change, message):
    update = Update(pooled, bundle)
    update.step([])
    answer(runs["North"], update.folder / file_of(1))
    path = runs["North"].folder / "share" / file_of(1)
    content = json.loads(path.read_text())
    change(content)
    if message != "its checksum is wrong":
        content["sha256"] = checksum(content)
    path.write_text(json.dumps(content))
    with pytest.raises(StudyError, match=message):
        update.step([path.parent])
    assert not (update.folder / "answers").exists()


def test_a_truncated_answer_and_another_bundle_are_refused(runs, pooled, bundle, tmp_path):
    update = Update(pooled, bundle)
    update.step([])
    answer(runs["North"], update.folder / file_of(1))
    path = runs["North"].folder / "share" / file_of(1)
    path.write_text(path.read_text()[:80])
    with pytest.raises(StudyError, match="no whole JSON text"):
        update.step([path.parent])
    other = frozen_bundle(tmp_path / "other")
    content = json.loads((other.folder / "manifest.json").read_text())
    content["sha256"]["extraction.yml"] = "0" * 64
    (other.folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(StudyError, match="another frozen model than this bundle"):
        Update(pooled, other)


def test_a_hospital_of_few_patients_takes_part_in_what_it_may(tmp_path, bundle, people, runs):
    """Thirty with the outcome are enough for two coefficients and not for four."""
    small = judged_people(400, 9)
    small = pd.concat([small[small["outcome"] == 1].head(30), small[small["outcome"] == 0].head(60)])
    fewer = runs | {"Small": hospital_run(tmp_path / "Small", "Small", 9, bundle, small)}
    pooled = registry.pool([run.folder / "share" for run in fewer.values()], tmp_path / "four")
    update = Update(pooled, bundle)
    state = finished(update, fewer)
    assert state.refused[RECALIBRATION] == {} and list(state.refused[NOMOGRAM]) == ["Small"]
    assert (
        "fewer than 10 patients with or without the outcome a coefficient" in state.refused[NOMOGRAM]["Small"]
    )
    outcome, design, _ = of_all(people)
    expected = sm.Logit(outcome, design).fit(disp=False, tol=1e-14, maxiter=100)
    table = update_tables.coefficients(update, state)
    np.testing.assert_allclose(table["updated"], expected.params, rtol=0, atol=1e-7)
    outcome, _, log_odds = of_all(people | {"Small": small})
    both = sm.Logit(outcome, sm.add_constant(log_odds)).fit(disp=False, tol=1e-14, maxiter=100)
    np.testing.assert_allclose(state.fits[RECALIBRATION].coefficients, both.params, rtol=0, atol=1e-7)


def test_separated_patients_end_without_a_result(tmp_path, bundle):
    """In no hospital alone, but in all together, the score tells who has the outcome."""
    people = {label: judged_people(200, seed) for label, seed in (("One", 1), ("Two", 2))}
    for table in people.values():
        table["outcome"] = (table["rad_score"] > 0).astype(int)
    runs = {
        label: hospital_run(tmp_path / label, label, seed, bundle, people[label], min_cell=0)
        for seed, label in enumerate(people, start=5)
    }
    pooled = registry.pool([run.folder / "share" for run in runs.values()], tmp_path / "pooled")
    update = Update(pooled, bundle)
    state = finished(update, runs)
    assert state.fits[NOMOGRAM].failed and not state.fits[NOMOGRAM].done
    assert update_tables.coefficients(update, state).empty
    told = update_tables.parts(update, state)
    assert told["part"].str.startswith("did not converge").any()


def test_an_answer_again_is_the_same_and_few_other_patients_are_refused(runs, pooled, bundle, people):
    update = Update(pooled, bundle)
    update.step([])
    path = update.folder / file_of(1)
    first = answer(runs["North"], path)
    assert answer(runs["North"], path) == first

    write_judged(runs["North"], bundle, people["North"].iloc[1:].reset_index(drop=True))
    with pytest.raises(StudyError, match="few patients came, went or changed"):
        answer(runs["North"], path)


def test_risks_of_the_updated_nomogram_are_right_on_average(runs, pooled, bundle, people):
    """A property of a fit with an intercept: over all patients, predicted and seen events agree."""
    update = Update(pooled, bundle)
    table = update_tables.coefficients(update, finished(update, runs))
    outcome, design, _ = of_all(people)
    log_odds = design.to_numpy() @ table["updated"].to_numpy()
    assert (1 / (1 + np.exp(-log_odds))).sum() == pytest.approx(outcome.sum(), abs=1e-6)
