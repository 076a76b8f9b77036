"""Predictions of all models in all cohorts: a column a model, and what is present."""

from __future__ import annotations

import pandas as pd

from helpers.errors import StudyError
from helpers.study.cohorts import ordered_cohorts


def probabilities_wide(predictions: pd.DataFrame, cohort: str, models: list[str]) -> pd.DataFrame:
    """One row a patient of ``cohort``: ``outcome`` and one column of probabilities a model.

    Patients stay in the order of ``predictions``: resamples drawn by row must not depend on pseudonyms, which
    another key would sort otherwise.

    Raises
    ------
    StudyError
        When a model, or a model's prediction for a patient, is missing.
    """
    part = predictions[(predictions["cohort"] == cohort) & predictions["model"].isin(models)]
    missing = [model for model in models if model not in set(part["model"])]
    if missing:
        raise StudyError(
            f"There are no predictions of {', '.join(missing)} in the {cohort} set: run the notebook that "
            "fits them (05 for the single models, 06 for clinical, radiomics and nomogram)."
        )
    patient = ["patient_id", "outcome"]
    wide = part.pivot(index=patient, columns="model", values="probability")[models]
    wide = wide.loc[pd.MultiIndex.from_frame(part[patient].drop_duplicates())]
    if wide.isna().any(axis=None):
        lacking = wide.index[wide.isna().any(axis=1)][0][0]
        raise StudyError(
            f"Patient {lacking} lacks the prediction of at least one model in the {cohort} set: run "
            "notebooks 05 and 06 again, so that all models are compared on the same patients."
        )
    return wide.reset_index()


def present_cohorts(predictions: pd.DataFrame) -> list[str]:
    """The sets that have patients, in the order training, internal, external (of several, the study's)."""
    return ordered_cohorts(predictions["cohort"])


def present_models(predictions: pd.DataFrame, models: list[str]) -> list[str]:
    """Those of ``models`` that the study has: without clinical predictors there is no clinical model."""
    return [model for model in models if (predictions["model"] == model).any()]
