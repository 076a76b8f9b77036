"""Hospitals made of numbers: patients, risks and features drawn at random, as site.json tells of them."""

import json

import numpy as np
import pandas as pd
from scipy.special import expit

from helpers.pooling import measures
from helpers.pooling.contract import FORMAT, VERSION, checksum
from helpers.study.places import as_json

CUTOFFS = {"clinical": 0.42, "radiomics": 0.4, "nomogram": 0.41}
FEATURES = ("original_firstorder_Mean", "original_glcm_Contrast")


def patients(n=160, seed=1, strength=1.2, shift=0.0):
    """Outcome, and risks by three models and by HU, of one hospital."""
    rng = np.random.default_rng(seed)
    z, age = rng.normal(shift, 1, n), rng.normal(65, 8, n)
    log_odds = -0.4 + strength * z + 0.04 * (age - 65)
    y = rng.binomial(1, expit(log_odds))
    risks = {
        "clinical": expit(-0.4 + 0.05 * (age - 65) + rng.normal(0, 0.05, n)),
        "radiomics": expit(-0.4 + z + rng.normal(0, 0.3, n)),
        "nomogram": expit(-0.4 + 1.1 * z + 0.04 * (age - 65)),
        measures.HU: -z + rng.normal(0, 1, n),
    }
    risks[measures.HU] = -risks[measures.HU]
    return pd.DataFrame({"outcome": y, "age": age} | risks)


def hospital(label, table, min_cell=10, role="external", seed=1):
    """The entry of one hospital's file, as `share` makes it of a run."""
    rng = np.random.default_rng(seed)
    scores = table.drop(columns=["outcome", "age"])
    told, covariance = measures.measures_of(table["outcome"].to_numpy(), scores, CUTOFFS, min_cell)
    return {
        "label": label,
        "role": role,
        "patients": len(table),
        "events": measures.told_events(table["outcome"].to_numpy(), min_cell),
        "models": {name: one.model_dump() for name, one in told.items()},
        "auc_covariance": covariance,
        "described": len(table),
        "predictors": {
            "age": {"mean": float(table["age"].mean()), "sd": float(table["age"].std(ddof=0))},
            "sex": {"female": len(table) // 2, "male": len(table) - len(table) // 2},
        },
        "features": {name: {"mean": 100 + rng.normal(0, 5), "sd": 20.0} for name in FEATURES},
        "scans": {"scanner": {"A": len(table)}},
    }


def content(label="Hospital 1", seed=1, n=160, min_cell=10, **changes):
    """What a whole site.json says, with a right checksum."""
    entry = hospital(label, patients(n, seed), min_cell, seed=seed)
    told = {
        "format": FORMAT,
        "version": VERSION,
        "software": "0.1.0",
        "study": f"study_{seed}",
        "made_by": "apply",
        "virtual": True,
        "model_virtual": True,
        "outcome": "osteoporosis, DXA T-score at or below -2.5",
        "outcome_name": "osteoporosis",
        "bundle": "a" * 64,
        "settings": "b" * 64,
        "engine": {"pyradiomics-bhklab": "3.1.4"},
        "min_cell": min_cell,
        "training": {name: {"mean": 100.0, "sd": 20.0} for name in FEATURES}
        | {"age": {"mean": 65.0, "sd": 8.0}, "sex": {"female": 0.5, "male": 0.5}},
        "flow": [
            {"site": "", "stage": "all", "reason": "", "patients": n + 40, "outcome": None},
            {"site": "", "stage": "excluded", "reason": "young", "patients": 40, "outcome": None},
            {"site": "", "stage": "scored", "reason": "", "patients": n, "outcome": None},
        ],
        "hospitals": [entry],
    } | changes
    return told | {"sha256": checksum(told)}


def share_folder(folder, **keys):
    """A share/ folder with such a file."""
    folder.mkdir(parents=True)
    (folder / "site.json").write_text(as_json(content(**keys)), encoding="utf-8")
    return folder


def rewritten(folder, change):
    """The folder's file after ``change(content)``, its checksum made right again."""
    path = folder / "site.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    told["sha256"] = checksum(told)
    path.write_text(json.dumps(told), encoding="utf-8")
