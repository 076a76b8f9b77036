"""What chapters 04 to 10 would find in the patients that can be used, told by the functions that they use."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from helpers.chapters.artifacts import seed
from helpers.commands.parameters import default_parameters
from helpers.errors import StudyError
from helpers.features.ready import agreement_of, second_reading
from helpers.learning.draws import divisible_folds, folds_in_words
from helpers.learning.logistic import constant_in_words, fit_logistic, varying_predictors
from helpers.learning.selection import SelectionSettings, select_features, usable_threshold
from helpers.patients.cohort import require_sizes
from helpers.patients.table import needs_outcome
from helpers.study.run_folder import Run
from helpers.study.study_file import Study

FOLDED = ("05", "10")  # notebooks whose folds must leave enough training patients


class Foreseen(NamedTuple):
    """What stops the study, and what stops nothing and should be known."""

    problems: list[str]
    remarks: list[str]


def parameters_of(study: Study, notebook: str) -> dict[str, Any]:
    """What a notebook's parameters will be."""
    return default_parameters(notebook) | study.parameters.get(notebook, {})


def foresee(run: Run, usable: pd.DataFrame, features: pd.DataFrame | None = None) -> Foreseen:
    """What the chapters will say of the sizes of the cohorts, the predictors and the features.

    Parameters
    ----------
    run : Run
    usable : DataFrame
        As the contract "cohort", of the patients with usable images or features.
    features : DataFrame, optional
        Their ready features, indexed by patient_id; those of images are not known before chapter 03.
    """
    if not needs_outcome(run.study):
        return Foreseen([], [])
    try:
        require_sizes(usable, run.study)
    except StudyError as error:
        return Foreseen([f"Without the refused patients: {error}"], [])
    found, tables = Foreseen([], []), _tables(run.study)
    training = usable[usable["cohort"] == "training"]
    looks = {f"Notebook {number}": partial(_folds, run.study, training, number) for number in FOLDED}
    looks[f"Notebook 06, with the predictors of {tables}"] = partial(_predictors, run.study, training, usable)
    if features is not None:
        looks["Notebook 04"] = partial(_selection, run, training, features)
    for place, look in looks.items():
        try:
            found.remarks.extend(f"{place}: {remark}" for remark in look())
        except StudyError as error:
            found.problems.append(f"{place}: {error}")
    return found


def _tables(study: Study) -> str:
    """Which tables the predictors come from."""
    return ", ".join(f"'{site.table.path}'" for site in study.sites if site.table) or "virtual patients"


def _folds(study: Study, training: pd.DataFrame, number: str) -> list[str]:
    wanted = parameters_of(study, number)["folds"]
    told = folds_in_words(wanted, divisible_folds(training["outcome"], wanted))
    return [told] if told else []


def _predictors(study: Study, training: pd.DataFrame, usable: pd.DataFrame) -> list[str]:
    """Fit the clinical model of chapter 06 and score everyone with it."""
    used = varying_predictors(training, study.predictors)
    if used:
        fit_logistic(training, "outcome", used).linear_predictor(usable)
    constant = constant_in_words(training, study.predictors)
    return [constant] if constant else []


def _selection(run: Run, training: pd.DataFrame, features: pd.DataFrame) -> list[str]:
    """Select features as chapter 04 does."""
    first = features.rename_axis("patient_id").reset_index()
    second = second_reading(run, training, list(features))
    icc = agreement_of(first, second).set_index("feature")["icc"]
    names, chosen = {field.name for field in fields(SelectionSettings)}, parameters_of(run.study, "04")
    given = {name: value for name, value in chosen.items() if name in names}
    given["icc_threshold"] = usable_threshold(icc, given["icc_threshold"])
    values, outcome = features.loc[training["patient_id"]], training["outcome"].to_numpy()
    chosen = select_features(values, outcome, icc, SelectionSettings(**given), seed(run, "selection"))
    return chosen.notes
