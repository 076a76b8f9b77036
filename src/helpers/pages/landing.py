"""What the landing pages show of a run: whose data, and the models' AUCs."""

from __future__ import annotations

import pandas as pd

from helpers.chapters.decision_tables import HU_MODEL
from helpers.pages.first_screen import first_screen
from helpers.pages.rendering import rendered
from helpers.paper.printed import INCONSISTENT
from helpers.study.cohorts import EXTERNAL, PAPER, cohort_title, is_one_of_several, ordered_cohorts
from helpers.study.run_folder import Run

PARTS = {"summary.md": "summary.md"}
# A study of another design has landing pages about its own question.
OWN_PARTS = {"index.md": "own_index.md", "summary.md": "own_summary.md"}


def staged_files(run: Run) -> dict[str, bytes]:
    """The parts that the landing pages include, by name in the book's sources."""
    study, table = run.study, run.shown_table("table_5")
    models = {} if table is None else _by_model(table)
    numbers = {"virtual": study.is_virtual, "models": models, "cohorts": _cohorts(table)}
    parts = PARTS if study.is_of_paper_design else OWN_PARTS
    numbers["held"] = _held(run)
    if parts is OWN_PARTS:
        numbers |= {"title": study.title, "outcome": study.outcome, "region": study.region_in_words}
        made = {cohort for rows in models.values() for cohort in rows}
        numbers["cohorts"] = {name: title for name, title in numbers["cohorts"].items() if name in made}
        numbers["predictors"] = study.predictors
    made = {name: rendered(template, **numbers) for name, template in parts.items()}
    made["summary.md"] = first_screen(run) + made["summary.md"]
    return {name: page.encode() for name, page in made.items()}


def _held(run: Run) -> dict[str, object]:
    """How many printed numbers fit, what the nomogram adds to HU, age and sex, and whom a kept cut-off finds.

    Empty while one of the chapters that tell it, 06, 09 and 10, has not been run.
    """
    audit, compared, table = map(run.shown_table, ("paper_audit", "strict_comparators", "table_5"))
    if audit is None or compared is None or table is None:
        return {}
    usual = (compared["first"] == "nomogram") & (compared["second"] == HU_MODEL)
    gains = compared[usual].set_index("cohort").to_dict("index")
    found = table[table["model"] == "nomogram"].set_index("cohort").get("sensitivity_strict", pd.Series())
    found = pd.to_numeric(found, errors="coerce").dropna()  # hidden where few have the outcome
    if not {"internal", EXTERNAL} <= gains.keys() or EXTERNAL not in found:
        return {}
    misfits = int((audit["verdict"] == INCONSISTENT).sum())
    return gains | {"checks": len(audit), "misfits": misfits, "sensitivity": float(found[EXTERNAL])}


def _cohorts(table: pd.DataFrame | None) -> dict[str, str]:
    """Title of each cohort by its name: the paper's, or those of the study where it has several hospitals."""
    found = [] if table is None else ordered_cohorts(table["cohort"])
    shown = found if any(map(is_one_of_several, found)) else PAPER
    return {name: cohort_title(name) for name in shown}


def _by_model(table: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """AUCs as the paper prints them and as this run computed them, by model and cohort."""
    models = table.groupby("model", sort=False)
    return {name: rows.set_index("cohort").to_dict("index") for name, rows in models}
