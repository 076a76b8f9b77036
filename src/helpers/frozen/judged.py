"""How well a frozen model does on new patients whose outcome is known, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.evaluation.bootstrap import bootstrap_performance
from helpers.evaluation.cutoffs import PROPORTIONS, confusion_metrics
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.performance import with_intervals
from helpers.evaluation.predictions import probabilities_wide
from helpers.frozen.verdicts import OUTSIDE, SCORED, WARNED, Met
from helpers.study import small_counts
from helpers.study.number_texts import estimate_text

FEWEST_OF_A_CLASS = 2
# Below these an AUC is a hint, or a rough number (rule of thumb for external validation: 100 of either kind).
HINT, ROUGH = 10, 100
SENSITIVITY_COLUMNS = ["patients", "model", "n", "events", "auc", "auc_low", "auc_high", "remark"]
SETS = {
    "as scored": (SCORED, WARNED),
    "without warned patients": (SCORED,),
    "with those outside the domain": (SCORED, WARNED, OUTSIDE),
}


def outcomes_in_words(people: pd.DataFrame, min_cell: int, outcome: str) -> str:
    """Of how many patients the ``outcome`` is known, and whether that is enough to judge the model."""
    known = people["outcome"].notna() if "outcome" in people else pd.Series(False, people.index)
    if not known.any():
        return "No outcomes are known: the model cannot be judged here, only its predictions are given."
    n, cases = int(known.sum()), int(people.loc[known, "outcome"].sum())
    # A small rest would tell the number with the outcome too.
    shown = small_counts.shown_count(cases, min_cell) if n - cases >= min_cell else "most"
    those_with = f"{shown} of them with {outcome}"
    text = f"The outcome of {small_counts.shown_count(n, min_cell)} is known, {those_with}."
    if not can_be_judged(people):
        return f"{text} Fewer than {FEWEST_OF_A_CLASS} of a kind: too few to judge the model."
    remark = how_few(n, cases)
    return f"{text} For an AUC these are {remark}." if remark else text


def how_few(n: int, events: int) -> str:
    """What an AUC of so few patients is worth; empty where there are enough."""
    rarer = min(events, n - events)
    if rarer < HINT:
        return f"fewer than {HINT} of a kind: only a hint"
    if rarer < ROUGH:
        return f"fewer than {ROUGH} of a kind: read the interval"
    return ""


def title_of(predictions: pd.DataFrame, warned: str) -> str:
    """Title of a figure of the new patients: how many they are, how few, and how many carry a warning."""
    outcome = predictions.drop_duplicates("patient_id")["outcome"]
    few = min(outcome.sum(), (1 - outcome).sum()) < HINT
    lines = [f"The new patients, n = {len(outcome)}" + (": only a hint" if few else "")]
    return "\n".join([*lines, f"scored with a warning: {warned}"])


def predictions_of(people: pd.DataFrame, scores: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Risks in the format of the ``predictions`` artifact, of patients whose outcome is known."""
    known = people.loc[people["outcome"].notna(), ["patient_id", "outcome"]]
    rows = known.astype({"outcome": int}).assign(cohort="external").merge(scores, on="patient_id")
    return rows.melt(["patient_id", "cohort", "outcome"], models, var_name="model", value_name="probability")


def can_be_judged(people: pd.DataFrame) -> bool:
    """Whether there are outcomes, with at least two patients of each kind."""
    if "outcome" not in people:
        return False
    counts = people["outcome"].value_counts().reindex([0, 1], fill_value=0)
    return bool(counts.min() >= FEWEST_OF_A_CLASS)


def frozen_performance(
    predictions: pd.DataFrame, cutoffs: Mapping[str, float], min_cell: int = 0
) -> pd.DataFrame:
    """Discrimination on the new patients, and what the frozen cut-offs give there.

    Parameters
    ----------
    predictions : DataFrame
        As `predictions_of` gives them.
    cutoffs : mapping of str to float
        The bundle's.
    min_cell : int
        Proportions that would tell of fewer patients rightly or wrongly called are left out (NaN).

    Returns
    -------
    DataFrame
        model, n, events, auc, auc_low, auc_high (DeLong), cutoff, and sensitivity, specificity, accuracy,
        ppv, npv, each with _low and _high (Wilson); remark (`how_few`). An interval of the AUC that cannot
        be estimated is left out (NaN).
    """
    rows = []
    for model in predictions["model"].unique():
        part = probabilities_wide(predictions, "external", [model])
        row = {"model": model, "n": len(part), "events": int(part["outcome"].sum())}
        row |= _area(part["outcome"], part[model]) | {"cutoff": cutoffs[model]}
        found = confusion_metrics(part["outcome"], part[model], cutoffs[model])
        counts = found.loc[["sensitivity", "specificity"]]
        calls = np.r_[counts["x"], counts["n"] - counts["x"]]
        if ((calls > 0) & (calls < min_cell)).any():
            found = found * np.nan
        for name in PROPORTIONS:
            row[name] = found.loc[name, "estimate"]
            row |= {f"{name}_{end}": found.loc[name, f"wilson_{end}"] for end in ("low", "high")}
        row["remark"] = how_few(row["n"], row["events"])
        rows.append(row)
    return pd.DataFrame(rows)


def _area(outcome: pd.Series, risk: pd.Series) -> dict[str, float]:
    """AUC with DeLong's interval; none where its variance is 0, for a perfect AUC is not a certain one."""
    area = delong_auc(outcome, risk)
    known = area.variance > 0
    return {
        "auc": area.auc,
        "auc_low": area.ci_low if known else np.nan,
        "auc_high": area.ci_high if known else np.nan,
    }


def printed_performance(table: pd.DataFrame, warned: str) -> pd.DataFrame:
    """`frozen_performance` for reading: a row a measure with its interval, a column a model.

    ``warned`` tells how many of the patients carry a warning.
    """
    shown = table[["n", "events", "cutoff"]].astype(object)
    shown["cutoff"] = [f"{cutoff:.3f}" for cutoff in table["cutoff"]]
    for name in ("auc", *PROPORTIONS):
        rows = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
        shown[name] = [with_interval(*row) for row in rows]
    shown.insert(2, "with a warning", warned)
    remarks = table["remark"].fillna("")  # nothing is said of hidden numbers
    if remarks.any():
        shown["remark"] = remarks
    return shown.set_axis(table["model"]).T.rename_axis(index=None, columns=None)


def auc_in_words(table: pd.DataFrame) -> str:
    """The nomogram's AUC by `frozen_performance`; empty where it is hidden or there is none."""
    areas = table.set_index("model")[["auc", "auc_low", "auc_high"]].apply(pd.to_numeric, errors="coerce")
    if "nomogram" not in areas.index or areas.loc["nomogram"].isna().all():
        return ""
    return f"The nomogram's AUC is {with_interval(*areas.loc['nomogram'])}."


def with_interval(value: float, low: float, high: float) -> str:
    """A measure with its 95 % interval, as tables and sentences show it."""
    return "not shown" if np.isnan(value) else estimate_text(value, low, high)


def discrimination_of_sets(
    people: pd.DataFrame, met: Met, models: list[str], min_cell: int = 0
) -> pd.DataFrame:
    """AUC on those who got a score, without those warned about, and with those outside the domain.

    The last are scored for this comparison only.

    Parameters
    ----------
    people : DataFrame
        patient_id and outcome (missing where unknown) of everyone included.
    met : Met
    models : list of str
    min_cell : int
        Numbers of patients of a set that would tell a smaller difference to the first set are "hidden".

    Returns
    -------
    DataFrame
        patients (which set), model, n, events, auc, auc_low, auc_high (DeLong), remark. A set of one outcome
        only has no AUC.
    """
    rows = []
    for name, statuses in SETS.items():
        scores = met.scores[met.scores["patient_id"].isin(met.patients(*statuses))]
        predictions = predictions_of(people, scores, models)
        for model in models:
            part = predictions[predictions["model"] == model]
            outcome, n = part["outcome"], len(part)
            row = {"patients": name, "model": model, "n": n, "events": int(outcome.sum())}
            enough = min(outcome.sum(), (1 - outcome).sum()) >= FEWEST_OF_A_CLASS
            area = _area(outcome, part["probability"]) if enough else {}
            rows.append(row | area | {"remark": how_few(n, row["events"])})
    table = pd.DataFrame(rows).reindex(columns=SENSITIVITY_COLUMNS)
    return _without_small_differences(table, min_cell)


def _without_small_differences(table: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """Hide the numbers of a set that differs from the first by few patients, or by few of one outcome.

    Of a set that is small itself nothing is shown.
    """
    counts = table[["n", "events"]].assign(others=table["n"] - table["events"])
    base = counts[table["patients"] == next(iter(SETS))].iloc[0]
    gap = (counts - base).abs()
    tells = ((gap > 0) & (gap < min_cell)).any(axis=1)
    shown = table.astype({"n": object, "events": object})
    shown.loc[tells, ["n", "events"]] = small_counts.HIDDEN
    shown.loc[tells, "remark"] = ""
    small = ((counts > 0) & (counts < min_cell)).any(axis=1)
    shown.loc[small, ["auc", "auc_low", "auc_high"]] = np.nan
    return shown


def calibration_with_intervals(
    predictions: pd.DataFrame, models: list[str], weights: NDArray
) -> pd.DataFrame:
    """Calibration of every model with bootstrap intervals, as measure and model in rows.

    Parameters
    ----------
    predictions : DataFrame
    models : list of str
    weights : ndarray, shape (resamples, patients)
        As :func:`helpers.learning.draws.resample_weights` gives them.

    Returns
    -------
    DataFrame
        model, measure (in_the_large, slope, brier), estimate, low, high.
    """
    rows = []
    for model in models:
        part = probabilities_wide(predictions, "external", [model])
        data = part["outcome"], part[model]
        found = with_intervals(*data, bootstrap_performance(*data, weights, [0.5]))
        rows += [(model, name, *found.loc[name]) for name in ("in_the_large", "slope", "brier")]
    return pd.DataFrame(rows, columns=["model", "measure", "estimate", "low", "high"])
