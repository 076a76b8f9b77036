"""A run folder as it is after chapter 06, of as many sites as asked for, with made-up predictions."""

import numpy as np
import pandas as pd
from scipy.special import expit

from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run

SITE = "  - {{name: {name}, role: {role}, {source}}}"
REAL = "table: {path: t.csv}, images: 'ct/{patient_id}', masks: 'm/{patient_id}.nii'"
VIRTUAL = "virtual: {{protocol: {}, patients: 8}}".format(REPOSITORY / "data" / "virtual" / "protocol.yml")


def predictions(n=120, seed=3, models=("nomogram", "LR"), cohorts=("training", "external")):
    """Each patient's risk by each model, higher where the outcome is there."""
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
                "outcome": y,
                "model": model,
                "probability": risk,
            }
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def predicted_run(folder, *sources):
    """The run of sites whose images come from ``sources``."""
    roles = ["development", "external"]
    sites = [
        SITE.format(name=role, role=role, source=source) for role, source in zip(roles, sources, strict=False)
    ]
    head = ["name: s", "title: t", "seed: 1", "extraction: e.yml", "sites:"]
    (folder / "study.yml").write_text("\n".join([*head, *sites]), encoding="utf-8")
    run = open_run(folder / "study.yml", folder / "run")
    run.write("predictions", predictions())
    run.figure_path("figure_6", "svg").write_text("<svg/>")
    return run
