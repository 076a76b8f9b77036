"""A study of two hospitals after chapter 06, made of numbers: what a run shares is made of it."""

import json

import numpy as np
import pandas as pd
import yaml
from reported_run import MODEL, REAL
from synthetic_site import patients

from helpers.frozen.bundle import FROZEN
from helpers.study.content_hash import content_hash
from helpers.study.run_folder import open_run

FEATURE = "original_firstorder_Mean"
TRAINING = {
    "patients": 412,
    "features": {FEATURE: {"mean": 128.0, "sd": 30.0}},
    "predictors": {"age": {"mean": 66.0, "sd": 9.0}, "sex": {"categories": {"female": 0.6, "male": 0.4}}},
    "acquisition": {},
}


def people_of(cohort, site, n, seed):
    table = patients(n, seed).rename(columns={"mean HU": "hu"})
    ids = [f"P-{site[:3]}{number:04d}" for number in range(n)]
    sex = np.where(np.arange(n) % 3, "female", "male")
    return table.assign(patient_id=ids, cohort=cohort, site=site, sex=sex, second_reader=False)


def made_run(tmp_path, **keys):
    """Its run folder; ``keys`` are more of the study file."""
    sites = [{"name": "Home", "role": "development"}, {"name": "Away", "role": "external"}]
    study = {"name": "two", "title": "Two", "seed": 1, "extraction": "e.yml", "min_cell": 10} | keys
    source = yaml.safe_load(f"{{{REAL}}}")
    (tmp_path / "e.yml").write_text("setting: {binWidth: 25}\n")
    (tmp_path / "study.yml").write_text(yaml.safe_dump(study | {"sites": [one | source for one in sites]}))
    run = open_run(tmp_path / "study.yml", tmp_path / "run", "06")
    parts = [("training", "Home", 100), ("internal", "Home", 80), ("external", "Away", 160)]
    people = pd.concat(
        [people_of(cohort, site, n, seed) for seed, (cohort, site, n) in enumerate(parts)], ignore_index=True
    )
    people["patient_id"] = [f"P{number:05d}" for number in range(len(people))]
    run.write("cohort", people[["patient_id", "site", "cohort", "outcome", "age", "sex", "second_reader"]])
    scores = people[["patient_id", "cohort", "outcome"]].assign(rad_score=people["hu"].to_numpy())
    run.write("rad_score", scores)
    run.write("features", people[["patient_id"]].assign(**{FEATURE: people["hu"] * 30 + 128}))
    keys = ["patient_id", "cohort", "outcome"]
    run.write("predictions", people.melt(keys, ["clinical", "nomogram"], "model", "probability"))
    quality = people[["patient_id"]].assign(status="ok", reason="", kind="", trabecular_hu=-people["hu"])
    quality = quality.assign(kvp=np.where(np.arange(len(people)) % 50, 120.0, 100.0), spacing_z=1.0)
    run.write("preprocessing", quality)
    run.bundle.mkdir()
    model = MODEL | {"predictors": ["age", "sex"], "training": TRAINING}
    (run.bundle / "model.json").write_text(json.dumps(model))
    (run.bundle / "extraction.yml").write_text("setting: {binWidth: 25}\n")
    sums = {name: content_hash(run.bundle / name) for name in FROZEN}
    (run.bundle / "manifest.json").write_text(json.dumps({"sha256": sums}))
    for name in ("manifest.json", *FROZEN):
        run.enter(run.bundle / name)
    return run
