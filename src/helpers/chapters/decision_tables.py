"""What chapter 08 shows of the decision curves: a few thresholds, differences, other prevalences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.chapters.strict_tables import verdict, with_mean_hu
from helpers.evaluation.decision_curves import (
    TREAT_ALL,
    TREAT_NONE,
    benefit_at_prevalence,
    benefit_difference,
    moved_risks,
)
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.learning.logistic import fit_logistic, varying_predictors
from helpers.study.cohorts import DEVELOPED, cohort_title
from helpers.study.number_texts import estimate_text
from helpers.study.run_folder import Run

HU_MODEL = "HU and clinical"


def with_hu_model(predictions: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Predictions with those of the simplest rival, a regression on mean HU and the clinical predictors.

    A logistic one, fitted on the training patients, as the clinical model is. In a study of ready features
    nothing is added.
    """
    people = predictions[["patient_id", "cohort", "outcome"]].drop_duplicates().set_index("patient_id")
    cohort = run.read("cohort").set_index("patient_id")[run.study.predictors]
    table = with_mean_hu(people.join(cohort), run)
    if "trabecular_hu" not in table:
        return predictions
    training = table[table["cohort"] == "training"]
    used = ["trabecular_hu", *varying_predictors(training, run.study.predictors)]
    model = fit_logistic(training, "outcome", used)
    risks = table[["cohort", "outcome"]].assign(model=HU_MODEL, probability=model.probability(table))
    return pd.concat([predictions, risks.reset_index()], ignore_index=True)


def net_benefit_per_100(curves: pd.DataFrame, models: list[str], thresholds: Sequence[float]) -> pd.DataFrame:
    """Net benefit per 100 patients at some thresholds.

    Parameters
    ----------
    curves : DataFrame
        As :func:`helpers.evaluation.decision_curves.decision_curves` gives them.
    models : list of str
    thresholds : sequence of float
        Of the curves' thresholds; others are left out.

    Returns
    -------
    DataFrame
        Indexed by cohort and threshold; a column a model, then "treat all" and "treat none".
    """
    chosen = curves[curves["threshold"].isin(np.round(thresholds, 10))]
    per_100 = chosen.assign(net_benefit=100 * chosen["net_benefit"])
    wide = per_100.pivot(index=["cohort", "threshold"], columns="strategy", values="net_benefit")
    order = [curves["cohort"].unique(), sorted(chosen["threshold"].unique())]
    rows = pd.MultiIndex.from_product(order, names=["cohort", "threshold"])
    return wide.loc[rows, [*models, TREAT_ALL, TREAT_NONE]]


def best_in_words(wide: pd.DataFrame) -> str:
    """Which strategy is best at each threshold of `net_benefit_per_100`, a set at a time."""
    said = []
    for cohort, part in wide.idxmax(axis=1).groupby(level="cohort", sort=False):
        named = [f"{name} at {threshold:.2f}" for (_, threshold), name in part.items()]
        said.append(f"{cohort_title(cohort)}: {', '.join(named)}")
    return "; ".join(said)


def benefit_differences(
    predictions: pd.DataFrame, model: str, rivals: list[str], thresholds: Sequence[float]
) -> pd.DataFrame:
    """By how much ``model`` is better than its rivals in the validation sets, in net benefit per 100 people.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    model : str
    rivals : list of str
        Models, or "treat all".
    thresholds : sequence of float

    Returns
    -------
    DataFrame
        cohort, threshold, against, difference, ci_low, ci_high (per 100 patients).
    """
    rows, models = [], [model, *(name for name in rivals if name != TREAT_ALL)]
    for cohort in [name for name in present_cohorts(predictions) if name != "training"]:
        wide = probabilities_wide(predictions, cohort, models).assign(**{TREAT_ALL: 1.0})
        for threshold in thresholds:
            for rival in rivals:
                found = benefit_difference(wide["outcome"], wide[model], wide[rival], threshold)
                per_100 = {name: 100 * value for name, value in found.items()}
                rows.append({"cohort": cohort, "threshold": threshold, "against": rival} | per_100)
    return pd.DataFrame(rows)


def differences_in_words(differences: pd.DataFrame, threshold: float) -> dict[str, str]:
    """The differences at one threshold in the last set, each with interval and verdict, by glue's names."""
    last = differences["cohort"].iloc[-1]
    rows = differences[(differences["cohort"] == last) & np.isclose(differences["threshold"], threshold)]
    said = [
        f"over {row.against} {verdict(row.difference, row.ci_low, row.ci_high, '+.1f')}"
        for row in rows.itertuples()
    ]
    return {"gain-set": cohort_title(last), "gain-low": "; ".join(said)}


def benefit_by_prevalence(
    predictions: pd.DataFrame, models: list[str], thresholds: Sequence[float], prevalences: Sequence[float]
) -> pd.DataFrame:
    """Net benefit per 100 patients of the last set, were the outcome as frequent as ``prevalences`` say.

    The models' risks are moved from the training set's prevalence, from which they learnt, to the other: a
    hospital that knows its prevalence would do the same.

    Returns
    -------
    DataFrame
        cohort, prevalence (the set's own first), threshold, a column a model, "treat all".
    """
    cohort = present_cohorts(predictions)[-1]
    wide = probabilities_wide(predictions, cohort, models)
    learnt = probabilities_wide(predictions, DEVELOPED[0], models)["outcome"].mean()
    y, rows = wide["outcome"], []
    for prevalence in [y.mean(), *prevalences]:
        everybody = benefit_at_prevalence(y, np.ones(len(y)), thresholds, prevalence)
        columns = {
            model: benefit_at_prevalence(
                y, moved_risks(wide[model], learnt, prevalence), thresholds, prevalence
            )
            for model in models
        } | {TREAT_ALL: everybody}
        table = pd.DataFrame(columns).mul(100)
        table.insert(0, "threshold", thresholds)
        rows.append(table.assign(cohort=cohort, prevalence=prevalence))
    table = pd.concat(rows, ignore_index=True)
    return table[["cohort", "prevalence", "threshold", *models, TREAT_ALL]]


def best_by_prevalence(table: pd.DataFrame, band: Sequence[float]) -> str:
    """Which strategy of `benefit_by_prevalence` is best within the band, at each prevalence, in words."""
    low, high = band
    inside = table[table["threshold"].between(low - 1e-9, high + 1e-9)]
    said = []
    for prevalence, part in inside.groupby("prevalence", sort=False):
        best = part[inside.columns[3:]].assign(**{TREAT_NONE: 0.0}).idxmax(axis=1)
        named = [f"{name} ({limit:.2f})" for limit, name in zip(part["threshold"], best, strict=True)]
        said.append(f"at {prevalence:.0%} {', '.join(named)}")
    return "; ".join(said)


def shown_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """`benefit_differences` for reading: a row a set and threshold, a column a rival."""
    rows = differences[["difference", "ci_low", "ci_high"]].to_numpy()
    texts = [estimate_text(*row, "+.1f") for row in rows]
    rivals = [f"over {rival}" for rival in differences["against"]]
    long = differences[["cohort", "threshold"]].assign(rival=rivals, text=texts)
    order = {"cohort": long["cohort"].unique(), "rival": long["rival"].unique()}
    wide = long.pivot(index=["cohort", "threshold"], columns="rival", values="text")
    return wide.loc[order["cohort"], order["rival"]].rename_axis(columns=None).reset_index()
