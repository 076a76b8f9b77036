"""What the models lose without the shape features: selection and validation once more, without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.chapters.strict_tables import strict_models
from helpers.chapters.strict_validation import Procedure, fit_and_predict, nested_predictions
from helpers.errors import StudyError
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.predictions import present_cohorts
from helpers.features.names import shapes_in
from helpers.learning.logistic import fit_logistic
from helpers.learning.selection import SelectionSettings, rad_score, select_features
from helpers.study.study_file import Study


@dataclass(frozen=True)
class Common:
    """What both analyses, with and without the shape features, share.

    Attributes
    ----------
    patients : DataFrame
        Indexed by patient: cohort, outcome, predictors and, where known, trabecular_hu.
    features : DataFrame
        Raw features of the same patients.
    predictors : list of str
        Clinical predictors that vary among the training patients.
    icc : mapping of str to float
        Agreement of the two readers, for paper mode.
    procedure : Procedure
        Of strict mode.
    seeds : mapping of str to int
        "selection" (chapter 4's), "nested" and "final".
    folds, workers : int
        Of nested cross-validation.
    """

    patients: pd.DataFrame
    features: pd.DataFrame
    predictors: list[str]
    icc: Mapping[str, float]
    procedure: Procedure
    seeds: Mapping[str, int]
    folds: int
    workers: int


class Analysis(NamedTuple):
    """Chapter 4's selection, held-out risks of training patients (one repeat), risks of all patients."""

    selection: dict
    held_out: np.ndarray
    risks: np.ndarray


def without_shape(common: Common, full: Analysis) -> Analysis | None:
    """Selection (with chapter 4's settings) and strict procedure without the shape features.

    Where there are none, this is the ``full`` analysis; None where the other features carry no model.
    """
    shapes = shapes_in(common.features.columns)
    kept = common.features.drop(columns=shapes)
    if not shapes:
        return full
    if kept.empty:
        return None
    try:
        return _repeated(common, SelectionSettings(**full.selection["settings"]), kept)
    except StudyError:  # a step keeps none of them
        return None


def _repeated(common: Common, settings: SelectionSettings, kept: pd.DataFrame) -> Analysis:
    training = (common.patients["cohort"] == "training").to_numpy()
    data = kept[training], common.patients.loc[training, "outcome"].to_numpy()
    seeds, resampling = common.seeds, {"folds": common.folds, "workers": common.workers}
    chosen = select_features(*data, common.icc, settings, seeds["selection"])
    nested = nested_predictions(
        common.procedure, *data, repeats=1, seed=seeds["nested"], label="Without shape", **resampling
    )
    final = fit_and_predict(common.procedure, *data, kept, seeds["final"])
    return Analysis(chosen.as_dict(), nested.probability[0], final.probability)


def ablation_table(common: Common, full: Analysis, reduced: Analysis | None) -> pd.DataFrame:
    """AUCs with and without the shape features.

    Returns
    -------
    DataFrame
        mode (as in chapter 4, strict), model (radiomics, nomogram), cohort, all_features, without_shape and
        difference (without minus with). Radiomics is the Rad-score in the former, the predicted risk in
        strict mode; on training patients the former is apparent, strict mode held out.
    """
    table = _aucs(common, full).rename("all_features").to_frame()
    table["without_shape"] = np.nan if reduced is None else _aucs(common, reduced)
    table["difference"] = table["without_shape"] - table["all_features"]
    return table.reset_index()


def _aucs(common: Common, analysis: Analysis) -> pd.Series:
    modes = {"as in chapter 4": _paper_mode(common, analysis), "strict": _strict_mode(common, analysis)}
    found = {
        (mode, model, cohort): delong_auc(rows["outcome"], rows["probability"]).auc
        for mode, predictions in modes.items()
        for model in ("radiomics", "nomogram")
        for cohort in present_cohorts(predictions)
        if len(rows := predictions[(predictions["model"] == model) & (predictions["cohort"] == cohort)])
    }
    return pd.Series(found).rename_axis(["mode", "model", "cohort"])


def _paper_mode(common: Common, analysis: Analysis) -> pd.DataFrame:
    scored = common.patients.assign(rad_score=rad_score(analysis.selection, common.features))
    training = scored[scored["cohort"] == "training"]
    nomogram = fit_logistic(training, "outcome", [*common.predictors, "rad_score"])
    both = {"radiomics": scored["rad_score"], "nomogram": nomogram.probability(scored)}
    keys = scored[["cohort", "outcome"]]
    return pd.concat([keys.assign(model=name, probability=values) for name, values in both.items()])


def _strict_mode(common: Common, analysis: Analysis) -> pd.DataFrame:
    patients = common.patients.assign(radiomics=analysis.risks)
    patients.loc[patients["cohort"] == "training", "radiomics"] = analysis.held_out
    return strict_models(patients, common.predictors)


def shape_in_words(study: Study, names: Sequence[str], chosen: Sequence[str]) -> dict[str, str]:
    """How many of ``names`` are shape features, how many the Rad-score holds, and what they depend on."""
    virtual = any(site.virtual for site in study.sites)
    return {
        "shape-n": f"{len(shapes_in(names))}",
        "shape-chosen": f"{len(shapes_in(chosen))}",
        "shape-origin": _VIRTUAL_SHAPE if virtual else _DRAWN_SHAPE,
    }


_VIRTUAL_SHAPE = (
    "In virtual patients end plates sink a little as bone is lost, by a rule of the protocol: r about -0.29 "
    "between their depth and the T-score, as in healthy women (Bianco 1999)."
)
_DRAWN_SHAPE = "Shape also depends on how each reader follows the border of the region."
