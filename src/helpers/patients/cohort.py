"""Who is in the study: tables read and checked, inclusion, the outcome, the 7:3 split (paper 2.1, 3.1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.errors import StudyError
from helpers.patients.columns import YES_NO
from helpers.patients.table import check_tables, read_table
from helpers.study import pseudonyms
from helpers.study.cohorts import DEVELOPED, cohort_title, external_cohorts
from helpers.study.patterns import patient_path
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study
from helpers.virtual import VirtualSite


def load_screened(run: Run) -> pd.DataFrame:
    """Everyone who was screened, in every site of the study.

    Returns
    -------
    DataFrame
        As the contract "screened": patient_id (pseudonym), site, age (years), sex, exclusion (the written
        reason or ""), and where known t_score, outcome, interval_days, scanner, allocation, fracture,
        contrast (both missing for a site whose table does not say), accepted (why a patient is let in against
        a rule on regions), and further predictors.

    Raises
    ------
    StudyError
        Listing everything that is wrong in all tables at once.
    """
    if problems := check_tables(run.study):
        raise StudyError("\n".join(problems), "table")
    return read_screened(run)


def read_screened(run: Run) -> pd.DataFrame:
    """As `load_screened`, of tables that `check_tables` has passed."""
    screened = pd.concat([_people(run, site) for site in run.study.sites], ignore_index=True)
    blanks = {name: "" for name in ("exclusion", "accepted", "allocation") if name in screened}
    answers = {column: "boolean" for column in YES_NO if column in screened}
    return screened.fillna(blanks).astype(answers)


def _people(run: Run, site: Site) -> pd.DataFrame:
    if site.virtual is None:
        return read_table(run, site)
    protocol = run.study.path(site.virtual.protocol)
    people = VirtualSite(protocol, site.role, site.virtual.patients, run.study.seed).screened()
    return people.assign(site=site.name)


def apply_inclusion(screened: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Fill ``exclusion`` from the study's rules where nobody has written a reason.

    A written reason stands; then comes the CT-DXA interval, then age. A hospital that records no intervals
    at all keeps its patients.
    """
    rules = study.inclusion
    reasons = pd.Series("", index=screened.index)
    if "age" in screened:
        reasons[screened["age"] < rules.min_age] = f"younger than {rules.min_age} years"
    if "interval_days" in screened:
        days = screened["interval_days"]
        recorded = days.notna().groupby(screened["site"]).transform("any")
        both = "CT and DXA" if study.is_of_paper_design else "image and outcome"
        reasons[days >= rules.max_interval_days] = f"{both} {rules.max_interval_days} days apart or more"
        reasons[days.isna() & recorded] = f"days between {both} unknown"
    return screened.assign(exclusion=screened["exclusion"].where(screened["exclusion"] != "", reasons))


def assign_cohorts(
    screened: pd.DataFrame, study: Study, training_share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Give everyone who stays an outcome and a cohort.

    Patients of an external site are "external", or "external: <its name>" where there are several. Those of
    the development site, or of all sites where these are pooled (``split: {by: site}``), follow the
    hospital's own ``allocation`` when it names a cohort for every one of them; otherwise they are split at
    random, within each outcome, ``training_share`` of them to training.

    Parameters
    ----------
    screened : DataFrame
        After `apply_inclusion`.
    study : Study
        Names the outcome rule and the role of each site.
    training_share : float
        Between 0 and 1; the paper's is 0.7.
    rng : Generator
        For the split.

    Returns
    -------
    DataFrame
        The included patients with columns ``outcome`` (0/1) and ``cohort``.

    Raises
    ------
    StudyError
        When a cohort would have no patient, or only one, with or without the outcome.
    """
    included = included_of(screened)
    included["outcome"] = outcome_by_rule(included, study).astype(int)
    home = _at_home(included, study)
    external = _external(study)
    included["cohort"] = [external.get(site, "") for site in included["site"]]
    if has_allocation(screened, study):
        included.loc[home, "cohort"] = included.loc[home, "allocation"]
    else:
        included.loc[home, "cohort"] = _split(included.loc[home, "outcome"], training_share, rng)
    require_sizes(included, study)
    return included.drop(columns=["allocation", "exclusion"], errors="ignore")


def included_of(screened: pd.DataFrame) -> pd.DataFrame:
    """Those whom no reason excludes, counted anew."""
    return screened[screened["exclusion"] == ""].reset_index(drop=True)


def outcome_by_rule(people: pd.DataFrame, study: Study) -> pd.Series:
    """The outcome as 0, 1 or missing, by the study's rule; all missing where a table has no outcomes."""
    if study.outcome.given and "outcome" in people:
        return people["outcome"].astype("Int64")
    if study.outcome.given or "t_score" not in people:
        return pd.Series(pd.NA, index=people.index, dtype="Int64")
    positive = (people["t_score"] <= study.outcome.t_score_at_most).astype("Int64")
    return positive.where(people["t_score"].notna())


def has_allocation(screened: pd.DataFrame, study: Study) -> bool:
    """Whether the hospital's table puts everyone included at the development site in training or internal."""
    people = screened[(screened["exclusion"] == "") & _at_home(screened, study)]
    return "allocation" in people and bool(people["allocation"].isin(DEVELOPED).all())


def _at_home(people: pd.DataFrame, study: Study) -> pd.Series:
    return people["site"].isin([site.name for site in study.development_sites])


def _external(study: Study) -> dict[str, str]:
    return external_cohorts([site.name for site in study.external_sites])


def _split(outcome: pd.Series, training_share: float, rng: np.random.Generator) -> pd.Series:
    cohorts = pd.Series("internal", index=outcome.index)
    for _, group in outcome.groupby(outcome):
        chosen = rng.permutation(group.index)[: round(training_share * len(group))]
        cohorts[chosen] = "training"
    return cohorts


def require_sizes(cohort: pd.DataFrame, study: Study) -> None:
    """Stop when a set has fewer than two patients with, or without, the outcome.

    Raises
    ------
    StudyError
        Naming the sets and how many they have.
    """
    expected = [*DEVELOPED, *dict.fromkeys(_external(study).values())]
    counts = pd.crosstab(cohort["cohort"], cohort["outcome"])
    counts = counts.reindex(index=expected, columns=[0, 1], fill_value=0)
    small = [
        f"{cohort_title(name).lower()} has {row[1]} patients with {study.outcome.name} and {row[0]} without"
        for name, row in counts.iterrows()
        if row.min() < 2
    ]
    if small:
        where = "column of the outcome" if study.outcome.given else "outcome rule (t_score_at_most)"
        raise StudyError(
            f"Too few patients: {'; '.join(small)}. Each set needs at least 2 of both: check the {where} "
            "and the exclusions, or add patients."
        )


def has_second_reading(cohort: pd.DataFrame, run: Run) -> pd.Series:
    """Whether a second reader's masks can be had for each patient (boolean, indexed as ``cohort``)."""
    sites = {site.name: site for site in run.study.sites}
    raw = pseudonyms.raw_ids(run)

    def available(patient: pd.Series) -> bool:
        site = sites[patient["site"]]
        if site.virtual is not None or site.second_reader is None:
            return site.virtual is not None
        masks = site.second_reader if isinstance(site.second_reader, dict) else {"": site.second_reader}
        number = raw[patient["patient_id"]]
        return any(patient_path(run.study, site, one, number).exists() for one in masks.values())

    return pd.Series([available(row) for _, row in cohort.iterrows()], index=cohort.index, dtype=bool)


def draw_second_reader(cohort: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.Series:
    """Mark ``n`` random training cases for the second reader (all of them where there are fewer).

    Only training cases: choosing features by their reliability is part of the training (paper 2.3 draws 40
    of the first hospital).

    Returns
    -------
    Series
        Booleans, indexed as ``cohort``.
    """
    training = cohort.index[cohort["cohort"] == "training"]
    drawn = rng.choice(training, size=min(n, len(training)), replace=False)
    return pd.Series(cohort.index.isin(drawn), index=cohort.index)
