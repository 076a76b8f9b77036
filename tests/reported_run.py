"""A run folder as a hospital has it after chapter 06: one table, one figure, its record, a frozen model."""

import json

from helpers.frozen.bundle import CUTOFF_RULE, FORMAT, FROZEN
from helpers.study.content_hash import content_hash
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run

VIRTUAL = f"virtual: {{protocol: {REPOSITORY / 'data' / 'virtual' / 'protocol.yml'}, patients: 8}}"
REAL = "table: {path: t.csv}, images: 'ct/{patient_id}', masks: 'm/{patient_id}.nii'"
MODEL = {
    "format": FORMAT,
    "title": "Osteoporosis at St. Anywhere",
    "virtual": False,
    "seed": 5,
    "outcome": {"t_score_at_most": -2.5, "given": False},
    "predictors": ["age"],
    "selection": {
        "features": ["original_firstorder_Mean"],
        "mean": [128.25],
        "sd": [31.5],
        "coefficients": [-0.875],
        "intercept": -0.5,
    },
    "radiomics": {"intercept": 0.0, "coefficients": [1.0]},
    "clinical": {"coefficients": {"Intercept": -4.5, "age": 0.0625}},
    "nomogram": {
        "coefficients": {"Intercept": -4.0, "age": 0.0475, "rad_score": 1.25},
        "levels": {},
        "method": "maximum likelihood",
    },
    "cutoffs": {"rule": CUTOFF_RULE, "clinical": 0.25, "radiomics": 0.375, "nomogram": 0.4375},
    "training": {"patients": 412},
    "domain": {
        "rad_score": {"low": -3.0, "high": 4.0},
        "features": {"original_firstorder_Mean": {"low": 3.5, "high": 310.25}},
        "centre": [128.25],
        "sd": [31.5],
        "covariance": [[1.0]],
        "distance": 3.625,
        "kvp": [120.0],
    },
    "engine": {"pyradiomics-bhklab": "3.1.4"},
    "libraries": {"numpy": "2.4.6"},
}


def reported_run(folder, source=VIRTUAL):
    """The run of a hospital whose images come from ``source``."""
    study = folder / "study.yml"
    study.write_text(
        f"name: anywhere\ntitle: St. Anywhere\nseed: 5\nextraction: settings.yml\n"
        f"sites:\n  - {{name: Anywhere, role: development, {source}}}\n"
    )
    run = open_run(study, folder / "run")
    run.table_path("table_5").write_text(
        "data,model,cohort,n,events,auc,ci_low,ci_high,sensitivity_strict,specificity_strict\n"
        "x,nomogram,external,263,117,0.8751,0.8284,0.9216,0.7519,0.8125\n"
        "x,nomogram,internal,<10,hidden,,,,,\n"
        "x,clinical,external,12,3,1.0,,,,\n"
    )
    for kind in ("svg", "png"):
        run.figure_path("figure_5", kind).write_bytes(b"picture")
    run.figure_path("figure_2", "svg", private=True).write_bytes(b"a patient")
    (run.notebooks / f"{STEPS['06']}.ipynb").write_text("{}")
    record = {"study": "anywhere", "study_file": "/home/dr-who/s.yml", "commit": "abc123", "seed": 5}
    record |= {"updated": "2026-04-28T10:11:12+00:00", "versions": {"numpy": "2.4.6"}}
    record["notebooks"] = {STEPS["06"]: {"status": "ok", "seconds": 19.4}}
    run.record.write_text(json.dumps(record))
    freeze(run)
    return run


def freeze(run):
    run.bundle.mkdir()
    (run.bundle / "extraction.yml").write_text("setting:\n  binWidth: 25\n")
    (run.bundle / "model.json").write_text(json.dumps(MODEL))
    sums = {name: content_hash(run.bundle / name) for name in FROZEN}
    (run.bundle / "manifest.json").write_text(json.dumps({"sha256": sums}))
    for name in ("manifest.json", *FROZEN):
        run.enter(run.bundle / name)
