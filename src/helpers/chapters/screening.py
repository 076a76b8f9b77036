"""What chapter 01 shows of the patients before Table 1."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.paper.reported import table_1_beside
from helpers.patients.cohort import draw_second_reader, has_allocation, has_second_reading
from helpers.patients.table_1 import compare_cohorts, groups_of, printed_cohorts, smd, table_1
from helpers.study.cohorts import cohort_title, ordered_cohorts
from helpers.study.run_folder import Run
from helpers.study.small_counts import shown_count
from helpers.study.study_file import Study

EXAMPLE = ["patient_id", "site", "age", "sex", "t_score", "interval_days", "scanner", "exclusion"]


def examples(screened: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The first patients of the virtual hospitals, with what the tables tell of them; none of a real one."""
    virtual = [site.name for site in study.sites if site.virtual]
    columns = screened.columns.intersection(EXAMPLE, sort=False)
    return screened.loc[screened["site"].isin(virtual), columns].head()


def counts_by_outcome(cohort: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Patients without and with the outcome (columns) in each set (rows), as they may be shown."""
    counts = cohort.groupby(["cohort", "outcome"]).size().unstack(fill_value=0)
    counts = counts.reindex(ordered_cohorts(cohort["cohort"]))
    counts = counts.rename(index=cohort_title, columns=study.outcome.titles)
    return counts.rename_axis(index=None, columns=None).map(shown_count, min_cell=study.min_cell)


def opening_numbers(cohort: pd.DataFrame, study: Study) -> dict[str, str]:
    """How many stayed, how frequent the outcome is, and how ages differ in training, by glue's names.

    Sets in which fewer than ``min_cell`` patients have, or lack, the outcome do not count for the shares.
    """
    sets = cohort.groupby("cohort")["outcome"].agg(["size", "sum"])
    told = np.minimum(sets["sum"], sets["size"] - sets["sum"]) >= study.min_cell
    shares = 100 * (sets["sum"] / sets["size"])[told]
    training = cohort[cohort["cohort"] == "training"].reindex(columns=["age", "outcome"])
    ages = training["age"].astype(float)
    without, with_outcome = (ages[training["outcome"] == flag] for flag in (0, 1))
    return {
        "included": f"{len(cohort)}",
        "share-low": f"{shares.min():.0f}" if told.any() else "?",
        "share-high": f"{shares.max():.0f}" if told.any() else "?",
        "age-gap": f"{with_outcome.mean() - without.mean():.1f}",
        "age-smd": f"{smd(with_outcome, without):.2f}",
    }


def write_table_1(run: Run, cohort: pd.DataFrame) -> pd.DataFrame:
    """Write Table 1 of these patients, beside the paper's in a study of its design, and return it."""
    table = table_1(cohort, run.study.predictors, groups_of(run.study))
    if run.study.is_of_paper_design:
        table["paper"] = table_1_beside(table)
    return run.write_table("table_1", table)


def write_cohorts_beside(run: Run, cohort: pd.DataFrame) -> pd.DataFrame:
    """Write the sets of these patients beside each other, and return them."""
    between = compare_cohorts(cohort, run.study.predictors, groups_of(run.study)[1])
    return run.write_table("table_1_cohorts", between, printed=printed_cohorts)


def tell_of_analysed(run: Run, flow: pd.DataFrame) -> None:
    """Write what chapter 01 shares again, of those analysed only, where some of those included are unusable.

    Later tables are of those analysed: beside them, Table 1 of everybody included would tell of the few
    between. Where nothing is hidden (``min_cell``), it stays as it is. The chapter's page keeps its tables.

    Parameters
    ----------
    run : Run
    flow : DataFrame
        The final flow chart with all its numbers, in place of the one before images were looked at.
    """
    cohort, features = run.read("cohort"), run.read("features")
    analysed = cohort[cohort["patient_id"].isin(features["patient_id"])]
    if run.study.min_cell < 2 or len(analysed) == len(cohort):
        return
    write_table_1(run, analysed)
    write_cohorts_beside(run, analysed)
    if not run.study.has_features:
        run.write_table("flow_chart_tables", flow)


def rules_in_words(screened: pd.DataFrame, study: Study) -> dict[str, str]:
    """How patients were screened, labelled and split, by glue's names."""
    own = has_allocation(screened, study)
    return {
        "screened": f"{len(screened)}",
        "excluded": f"{(screened['exclusion'] != '').sum()}",
        "min-age": f"{study.inclusion.min_age}",
        "max-interval": f"{study.inclusion.max_interval_days}",
        "split": "as the hospital's own table says" if own else "drawn at random here, within each outcome",
        "own-limits": _limits_in_words(screened, study),
        "outcome-name": study.outcome.name,
        "region": study.region_in_words,
        "outcome-rule": study.outcome.in_words,
    }


def _limits_in_words(screened: pd.DataFrame, study: Study) -> str:
    """The study's own limits, as far as the tables tell what they are about."""
    limits = []
    if "age" in screened and study.inclusion.min_age:
        limits.append(f"an age of {study.inclusion.min_age} years or more")
    if "interval_days" in screened:
        limits.append(f"less than {study.inclusion.max_interval_days} days between image and outcome")
    if not limits:
        return "The study itself excludes nobody."
    return f"Where they give none, the study asks for {' and '.join(limits)}."


def second_reader(cohort: pd.DataFrame, run: Run) -> pd.Series:
    """Whether a patient is drawn for the second reader, of those whose second masks can be had (boolean)."""
    available = cohort[has_second_reading(cohort, run)]
    drawn = draw_second_reader(available, run.study.second_reader_cases, run.study.rng("second reader"))
    return drawn.reindex(cohort.index, fill_value=False)
