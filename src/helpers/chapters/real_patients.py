"""Real patients beside a virtual study (chapter 15): their tables, and their numbers beside others."""

from __future__ import annotations

import pandas as pd

from helpers.chapters.hospitals_in_turn import InTurn
from helpers.features.ready import bring_features
from helpers.patients.cohort import apply_inclusion, included_of, load_screened, outcome_by_rule
from helpers.study.number_texts import estimate_text, span
from helpers.study.run_folder import Run
from helpers.study.study_file import load_study

# What the authors printed of their external validation (Keek et al. 2020, abstract), as ranges.
PUBLISHED = {"radiomics": "0.32 to 0.61", "clinical, the best model": "0.65 to 0.74"}
NAMES = {"radiomics": "radiomics", "clinical": "clinical", "nomogram": "both"}


def open_real(run: Run, study_file: str) -> Run:
    """Run of the real patients, in a folder of its own: their pseudonyms never mix with the run's."""
    return Run(load_study(study_file), run.real_patients)


def real_tables(real: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take the sites' tables in, as chapter 01 does.

    Returns
    -------
    patients : DataFrame
        Of everyone who stays, indexed by patient_id: site, outcome (0/1) and the predictors.
    features : DataFrame, shape (patients, features)
        Raw values, row for row.

    Raises
    ------
    StudyError
        Listing everything that is wrong in the tables.
    """
    screened = apply_inclusion(load_screened(real), real.study)
    people = included_of(screened)
    people = people.assign(outcome=outcome_by_rule(people, real.study).astype(int), cohort="training")
    bring_features(real, people)
    features = real.read("features").set_index("patient_id")
    patients = people.set_index("patient_id")[["site", "outcome", *real.study.predictors]]
    return patients.loc[features.index], features


def people_by_hospital(patients: pd.DataFrame) -> pd.DataFrame:
    """Table of the patients: hospital, n, events (deaths, with percent), mean age (years), men (percent)."""
    grouped = patients.groupby("site", sort=False)
    rows = {
        "hospital": list(grouped.groups),
        "n": grouped.size().to_numpy(),
        "events": grouped["outcome"].sum().to_numpy(),
        "events_percent": 100 * grouped["outcome"].mean().to_numpy(),
    }
    if "age" in patients:
        rows["mean_age"] = grouped["age"].mean().to_numpy()
    if "sex" in patients:
        rows["men_percent"] = 100 * (patients["sex"] == "male").groupby(patients["site"], sort=False).mean()
    return pd.DataFrame(rows).reset_index(drop=True)


def three_aucs(found: InTurn) -> pd.DataFrame:
    """Each hospital's AUC in three ways, a row a hospital and model: apparent, beforehand, left out."""
    columns = "hospital n events model apparent beforehand auc auc_low auc_high status".split()
    table = found.hospitals[columns].rename(columns={"auc": "left_out"})
    return table.rename(columns={"auc_low": "left_out_low", "auc_high": "left_out_high"}).assign(
        model=table["model"].map(NAMES)
    )


def virtual_aucs(strict: pd.DataFrame | None) -> pd.DataFrame:
    """The virtual cohort's row for `three_aucs`: the radiomics model of chapters 05 and 10.

    Parameters
    ----------
    strict : DataFrame or None
        Table ``strict_paper_beside`` of chapter 10, if it was run. The row is of its last cohort, empty
        without the table.
    """
    if strict is None:
        return pd.DataFrame(columns=["hospital", "model", "apparent", "beforehand", "left_out"])
    rows = strict[(strict["quantity"] == "AUC") & (strict["model"] == "radiomics")].set_index("cohort")
    known = {"apparent": "paper_mode", "beforehand": "strict_mode"}
    values = {name: rows.loc["training", column] for name, column in known.items()}
    values["left_out"] = rows["paper_mode"].iloc[-1]
    return pd.DataFrame([{"hospital": "virtual cohort", "model": "radiomics", **values}])


def beside_published(aucs: pd.DataFrame, summary: pd.DataFrame, virtual: pd.DataFrame) -> pd.DataFrame:
    """These numbers beside what the authors printed, and beside the virtual cohort's.

    Returns
    -------
    DataFrame
        patients, model, measure, apparent, beforehand, elsewhere (texts: one number, or smallest to largest)
        and summary (of elsewhere, with its 95 % interval).
    """
    rows = []
    for model, part in aucs.groupby("model", sort=False):
        total = summary[(summary["model"].map(NAMES) == model) & (summary["measure"] == "auc")].iloc[0]
        row = {name: _range(part[column]) for name, column in _PLACES.items()}
        row["summary"] = estimate_text(*total[["estimate", "ci_low", "ci_high"]])
        rows.append({"patients": "these", "model": model, "measure": "AUC", **row})
    for model, printed in PUBLISHED.items():
        where = {"patients": "BD2Decide", "measure": "C index"}
        rows.append({**where, "model": model, "elsewhere": printed})
    for _, row in virtual.iterrows():
        spans = {name: f"{row[column]:.2f}" for name, column in _PLACES.items()}
        rows.append({"patients": "virtual cohort", "model": row["model"], "measure": "AUC", **spans})
    return pd.DataFrame(rows).fillna("")[["patients", "model", "measure", *_PLACES, "summary"]]


_PLACES = {"apparent": "apparent", "beforehand": "beforehand", "elsewhere": "left_out"}


def _range(values: pd.Series) -> str:
    return span(values.min(), values.max())


def in_words(aucs: pd.DataFrame, found: InTurn, virtual: pd.DataFrame) -> dict[str, str]:
    """Numbers for the chapter's sentences, by glue's names."""
    said = {}
    for model, part in aucs.groupby("model", sort=False):
        said |= {f"{model}-{name}": _range(part[column]) for name, column in _PLACES.items()}
        said[f"{model}-promised"] = f"{part['apparent'].mean():.2f}"
        said[f"{model}-expected"] = f"{part['beforehand'].mean():.2f}"
    for row in found.summary.itertuples():
        key = f"{NAMES[row.model]}-{row.measure}"
        said[key] = f"{row.estimate:.2f} (95 % interval {span(row.ci_low, row.ci_high)})"
        said[f"{key}-next"] = span(row.pi_low, row.pi_high)
        if row.measure == "auc":
            said[f"{NAMES[row.model]}-kept"] = f"{row.estimate:.2f}"
    deaths = found.measures[found.measures["measure"] == "observed_expected"]
    for model, part in deaths.groupby("model"):
        said[f"{NAMES[model]}-died"] = _range(part["estimate"])
    fallen = [span(row.apparent, row.left_out) for row in virtual.itertuples()]
    return said | {"virtual-fall": fallen[0] if fallen else "(chapter 10 was not run)"}
