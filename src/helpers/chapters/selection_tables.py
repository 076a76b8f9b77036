"""What chapter 04 shows of a selection: funnel, order of SMOTE, selected features, Rad-score."""

from __future__ import annotations

import pandas as pd

from helpers.features.names import readable_name
from helpers.learning.selection import Selection
from helpers.patients.table_1 import smd
from helpers.study.cohorts import cohort_title, ordered_cohorts

# The steps, as the paper's section 3.2 names what is left.
STEPS = {
    "extracted": "extracted",
    "icc": "after ICC",
    "constant": "after constants",
    "mann_whitney": "after Mann-Whitney U",
    "spearman": "after Spearman",
    "mrmr": "after mRMR",
    "lasso": "after LASSO",
}


def funnel(selection: Selection) -> pd.DataFrame:
    """How many features are left after each step: step, computed."""
    left = [len(selection.survivors[name]) for name in STEPS]
    return pd.DataFrame({"step": STEPS.values(), "computed": left})


def funnels_by_smote(selections: list[Selection]) -> pd.DataFrame:
    """The funnels of several selections, by step: a column "SMOTE <when>" for each."""
    columns = {f"SMOTE {one.settings.smote}": funnel(one)["computed"].to_numpy() for one in selections}
    return pd.DataFrame(columns, index=pd.Index(STEPS.values(), name="step"))


def shared(selections: list[Selection]) -> int:
    """How many features all the selections have chosen."""
    return len(set.intersection(*(set(one.survivors["lasso"]) for one in selections)))


def selected_features(selection: Selection, icc: pd.Series, frequency: pd.Series) -> pd.DataFrame:
    """What is known of each selected feature, the largest coefficient first.

    Parameters
    ----------
    selection : Selection
    icc : Series
        Of each feature; missing where there is none.
    frequency : Series
        Of each LASSO candidate.

    Returns
    -------
    DataFrame
        feature, coefficient (per SD), name (for reading), icc, frequency, mean and sd (of the training
        patients).
    """
    table = pd.DataFrame({"coefficient": selection.coefficients})
    table["name"] = table.index.map(readable_name)
    table["icc"], table["frequency"] = icc.reindex(table.index), frequency.reindex(table.index)
    scaling = selection.as_dict()
    table["mean"], table["sd"] = scaling["mean"], scaling["sd"]
    return table.rename_axis("feature").reset_index()


def rad_score_quartiles(scores: pd.DataFrame, titles: dict[int, str]) -> pd.DataFrame:
    """Rad-score by set and outcome: cohort, outcome (in words: ``titles``), n, 25%, median, 75%."""
    found = scores.groupby(["cohort", "outcome"], sort=False)["rad_score"].describe()
    found = found[["count", "25%", "50%", "75%"]].set_axis(["n", "25%", "median", "75%"], axis=1)
    return found.rename(index=titles, level=1).reset_index().astype({"n": int})


def frequencies_in_words(table: pd.DataFrame) -> dict[str, str]:
    """Smallest and largest share of resamples (%) that keep a selected feature, by glue's names."""
    shares = 100 * table["frequency"]
    return {"frequency-low": f"{shares.min():.0f}", "frequency-high": f"{shares.max():.0f}"}


def gaps_in_words(scores: pd.DataFrame) -> str:
    """How far the mean Rad-scores with and without the outcome lie apart in each set, in SD."""
    gaps = []
    for name in ordered_cohorts(scores["cohort"]):
        part = scores[scores["cohort"] == name]
        groups = (part.loc[part["outcome"] == flag, "rad_score"] for flag in (1, 0))
        gaps.append(f"{smd(*groups):.2f} SD ({cohort_title(name)})")
    return ", ".join(gaps)
