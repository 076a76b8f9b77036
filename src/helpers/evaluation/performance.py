"""Performance of all models in all cohorts, and how it depends on who is included (paper Tables 3 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.evaluation.bootstrap import BootstrapPerformance, bootstrap_performance, performance_intervals
from helpers.evaluation.calibration import calibration_summary
from helpers.evaluation.cutoffs import PROPORTIONS, confusion_metrics, youden_cutoff
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.learning.draws import resample_weights
from helpers.study.number_texts import estimate_text

# Measures at the paper's cut-offs, and those of `performance_table` at the training set's.
MEASURES = ["auc", *PROPORTIONS]
STRICT = [f"{name}_strict" for name in ("cutoff", *PROPORTIONS)]
THRESHOLDS = np.arange(1, 100) / 100  # of a decision curve with its band


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
        ``_strict`` at Youden's cut-off of the training set (strict mode), for sensitivity and specificity
        there with Wilson's 95 % limits (``_strict_low``, ``_strict_high``).
    """
    rows = []
    for model in models:
        locked = locked_cutoff(predictions, model)
        for cohort in present_cohorts(predictions):
            part = probabilities_wide(predictions, cohort, [model])
            rows.append({"model": model, "cohort": cohort} | _performance(part, model, locked))
    return pd.DataFrame(rows)


def locked_cutoff(predictions: pd.DataFrame, model: str) -> float:
    """Youden's cut-off of a model in the training set."""
    training = probabilities_wide(predictions, "training", [model])
    return youden_cutoff(training["outcome"], training[model])


def _performance(part: pd.DataFrame, model: str, locked: float) -> dict[str, float]:
    y, score = part["outcome"], part[model]
    area = delong_auc(y, score)
    row = {"n": len(part), "events": int(y.sum())}
    row |= {"auc": area.auc, "ci_low": area.ci_low, "ci_high": area.ci_high}
    for cutoff, suffix in ((youden_cutoff(y, score), ""), (locked, "_strict")):
        measured = confusion_metrics(y, score, cutoff)
        row[f"cutoff{suffix}"] = cutoff
        row |= {f"{metric}{suffix}": measured.loc[metric, "estimate"] for metric in PROPORTIONS}
    # Of the last cut-off only: one chosen on the set itself is not fixed, and Wilson's interval too narrow.
    row |= {
        f"{metric}_strict_{limit}": measured.loc[metric, f"wilson_{limit}"]
        for metric in ("sensitivity", "specificity")
        for limit in ("low", "high")
    }
    return row


def strict_shown(table: pd.DataFrame) -> pd.DataFrame:
    """`performance_table` at the training set's cut-off, for reading.

    Returns
    -------
    DataFrame
        model, cohort, cut-off; sensitivity and specificity with their intervals, accuracy, PPV and NPV.
    """
    shown = table[["model", "cohort"]].assign(**{"cut-off": table["cutoff_strict"].map("{:.3f}".format)})
    for metric in ("sensitivity", "specificity"):
        limits = [f"{metric}_strict{end}" for end in ("", "_low", "_high")]
        shown[f"{metric} (95 % CI)"] = [estimate_text(*row, ".3f") for row in table[limits].to_numpy()]
    for metric in PROPORTIONS[2:]:
        values = table[f"{metric}_strict"]
        shown[metric] = ["-" if np.isnan(value) else f"{value:.3f}" for value in values]
    return shown


def perfect_in_words(training: pd.Series) -> str:
    """Which models (index) tell their training patients apart without fault: a sentence, or nothing."""
    learnt = list(training.index[training == 1])
    return f"{' and '.join(learnt)} had learnt the training patients by heart (AUC 1)." if learnt else ""


def lost_by_locking(table: pd.DataFrame) -> pd.Series:
    """Sensitivity plus specificity that the training set's cut-off costs, by row of the validation sets.

    Parameters
    ----------
    table : DataFrame
        As `performance_table` gives it.
    """
    new = table[table["cohort"] != "training"]
    best = new["sensitivity"] + new["specificity"]
    return best - new["sensitivity_strict"] - new["specificity_strict"]


def locked_cutoffs(predictions: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """The same risks in the validation sets at two cut-offs: the training set's, and the set's own.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact, or risks in its format.
    models : list of str

    Returns
    -------
    DataFrame
        cohort, model, rule ("locked" or "own Youden"), cutoff, sensitivity, specificity, accuracy, ppv, npv.
    """
    rows = []
    for model in models:
        locked = locked_cutoff(predictions, model)
        for cohort in present_cohorts(predictions)[1:]:
            part = probabilities_wide(predictions, cohort, [model])
            own = youden_cutoff(part["outcome"], part[model])
            for rule, cutoff in {"locked": locked, "own Youden": own}.items():
                found = confusion_metrics(part["outcome"], part[model], cutoff)["estimate"]
                rows.append([cohort, model, rule, cutoff, *found[PROPORTIONS]])
    return pd.DataFrame(rows, columns=["cohort", "model", "rule", "cutoff", *PROPORTIONS])


@dataclass(frozen=True)
class Resampled:
    """One model in bootstrap resamples of one set.

    Attributes
    ----------
    weights : ndarray, shape (resamples, patients)
        As :func:`helpers.learning.draws.resample_weights` gives them.
    performance : BootstrapPerformance
        Its net benefit at `THRESHOLDS`.
    """

    weights: NDArray[np.int64]
    performance: BootstrapPerformance


def resampled_sets(
    predictions: pd.DataFrame, model: str, generators: Mapping[str, np.random.Generator], resamples: int
) -> dict[str, Resampled]:
    """Bootstrap resamples of sets, and how one model does in them.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    model : str
    generators : mapping of str to Generator
        By set, in the order in which the sets are shown.
    resamples : int
    """
    resampled = {}
    for cohort, generator in generators.items():
        part = probabilities_wide(predictions, cohort, [model])
        weights = resample_weights(part["outcome"], resamples, generator)
        performance = bootstrap_performance(part["outcome"], part[model], weights, THRESHOLDS)
        resampled[cohort] = Resampled(weights, performance)
    return resampled


def intervals_table(
    predictions: pd.DataFrame, model: str, resampled: Mapping[str, Resampled]
) -> pd.DataFrame:
    """One model's measures in each set with bootstrap intervals.

    Returns
    -------
    DataFrame
        cohort, measure (auc, slope, intercept, in_the_large, brier), estimate, low, high.
    """
    rows = []
    for cohort, drawn in resampled.items():
        part = probabilities_wide(predictions, cohort, [model])
        found = with_intervals(part["outcome"], part[model], drawn.performance)
        rows.append(found.reset_index().assign(cohort=cohort))
    return pd.concat(rows)[["cohort", "measure", "estimate", "low", "high"]]


def with_intervals(y: ArrayLike, p: ArrayLike, performance: BootstrapPerformance) -> pd.DataFrame:
    """AUC, calibration and Brier score of predicted risks, with their limits in the resamples.

    Parameters
    ----------
    y, p : array_like, shape (patients,)
        Outcome 0/1 and predicted risks.
    performance : BootstrapPerformance
        Of the same risks.

    Returns
    -------
    DataFrame
        Indexed by measure (auc, slope, intercept, in_the_large, brier): estimate, low, high.
    """
    limits, summary = performance_intervals(performance), calibration_summary(y, p)
    estimates = [summary.c_index, *(getattr(summary, name) for name in limits.index[1:])]
    limits.insert(0, "estimate", estimates)
    return limits


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
    row = {"n": len(stay), "events": int(stay["outcome"].sum()), "set_aside": len(part) - len(stay)}
    if stay["outcome"].nunique() == 2:
        area = delong_auc(stay["outcome"], stay[model])
        row |= {"auc": area.auc, "ci_low": area.ci_low, "ci_high": area.ci_high}
    return row | {"auc_all": delong_auc(part["outcome"], part[model]).auc}
