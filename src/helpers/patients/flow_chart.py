"""Figure 1 as counts: who was screened, who left and why, who was analysed."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from helpers.errors import Kind
from helpers.study.cohorts import ordered_cohorts
from helpers.study.run_folder import Run

OTHER_REASONS = "other reasons"
LET_IN = "let in"
# Reasons for refusing a patient name patient and file: a chart shows a category by their kind.
CATEGORIES: dict[Kind, str] = {
    "missing file": "image or mask missing",
    "features": "no features in the feature table",
    "image": "image unusable",
    "level": "T12 or L1 missing",
    "fracture": "vertebral fracture",
    "metal": "metal or cement",
    "contrast": "contrast-enhanced scan",
    "layer": "layer missing in the mask",
    "mask": "mask unusable",
    "double": "same scan or mask as another patient",
    "other": "other technical reason",
}


def final_flow_chart(run: Run) -> pd.DataFrame:
    """Counts of Figure 1 when features are there (notebook 03): `flow_chart` with those who dropped out."""
    cohort, features = run.read("cohort"), run.read("features")
    quality = None if run.study.has_features else run.read("preprocessing")
    unusable = unusable_patients(cohort, features, quality)
    accepted = [] if quality is None else quality.loc[quality["accepted"] != "", "patient_id"]
    return flow_chart(run.read("screened"), cohort, unusable, run.study.min_cell, accepted)


def unusable_patients(
    cohort: pd.DataFrame, features: pd.DataFrame, quality: pd.DataFrame | None
) -> pd.DataFrame:
    """Who of the cohort drops out, and why, in categories that name nobody.

    Parameters
    ----------
    cohort, features : DataFrame
        Artifacts of these names.
    quality : DataFrame or None
        Artifact "preprocessing"; None where features came ready-made.

    Returns
    -------
    DataFrame
        patient_id, reason.
    """
    lost = cohort.loc[~cohort["patient_id"].isin(features["patient_id"]), ["patient_id"]]
    if quality is None:
        return lost.assign(reason=CATEGORIES["features"])
    refused = quality[quality["status"] == "refused"].set_index("patient_id")["kind"]
    reasons = lost["patient_id"].map(refused.map(CATEGORIES))
    return lost.assign(reason=reasons.fillna("features cannot be computed"))


def flow_chart(
    screened: pd.DataFrame,
    cohort: pd.DataFrame,
    unusable: pd.DataFrame | None = None,
    min_cell: int = 0,
    accepted: Collection[str] = (),
) -> pd.DataFrame:
    """Counts of Figure 1.

    Parameters
    ----------
    screened, cohort : DataFrame
        As in their contracts.
    unusable : DataFrame, optional
        From `unusable_patients`; without it images have not been looked at yet.
    min_cell : int
        Reasons of fewer patients are taken together as "other reasons".
    accepted : collection of str
        Whom the hospital has let in although a rule on regions would refuse them.

    Returns
    -------
    DataFrame
        One row a box or reason, in reading order: site, stage ("screened", "excluded", "included",
        "unusable", "analysed", "let in" where there are such, or a cohort), reason (of an exclusion),
        patients, outcome (how many have it; of those included and after).
    """
    rows = []
    for site, people in screened.groupby("site", sort=False):
        stayed = cohort[cohort["site"] == site]
        rows.append((site, "screened", "", len(people), pd.NA))
        rows += _reason_rows(site, "excluded", people.loc[people["exclusion"] != "", "exclusion"], min_cell)
        rows.append((site, "included", "", len(stayed), stayed["outcome"].sum()))
        if unusable is not None:
            lost = stayed["patient_id"].isin(unusable["patient_id"])
            reasons = unusable.loc[unusable["patient_id"].isin(stayed["patient_id"]), "reason"]
            rows += _reason_rows(site, "unusable", reasons, min_cell)
            stayed = stayed[~lost]
            rows.append((site, "analysed", "", len(stayed), stayed["outcome"].sum()))
            let_in = int(stayed["patient_id"].isin(accepted).sum())
            rows += [(site, LET_IN, "although a rule refuses", let_in, pd.NA)] if let_in else []
        for name in ordered_cohorts(stayed["cohort"]):
            members = stayed.loc[stayed["cohort"] == name, "outcome"]
            rows.append((site, name, "", len(members), members.sum()))
    flow = pd.DataFrame(rows, columns=["site", "stage", "reason", "patients", "outcome"])
    return flow.astype({"patients": int, "outcome": "Int64"})


def _reason_rows(site: str, stage: str, reasons: pd.Series, min_cell: int) -> list[tuple]:
    """A row a reason, the most frequent first, rare ones taken together at the end."""
    counts = reasons.value_counts()
    rare = int(counts[counts < min_cell].sum())
    rows = [(site, stage, reason, count, pd.NA) for reason, count in counts.items() if count >= min_cell]
    return rows + ([(site, stage, OTHER_REASONS, rare, pd.NA)] if rare else [])
