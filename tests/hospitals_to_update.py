"""Hospitals made of numbers that take part in an update: run folders with site.json and judged patients."""

import json

import numpy as np
import pandas as pd
import yaml
from reported_run import MODEL
from scipy.special import expit
from synthetic_site import share_folder

from helpers.frozen.bundle import FROZEN, bundle_hash, load_bundle
from helpers.pooling.judged import write_judged
from helpers.study.content_hash import content_hash
from helpers.study.run_folder import open_run

NOMOGRAM = {
    "coefficients": {"Intercept": -4.0, "age": 0.0475, "sex=male": -0.4, "rad_score": 1.25},
    "levels": {"sex": ["female", "male"]},
    "method": "maximum likelihood",
    "axes": {"age": [40.0, 90.0], "sex": ["female", "male"], "rad_score": [-4.0, 4.0]},
}
TRAINING = {
    "patients": 412,
    "predictors": {"age": {"mean": 66.0, "sd": 9.0}, "sex": {"categories": {"female": 0.6, "male": 0.4}}},
    "features": {"Rad-score": {"mean": 0.1, "sd": 0.8}},
}
SITE = "table: {path: t.csv}, images: 'ct/{patient_id}', masks: 'm/{patient_id}'"


def frozen_bundle(folder):
    folder.mkdir(parents=True)
    model = MODEL | {"nomogram": NOMOGRAM, "predictors": ["age", "sex"], "training": TRAINING}
    (folder / "model.json").write_text(json.dumps(model))
    (folder / "extraction.yml").write_text("setting: {binWidth: 25}\n")
    sums = {name: content_hash(folder / name) for name in FROZEN}
    (folder / "manifest.json").write_text(json.dumps({"sha256": sums}))
    return load_bundle(folder)


def judged_people(n, seed, shift=0.0):
    """Patients whose risks follow another formula than the frozen one."""
    rng = np.random.default_rng(seed)
    age, male = rng.normal(67, 8, n).round(), rng.random(n) < 0.4
    score = rng.normal(shift, 1, n)
    log_odds = -3.2 + 0.045 * age - 0.6 * male + 0.8 * score + shift
    return pd.DataFrame(
        {
            "patient_id": [f"P{seed}{number:04d}" for number in range(n)],
            "outcome": rng.binomial(1, expit(log_odds)),
            "age": age,
            "sex": np.where(male, "male", "female"),
            "rad_score": score,
        }
    )


def hospital_run(folder, label, seed, bundle, people, min_cell=10):
    """A hospital's run folder after chapter 11, as its record says."""
    folder.mkdir(parents=True)
    study = {"name": "s", "title": "t", "seed": 1, "extraction": "e.yml", "min_cell": min_cell}
    site = yaml.safe_load(f"{{{SITE}}}") | {"name": label, "role": "external"}
    (folder / "study.yml").write_text(yaml.safe_dump(study | {"sites": [site]}), encoding="utf-8")
    run = open_run(folder / "study.yml", folder / "run", "11")
    share_folder(run.folder / "share", label=label, seed=seed, min_cell=min_cell, bundle=bundle_hash(bundle))
    write_judged(run, bundle, people)
    record = {
        "study_file": str(folder / "study.yml"),
        "updated": "2026-04-28",
        "versions": {},
        "notebooks": {},
    }
    (run.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return run
