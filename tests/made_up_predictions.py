"""Predictions of made-up patients, few enough to count."""

import numpy as np
import pandas as pd


def two_sets():
    """Predictions of LR for 40 training patients and 7 external ones."""
    rng = np.random.default_rng(3)
    people = pd.DataFrame({"cohort": np.repeat(["training", "external"], [40, 7])})
    people["patient_id"] = [f"P{i}" for i in range(len(people))]
    people["outcome"] = rng.permutation(np.r_[np.ones(16, int), np.zeros(24, int), 1, 1, 1, 0, 0, 0, 0])
    people.loc[40:, "outcome"] = [1, 1, 1, 0, 0, 0, 0]
    risk = 1 / (1 + np.exp(-rng.normal(people["outcome"], 1)))
    return people.assign(model="LR", probability=risk)
