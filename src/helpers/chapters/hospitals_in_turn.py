"""Every hospital in turn: each is left out once, and the others make the model that is judged there.

Internal-external validation, as TRIPOD-Cluster asks for (:doi:`10.1136/bmj-2022-071018`). The paper's way
(Mann-Whitney U, Spearman, mRMR, LASSO, Rad-score, clinical model, nomogram) is fitted anew on the others each
time; beside it stands what nested cross-validation of the others says beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logit
from threadpoolctl import threadpool_limits

from helpers.chapters.artifacts import patients_with_features
from helpers.chapters.strict_validation import Procedure, nested_auc, nested_predictions
from helpers.errors import StudyError
from helpers.evaluation.by_hospital import MEASURE_COLUMNS, judged, summaries, with_weights
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.meta_analysis import FEWEST
from helpers.learning.draws import feasible_folds, stratified_folds
from helpers.learning.logistic import LogisticModel, fit_logistic, varying_predictors
from helpers.learning.selection import SelectionSettings, rad_score, select_features
from helpers.study.number_texts import span
from helpers.study.parallel import on_cores, with_progress
from helpers.study.run_folder import Run

FEWEST_OF_A_CLASS = 10  # below, an AUC is only a hint
HOSPITAL_COLUMNS = [
    *("hospital", "model", "status", "reason", "n", "events", "others", "others_events", "features"),
    *("apparent", "beforehand", "beforehand_low", "beforehand_high", "auc", "auc_low", "auc_high"),
]


class PaperWay(NamedTuple):
    """The paper's analysis made on some patients: selection with Rad-score, and models by name.

    ``models`` holds radiomics (a regression on the Rad-score, which makes it a risk) and, where there are
    predictors, clinical and nomogram.
    """

    selection: dict
    models: dict[str, LogisticModel]

    def risks(self, features: pd.DataFrame, patients: pd.DataFrame) -> dict[str, np.ndarray]:
        """Predicted risks of patients by model, each of shape (patients,)."""
        table = patients.assign(rad_score=rad_score(self.selection, features))
        return {name: model.probability(table) for name, model in self.models.items()}


def paper_way(
    features: pd.DataFrame, patients: pd.DataFrame, predictors: list[str], procedure: Procedure, seed: int
) -> PaperWay:
    """Make the paper's analysis on these patients; parameters as for `hospitals_in_turn`."""
    outcome = patients["outcome"].to_numpy()
    chosen = select_features(features, outcome, procedure.agreement(features), procedure.settings, seed)
    selection = chosen.as_dict()
    table = patients.assign(rad_score=rad_score(selection, features))
    used, predictors = {"radiomics": ["rad_score"]}, varying_predictors(patients, predictors)
    if predictors:
        used |= {"clinical": predictors, "nomogram": [*predictors, "rad_score"]}
    return PaperWay(selection, {name: fit_logistic(table, "outcome", names) for name, names in used.items()})


@dataclass(frozen=True)
class InTurn:
    """What came of leaving out each hospital once.

    Attributes
    ----------
    hospitals : DataFrame
        A row a hospital and model, `HOSPITAL_COLUMNS`: status ("judged"; "small": fewer than ten of a class,
        an AUC is only a hint; "one class"; "not fitted", and then reason), n and events there, others and
        others_events (patients who made the model), features (in the Rad-score), apparent (AUC on the
        others), beforehand with its interval (cross-validated AUC on the others), auc there with DeLong's
        interval. A hospital that cannot be judged has one row, its model "".
    measures : DataFrame
        hospital, model, measure, n, events; estimate, low, high, scaled, variance
        (:func:`helpers.evaluation.by_hospital.judged`); weight (percent).
    summary : DataFrame
        As :func:`helpers.evaluation.by_hospital.summaries` gives it.
    """

    hospitals: pd.DataFrame
    measures: pd.DataFrame
    summary: pd.DataFrame


def hospitals_in_turn(
    features: pd.DataFrame,
    patients: pd.DataFrame,
    predictors: list[str],
    settings: SelectionSettings,
    seed: int,
    agreement: Mapping[str, float] | pd.DataFrame | None = None,
    folds: int = 5,
    repeats: int = 1,
    workers: int = 1,
) -> InTurn:
    """Leave out each hospital once, make the paper's analysis on the others, and judge it there.

    Parameters
    ----------
    features : DataFrame, shape (patients, features)
        Raw features, indexed by patient, without gaps.
    patients : DataFrame
        Indexed as ``features``: site (name of the hospital), outcome (0/1) and the predictors.
    predictors : list of str
        Of the clinical model and the nomogram; without any there is the radiomics model alone.
    settings : SelectionSettings
        Of the paper's way; the nested estimate takes the same without SMOTE.
    seed : int
    agreement : mapping of str to float, or DataFrame
        As ``icc`` of :class:`helpers.chapters.strict_validation.Procedure`. Without it, or where fewer than
        two of the others were read twice, no feature is left out for the disagreement of readers.
    folds, repeats : int
        Of the nested cross-validation, which takes nearly all of the time: hospitals x folds x repeats fits,
        each about a second on one core for 200 patients and 1300 features.
    workers : int
        0 for all cores; the result does not depend on it.
    """
    names = list(dict.fromkeys(patients["site"]))
    procedure = Procedure({} if agreement is None else agreement, settings)
    leave_out = partial(_leave_out, features, patients, predictors, procedure, (seed, folds, repeats))
    found = with_progress(on_cores(leave_out, names, workers), names, "Hospitals", unit="hospital")
    return _tables([row for rows, _ in found for row in rows], [part for _, parts in found for part in parts])


def every_hospital(
    run: Run, settings: SelectionSettings, seed: int, folds: int, repeats: int, workers: int
) -> InTurn:
    """`hospitals_in_turn` of all patients of a run that is split by site; empty tables for another run."""
    if run.study.split.by != "site":
        return _tables([], [])
    patients, features = patients_with_features(run)
    second = run.read("features_reader2").set_index("patient_id")
    drawn = {"seed": seed, "folds": folds, "repeats": repeats, "workers": workers}
    return hospitals_in_turn(features, patients, run.study.predictors, settings, agreement=second, **drawn)


def hospitals_in_words(found: InTurn) -> dict[str, str]:
    """How many hospitals were left out, why some were not judged, and the radiomics model's summary AUC.

    By glue's names.
    """
    if found.hospitals.empty:
        without = "This study is not split by site."
        return {"hospitals-which": without, "hospitals-auc": "there is none"}
    status = found.hospitals.groupby("hospital")["status"].first()
    known = int(status.isin(["judged", "small"]).sum())
    which = f"Of {len(status)} hospitals, {known} could be judged by a model of the others."
    for row in found.hospitals[found.hospitals["status"] == "not fitted"].itertuples():
        which += f" Without {row.hospital} no model could be made: {row.reason}"
    auc = found.summary[(found.summary["model"] == "radiomics") & (found.summary["measure"] == "auc")]
    if auc.empty or auc["estimate"].isna().all():
        return {"hospitals-which": which, "hospitals-auc": f"there is none of fewer than {FEWEST} hospitals"}
    row = auc.iloc[0]
    words = f"{row.estimate:.3f} (95 % CI {span(row.ci_low, row.ci_high, '.3f')}), 95 % prediction interval "
    return {"hospitals-which": which, "hospitals-auc": words + span(row.pi_low, row.pi_high, ".3f")}


def _tables(rows: list[dict], parts: list[pd.DataFrame]) -> InTurn:
    hospitals = pd.DataFrame(rows, columns=HOSPITAL_COLUMNS).fillna({"model": "", "reason": ""})
    empty = pd.DataFrame(columns=MEASURE_COLUMNS)
    measures = with_weights(pd.concat(parts, ignore_index=True)[MEASURE_COLUMNS] if parts else empty)
    return InTurn(hospitals, measures, summaries(measures))


def _leave_out(
    features: pd.DataFrame,
    patients: pd.DataFrame,
    predictors: list[str],
    procedure: Procedure,
    drawn: tuple[int, int, int],
    hospital: str,
) -> tuple[list[dict], list[pd.DataFrame]]:
    """Rows of `InTurn`'s tables for one hospital."""
    there = (patients["site"] == hospital).to_numpy()
    y, others = patients.loc[there, "outcome"], patients.loc[~there, "outcome"]
    row = {"hospital": hospital, "n": len(y), "events": int(y.sum())}
    row |= {"others": len(others), "others_events": int(others.sum())}
    if y.nunique() < 2:
        return [row | {"status": "one class"}], []
    procedure = _with_readers(procedure, others.index)
    try:
        with threadpool_limits(1):  # sums would depend on the number of threads
            fitted = paper_way(features[~there], patients[~there], predictors, procedure, drawn[0])
            row |= {"features": len(fitted.selection["features"])}
            beforehand = _beforehand(procedure, features[~there], patients[~there], predictors, drawn)
            own = fitted.risks(features[~there], patients[~there])
            risks = fitted.risks(features[there], patients[there])
    except StudyError as problem:
        return [row | {"status": "not fitted", "reason": str(problem)}], []
    row["status"] = "small" if min(y.sum(), (1 - y).sum()) < FEWEST_OF_A_CLASS else "judged"
    there_are, rows, measures = {key: row[key] for key in ("hospital", "n", "events")}, [], []
    for model, risk in risks.items():
        area = delong_auc(y, risk)
        known = {"auc": area.auc, "auc_low": area.ci_low, "auc_high": area.ci_high}
        known |= {"apparent": delong_auc(others, own[model]).auc}
        expected = beforehand.get(model, {}).items()
        known |= {f"beforehand{end}": value for end, value in expected}
        rows.append(row | {"model": model} | known)
        measures.append(judged(y, risk).reset_index().assign(model=model, **there_are))
    return rows, measures


def _with_readers(procedure: Procedure, others: pd.Index) -> Procedure:
    """Without the ICC where there is none, or hardly anybody was read twice."""
    known = procedure.icc
    twice = len(others.intersection(known.index)) if isinstance(known, pd.DataFrame) else 2 * bool(known)
    if twice >= 2:
        return procedure
    return replace(procedure, settings=replace(procedure.settings, icc_threshold=None))


def _beforehand(
    procedure: Procedure,
    features: pd.DataFrame,
    patients: pd.DataFrame,
    predictors: list[str],
    drawn: tuple[int, int, int],
) -> dict[str, dict[str, float]]:
    """AUC of each model with its interval, by models that never saw the patient who is judged.

    The nomogram joins the predictors with the log odds of such risks, as in chapter 10. Where a level of a
    predictor is in one fold alone, there is no clinical model and no nomogram.
    """
    seed, folds, repeats = drawn
    strict = replace(procedure, settings=replace(procedure.settings, smote="none"))
    y = patients["outcome"].to_numpy()
    nested = nested_predictions(strict, features, y, folds, repeats, seed, workers=1, label="")
    areas = {"radiomics": nested_auc(y, nested)}
    if predictors:
        log_odds = logit(nested.mean.clip(1e-6, 1 - 1e-6))
        table, names = patients.assign(radiomics=log_odds), [*predictors, "radiomics"]
        numbers = stratified_folds(y, feasible_folds(y, folds), seed)
        with suppress(StudyError):
            for model, used in {"clinical": predictors, "nomogram": names}.items():
                areas[model] = delong_auc(y, _held_out(table, used, numbers))
    return {
        model: {"": area.auc, "_low": area.ci_low, "_high": area.ci_high} for model, area in areas.items()
    }


def _held_out(table: pd.DataFrame, predictors: list[str], numbers: np.ndarray) -> np.ndarray:
    """Risks by logistic regressions on the other folds, shape (patients,)."""
    risks = np.empty(len(table))
    for fold in np.unique(numbers):
        there = numbers == fold
        risks[there] = fit_logistic(table[~there], "outcome", predictors).probability(table[there])
    return risks
