"""What several chapters take from the run before they begin: patients with their features, and seeds."""

from __future__ import annotations

import pandas as pd

from helpers.patients.cohort import require_sizes
from helpers.study.run_folder import Run


def patients_with_features(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The artifacts "cohort" and "features" of the patients who have both, row for row.

    Returns
    -------
    patients : DataFrame, shape (patients, columns of the cohort)
    features : DataFrame, shape (patients, features)
        Raw values. Both are indexed by patient_id, in the order of the cohort.

    Raises
    ------
    StudyError
        When a cohort has too few patients with features.
    """
    features = run.read("features").set_index("patient_id")
    patients = run.read("cohort").set_index("patient_id")
    patients = patients[patients.index.isin(features.index)]
    require_sizes(patients, run.study)
    return patients, features.loc[patients.index]


def seed(run: Run, *step: str) -> int:
    """Seed of a step, for estimators that take a number: it follows from the study's seed and the names."""
    return int(run.study.rng(*step).integers(2**31))
