"""Contracts of the tables that travel between notebooks (pandera), checked when written and when read."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

from helpers.errors import KINDS, StudyError
from helpers.study.cohorts import is_cohort

SEXES = ["female", "male"]
_patient = {"patient_id": pa.Column(str, unique=True)}
_outcome = {
    "cohort": pa.Column(str, pa.Check(lambda names: names.map(is_cohort), name="a cohort")),
    "outcome": pa.Column(int, pa.Check.isin([0, 1]), coerce=True),
}
_known = {
    "site": pa.Column(str),
    # A table may give the outcome itself, or none where a model is only applied.
    "t_score": pa.Column(float, pa.Check.in_range(-8, 8), coerce=True, required=False, nullable=True),
    # Missing where a site's table does not say.
    "fracture": pa.Column("boolean", required=False, nullable=True, coerce=True),
    "contrast": pa.Column("boolean", required=False, nullable=True, coerce=True),
    "interval_days": pa.Column(float, pa.Check.in_range(0, 3650), coerce=True, required=False, nullable=True),
    "scanner": pa.Column(str, required=False, nullable=True),
    # Why the hospital lets a patient in whom a rule on regions would refuse; empty for the others.
    "accepted": pa.Column(str, required=False),
}
_person = {
    **_known,
    # A study may do without them as predictors.
    "age": pa.Column(float, pa.Check.in_range(0, 120), coerce=True, required=False),
    "sex": pa.Column(str, pa.Check.isin(SEXES), required=False),
}
_unit = pa.Check.in_range(0, 1)
CONTRACTS = {
    # Everyone who was screened, in every site; `exclusion` is empty for those who stay. Of the others less
    # may be known.
    "screened": pa.DataFrameSchema(
        {
            **_patient,
            **_known,
            "age": pa.Column(float, pa.Check.in_range(0, 120), coerce=True, nullable=True, required=False),
            "sex": pa.Column(str, pa.Check.isin(SEXES), nullable=True, required=False),
            "exclusion": pa.Column(str),
        },
        checks=pa.Check(
            lambda people: (
                people.loc[people["exclusion"] == ""].filter(["age", "sex"]).notna().all(axis=None)
            ),
            name="everyone who stays has age and sex where there are such columns",
        ),
    ),
    # Those who stay, with their cohort and outcome; `second_reader` marks the cases drawn for the ICC.
    "cohort": pa.DataFrameSchema(
        {**_patient, **_person, **_outcome, "second_reader": pa.Column(bool)},
    ),
    # One row a patient of the cohort: quality control of image and mask (volumes mm3, HU, spacing mm).
    "preprocessing": pa.DataFrameSchema(
        {
            **_patient,
            "status": pa.Column(str, pa.Check.isin(["ok", "warned", "refused"])),
            "reason": pa.Column(str),
            # What a refusal is about; empty for the others.
            "kind": pa.Column(str, pa.Check.isin(["", *KINDS])),
            # The rules of plausibility that are broken; and the hospital's reason to let the patient in.
            "broken": pa.Column(str, required=False),
            "accepted": pa.Column(str, required=False),
            # What sets a patient aside in the sensitivity analysis; empty for the others.
            "sensitivity": pa.Column(str, required=False),
            "trabecular_hu": pa.Column(float, nullable=True),
        },
        checks=pa.Check(
            lambda people: (people["kind"] != "") == (people["status"] == "refused"),
            name="a kind where refused, and only there",
        ),
    ),
    "features": pa.DataFrameSchema(_patient),
    "features_reader2": pa.DataFrameSchema(_patient),
    "icc": pa.DataFrameSchema(
        {
            "feature": pa.Column(str, unique=True),
            "image_type": pa.Column(str),
            "feature_class": pa.Column(str),
            "icc": pa.Column(float, nullable=True),
            "ci_low": pa.Column(float, nullable=True),
            "ci_high": pa.Column(float, nullable=True),
        },
    ),
    "rad_score": pa.DataFrameSchema({**_patient, **_outcome, "rad_score": pa.Column(float)}),
    # Long: one row a patient and model.
    "predictions": pa.DataFrameSchema(
        {
            "patient_id": pa.Column(str),
            **_outcome,
            "model": pa.Column(str),
            "probability": pa.Column(float, _unit),
        },
        unique=["patient_id", "model"],
    ),
    # Those on whom the nomogram was judged, with its columns as it codes them.
    "judged": pa.DataFrameSchema(
        {
            **_patient,
            "outcome": _outcome["outcome"],
            "log_odds": pa.Column(float),
        },
    ),
    # New patients as a frozen model sees them.
    "scores": pa.DataFrameSchema(
        {
            **_patient,
            "rad_score": pa.Column(float),
            "radiomics": pa.Column(float, _unit),
            "nomogram": pa.Column(float, _unit),
            "total_points": pa.Column(float),
            "positive": pa.Column(bool),
        },
    ),
}
WRITTEN_BY = {
    "screened": "01_cohort",
    "cohort": "01_cohort",
    "preprocessing": "02_preprocessing",
    "features": "03_extraction",
    "features_reader2": "03_extraction",
    "icc": "03_extraction",
    "rad_score": "04_selection",
    "predictions": "05_models and 06_nomogram",
    "scores": "11_new_hospital",
    "judged": "06_nomogram or 11_new_hospital",
}


def check(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with its columns coerced to the contract called ``name``.

    Raises
    ------
    StudyError
        Listing every violated rule with the first offending values.
    """
    try:
        return CONTRACTS[name].validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise StudyError(f"The table '{name}' breaks its contract: {explain(error)}.") from None


def explain(error: pa.errors.SchemaErrors) -> str:
    """Say what a failed validation found: column, rule and up to three offending values."""
    cases = error.failure_cases
    sentences = []
    for (column, rule), group in cases.groupby(["column", "check"], dropna=False, sort=False):
        values = ", ".join(map(str, group["failure_case"].head(3)))
        if rule == "column_in_dataframe":
            sentences.append(f"column '{values}' is missing")
        else:
            sentences.append(
                f"column '{column}' breaks '{rule}' in {len(group)} row(s), for example {values}"
            )
    return "; ".join(sentences)
