"""Performance of all models in all cohorts, and how it depends on who is included (paper Tables 3 and 5)."""

from __future__ import annotations

import pandas as pd

from helpers.evaluation.cutoffs import PROPORTIONS, confusion_metrics, youden_cutoff
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.predictions import present_cohorts, probabilities_wide


def hu_alone(patients: pd.DataFrame, quality: pd.DataFrame | None) -> pd.DataFrame:
    """Discrimination by mean HU of the region (lower meaning more risk), as `performance_table` gives it.

    No row without ``quality`` (artifact "preprocessing"): in a study of ready features nobody measured it.
    """
    if quality is None:
        return pd.DataFrame(columns=["model", "cohort", "auc", "ci_low", "ci_high"])
    alone = patients.merge(quality[["patient_id", "trabecular_hu"]], on="patient_id").assign(model="mean HU")
    return performance_table(alone.assign(probability=-alone["trabecular_hu"]), ["mean HU"])


def performance_table(predictions: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Discrimination of each model in each set, at the paper's cut-off and at the strict one.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact; the training set must be among its sets.
    models : list of str
        Models in the order of the rows.

    Returns
    -------
    DataFrame
        model, cohort, n, events, auc, ci_low, ci_high (DeLong); cutoff, sensitivity, specificity, accuracy,
        ppv, npv at Youden's cut-off of the same set (paper mode); and the same six with the suffix
        ``_strict`` at Youden's cut-off of the training set (strict mode).
    """
    rows = []
    for model in models:
        training = probabilities_wide(predictions, "training", [model])
        locked = youden_cutoff(training["osteoporosis"], training[model])
        for cohort in present_cohorts(predictions):
            part = probabilities_wide(predictions, cohort, [model])
            rows.append({"model": model, "cohort": cohort} | _performance(part, model, locked))
    return pd.DataFrame(rows)


def _performance(part: pd.DataFrame, model: str, locked: float) -> dict[str, float]:
    y, score = part["osteoporosis"], part[model]
    area = delong_auc(y, score)
    row = {"n": len(part), "events": int(y.sum())}
    row |= {"auc": area.auc, "ci_low": area.ci_low, "ci_high": area.ci_high}
    for cutoff, suffix in ((youden_cutoff(y, score), ""), (locked, "_strict")):
        estimates = confusion_metrics(y, score, cutoff)["estimate"]
        row[f"cutoff{suffix}"] = cutoff
        row |= {f"{metric}{suffix}": estimates[metric] for metric in PROPORTIONS}
    return row


def sensitivity_analysis(predictions: pd.DataFrame, set_aside: pd.Series, models: list[str]) -> pd.DataFrame:
    """Discrimination of the same models in each set without the patients whom a rule sets aside.

    The models stay as they were fitted; only who is judged changes.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    set_aside : Series
        Pseudonyms; no row comes out when there are none.
    models : list of str
        Models in the order of the rows.

    Returns
    -------
    DataFrame
        model, cohort, n, events (those who stay), set_aside (patients), auc, ci_low, ci_high (DeLong; missing
        where one outcome is left), and auc_all, of everybody.
    """
    rows = []
    for model in models if len(set_aside) else []:
        for cohort in present_cohorts(predictions):
            part = probabilities_wide(predictions, cohort, [model])
            rows.append({"model": model, "cohort": cohort} | _without(part, set_aside, model))
    columns = ["model", "cohort", "n", "events", "set_aside", "auc", "ci_low", "ci_high", "auc_all"]
    return pd.DataFrame(rows, columns=columns)


def _without(part: pd.DataFrame, set_aside: pd.Series, model: str) -> dict[str, float]:
    stay = part[~part["patient_id"].isin(set_aside)]
    row = {"n": len(stay), "events": int(stay["osteoporosis"].sum()), "set_aside": len(part) - len(stay)}
    if stay["osteoporosis"].nunique() == 2:
        area = delong_auc(stay["osteoporosis"], stay[model])
        row |= {"auc": area.auc, "ci_low": area.ci_low, "ci_high": area.ci_high}
    return row | {"auc_all": delong_auc(part["osteoporosis"], part[model]).auc}
