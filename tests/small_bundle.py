"""A small frozen model for tests: learnt from eight virtual patients and invented likenesses of them."""

import numpy as np
import yaml
from sklearn.linear_model import LogisticRegression

from helpers.features.extraction import features_table
from helpers.features.names import feature_names
from helpers.features.prepare import cases_of, quality_table
from helpers.frozen.bundle import save_bundle
from helpers.learning import selection
from helpers.learning.nomogram import Nomogram, fit_models, with_models
from helpers.patients.cohort import apply_inclusion, load_screened
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run

LIKENESSES = 12


def make_bundle(folder, extraction):
    """Run with a bundle made by ``extraction``; features of the eight, and everyone's numbers, are in it."""
    protocol = str(REPOSITORY / "data" / "virtual" / "protocol.yml")
    site = {"name": "Virtual", "role": "development", "virtual": {"protocol": protocol, "patients": 8}}
    study = {"name": "small", "title": "A small virtual model", "seed": 3, "extraction": str(extraction)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yml").write_text(yaml.safe_dump(study | {"sites": [site]}))
    run = open_run(folder / "study.yml", folder / "run")
    screened = apply_inclusion(load_screened(run), run.study)
    eight = screened.query("exclusion == ''").reset_index(drop=True)
    quality = quality_table(run, cases_of(eight), 1)
    features, _ = features_table(run, cases_of(eight), 1)
    people, values = _likenesses(eight, features, np.random.default_rng(1))
    run.write("cohort", people)
    run.write("features", values)
    rows = quality.set_index("patient_id").loc[np.repeat(eight["patient_id"], LIKENESSES)]
    run.write("preprocessing", rows.reset_index(drop=True).assign(patient_id=people["patient_id"]))
    freeze(run, people, values.set_index("patient_id"))
    return run


def _likenesses(eight, features, rng):
    """Each patient several times, a little changed."""
    people = eight.loc[np.repeat(eight.index, LIKENESSES)].reset_index(drop=True)
    people["patient_id"] = [f"L{number:03d}" for number in range(len(people))]
    people["age"] = (people["age"] + rng.normal(0, 5, len(people))).clip(50, 90)
    people["outcome"] = (people["t_score"] + rng.normal(0, 1, len(people)) <= -2).astype(int)
    people = people.assign(cohort="training", second_reader=False)
    numbers = features[feature_names(features)]
    spread = numbers.std().to_numpy() / 2
    values = numbers.loc[np.repeat(numbers.index, LIKENESSES)].reset_index(drop=True)
    values += rng.normal(size=values.shape) * spread
    values.insert(0, "patient_id", people["patient_id"])
    return people.drop(columns=["exclusion", "allocation"], errors="ignore"), values


def freeze(run, people, values):
    """Select, fit and freeze, on everybody of ``people`` who is of the training set."""
    settings = selection.SelectionSettings(icc_threshold=None, folds=3, mrmr_features=8, smote="none")
    chosen = selection.select_features(values, people["outcome"].to_numpy(), {}, settings, 1).as_dict()
    run.write_json("selection", chosen)
    z = selection.z_scores(chosen, values)
    model = LogisticRegression().fit(z, people["outcome"])
    content = {"intercept": float(model.intercept_[0]), "coefficients": model.coef_[0].tolist()}
    run.write_json("models", {"LR": content})
    scored = people.assign(rad_score=selection.rad_score(chosen, values).to_numpy())
    keys = ["patient_id", "cohort", "outcome"]
    run.write("rad_score", scored[[*keys, "rad_score"]])
    fitted = fit_models(scored, run.study.predictors)
    radiomics = people[keys].assign(model="LR", probability=model.predict_proba(z)[:, 1])
    run.write("predictions", with_models(radiomics, scored, fitted))
    save_bundle(run, fitted, Nomogram(fitted["nomogram"].coefficients, scored))
