"""`radbook check`: everything that would stop or spoil a study, in one report before any long work.

The page shows pictures of patients under their pseudonyms: it lies in the run's private folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.commands.foreseen import foresee, parameters_of
from helpers.commands.look import look
from helpers.commands.run import other_problems
from helpers.errors import StudyError
from helpers.features import identities
from helpers.features.cases import Result, map_cases
from helpers.features.cluster import scheduler_address
from helpers.features.prepare import cases_of, preparation, tabulated
from helpers.features.quality import layer_column
from helpers.features.ready import patients_in_tables, take_features
from helpers.features.rules import apply_rules
from helpers.imaging.regions import LAYERS
from helpers.imaging.sources import image_source
from helpers.patients import flow_chart
from helpers.patients.cohort import (
    apply_inclusion,
    assign_cohorts,
    included_of,
    outcome_by_rule,
    read_screened,
)
from helpers.patients.table import check_tables, needs_outcome, table_remarks
from helpers.plots.region_views import Picture
from helpers.study.cohorts import cohort_title, ordered_cohorts
from helpers.study.run_folder import Run
from helpers.study.sites import CLICK
from helpers.study.study_file import Study

# Exit statuses of the command; 2 is the shell's own for a wrong command line.
NOTHING_WRONG, CANNOT_RUN, SOME_REFUSED = 0, 1, 3
_ORDER = ["refused", "warned", "ok"]
# Measurements by which one patient is compared with the others.
UNLIKE = ["volume", "cortex_percent", "air_percent", *(layer_column("hu", layer) for layer in LAYERS)]
UNLIKE += [layer_column("volume", layer) for layer in LAYERS]


@dataclass(frozen=True)
class Report:
    """What `radbook check` found.

    Attributes
    ----------
    study : Study
    problems : list of str
        What stops the study.
    counts : DataFrame
        A row a cohort: Cohort, included, included_cases, usable, usable_cases; patients, and in words how
        many of them have the outcome.
    flow : DataFrame
        Counts of the flow chart.
    people : DataFrame
        A row a patient whose images or features were looked at: site, cohort, status, reason, kind of a
        refusal, and quality control of images.
    pictures : dict of str to list of Picture
        Each usable patient's region, by pseudonym.
    remarks : list of str
        What stops nothing and should be known.
    """

    study: Study
    problems: list[str]
    counts: pd.DataFrame
    flow: pd.DataFrame
    people: pd.DataFrame
    pictures: dict[str, list[Picture]]
    remarks: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many patients cannot be used."""
        return int((self.people["status"] == "refused").sum())

    @property
    def exit_status(self) -> int:
        """0: nothing is wrong; 1: the study cannot run; 3: it can, without the refused patients."""
        if self.problems:
            return CANNOT_RUN
        return SOME_REFUSED if self.refused else NOTHING_WRONG


def check_study(run: Run, workers: int = 0) -> Report:
    """Look at tables, settings, sizes of the cohorts, and every patient's image and mask.

    Images come from the run's cache, and what is new goes there: `radbook run` does not repeat it.

    Parameters
    ----------
    run : Run
        Of the study; its private folder takes the pseudonyms and the cache.
    workers : int
        Parallel processes; 0 means one per core.
    """
    problems = check_tables(run.study) + other_problems(run.study)
    nobody = pd.DataFrame(columns=["patient_id", "site", "cohort", "status", "reason", "kind"])
    if problems:
        return Report(run.study, problems, pd.DataFrame(), pd.DataFrame(), nobody, {})
    screened = apply_inclusion(read_screened(run), run.study)
    cohort, undivided = _divide(screened, run.study)
    people, features, pictures, faults, remarks = nobody, None, {}, [], table_remarks(run.study)
    if run.study.has_features:
        people, features, faults = look_at_features(run, cohort)
    else:
        people, pictures, faults = look_at_images(run, cohort, workers)
        remarks += identities.remarks(people) + _points(run, cohort)
    usable = cohort[~cohort["patient_id"].isin(people.loc[people["status"] == "refused", "patient_id"])]
    problems = undivided + faults
    if not problems:
        foreseen = foresee(run, usable, features)
        problems, remarks = foreseen.problems, remarks + foreseen.remarks
    lost = people.loc[people["status"] == "refused", ["patient_id", "kind"]]
    lost = lost.assign(reason=lost["kind"].map(flow_chart.CATEGORIES))
    flow = flow_chart.flow_chart(screened, cohort, lost)
    return Report(run.study, problems, _counts(cohort, usable, run.study), flow, people, pictures, remarks)


def _divide(screened: pd.DataFrame, study: Study) -> tuple[pd.DataFrame, list[str]]:
    """The included patients in the cohorts that notebook 01 will make, and why it will not."""
    included = included_of(screened)
    if not needs_outcome(study):
        return included.assign(cohort="external", outcome=outcome_by_rule(included, study)), []
    share = parameters_of(study, "01")["training_share"]
    try:
        return assign_cohorts(screened, study, share, study.rng("split")), []
    except StudyError as error:
        return included.assign(cohort="", outcome=outcome_by_rule(included, study)), [str(error)]


def look_at_features(run: Run, cohort: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None, list[str]]:
    """Take the ready features as notebook 01 does.

    Returns
    -------
    people : DataFrame
        patient_id, site, cohort, status, reason and kind, those without features first.
    features : DataFrame or None
        As `helpers.features.ready.take_features` gives them, where a model is made of them and they can be
        used.
    problems : list of str
        Why the study would stop here.
    """
    people, features = cohort[["patient_id", "site", "cohort"]].assign(status="ok", reason="", kind=""), None
    if cohort.empty:
        return people, None, []
    if needs_outcome(run.study):
        try:
            features = take_features(run, cohort).values
        except StudyError as error:
            return people, None, [str(error)]
    # Where a model is only applied, single features may be without value.
    there = cohort["patient_id"].isin(patients_in_tables(run, cohort) if features is None else features.index)
    reason = "no features in the feature table. Add the row, or write under exclusion why not."
    people.loc[~there, ["status", "reason", "kind"]] = ["refused", reason, "features"]
    people = people.sort_values("status", ascending=False, kind="stable").reset_index(drop=True)
    return people, features, []


def look_at_images(
    run: Run, cohort: pd.DataFrame, workers: int
) -> tuple[pd.DataFrame, dict[str, list[Picture]], list[str]]:
    """Read image and mask of every patient.

    Returns
    -------
    people : DataFrame
        patient_id, site, cohort, status, reason, kind and quality control; refused patients first, then
        warned ones, and of each those that are least like the others.
    pictures : dict of str to list of Picture
    problems : list of str
        Why the study would stop here.
    """
    seeing = partial(look, **preparation(run).keywords)
    results = map_cases(seeing, cases_of(cohort), workers, "Looking at images", scheduler_address(run.study))
    quality = identities.compared(run, tabulated([_quality(one) for one in results]))
    problems = []
    if (quality["status"] == "refused").all():
        problems.append(f"None of the {len(quality)} patients could be used; each one's reason is below.")
    try:
        quality = apply_rules(quality, cohort, run.study)
    except StudyError as error:
        problems.append(str(error))
    people = cohort[["patient_id", "site", "cohort"]].merge(quality, on="patient_id")
    pictures = {one.case.patient_id: one.value.pictures for one in results if not one.refused}
    return doubtful_first(people), pictures, problems


def _points(run: Run, cohort: pd.DataFrame) -> list[str]:
    """How many patients have points, at sites whose regions are drawn from them."""
    told = []
    for site in (one for one in run.study.sites if one.points is not None):
        source = image_source(run, site)
        origins = cohort.loc[cohort["site"] == site.name, "patient_id"].map(source.origin)
        counts = {name: int((origins == name).sum()) for name in ("points", "corrected", "mask", "")}
        told.append(
            f"{site.name}: of {len(origins)} patients {counts['points']} have points, {counts['corrected']} "
            f"a corrected region in private/regions, {counts['mask']} a mask; {counts['']} have nothing."
            + (" Set points with radbook click." if site.points == CLICK and counts[""] else "")
        )
    return told


def _quality(result: Result) -> Result:
    """What was seen, refused where the regions cannot be used."""
    if result.refused or result.value.refusal is None:
        return result
    refusal = result.value.refusal
    return replace(result, value=None, reason=str(refusal), kind=refusal.kind)


def doubtful_first(people: pd.DataFrame) -> pd.DataFrame:
    """Order patients by status, and within each by how unlike the others their measurements are.

    Unlike is who lies furthest from the median of one of ``UNLIKE``, in median distances from it.
    """
    measured = people.reindex(columns=UNLIKE).astype(float)
    apart = (measured - measured.median()).abs()
    unlike = (apart / apart.median().replace(0, np.nan)).max(axis=1).fillna(0)
    order = people.assign(place=people["status"].map(_ORDER.index), unlike=-unlike)
    return order.sort_values(["place", "unlike"], kind="stable", ignore_index=True).drop(
        columns=["place", "unlike"]
    )


def _counts(cohort: pd.DataFrame, usable: pd.DataFrame, study: Study) -> pd.DataFrame:
    columns = {}
    for name, people in (("included", cohort), ("usable", usable)):
        outcome = people.groupby("cohort")["outcome"]
        columns |= {name: outcome.size(), f"{name}_cases": outcome.agg(_cases, name=study.outcome.name)}
    counts = pd.DataFrame(columns).reindex(ordered_cohorts(cohort["cohort"]) or columns["included"].index)
    counts = counts.fillna({"usable": 0, "usable_cases": "none"}).astype({"included": int, "usable": int})
    counts = counts.rename(index=lambda name: cohort_title(name) or "Not divided")
    return counts.rename_axis("Cohort").reset_index()


def _cases(outcome: pd.Series, name: str) -> str:
    """How many have the outcome called ``name``; nobody counts as healthy whose outcome is not known."""
    known, cases = int(outcome.notna().sum()), int(outcome.sum())
    if not known:
        return "outcome not known"
    return f"{cases} with {name}" + (f" of {known} whose outcome is known" if known < len(outcome) else "")


def as_text(report: Report) -> str:
    """The report for the terminal: what stops the study, sizes, and each patient with a remark."""
    lines = [verdict(report)]
    lines += [f"- {problem}" for problem in report.problems]
    lines += [f"Note: {remark}" for remark in report.remarks]
    lines += [
        f"{row.Cohort}: {row.included} included ({row.included_cases}), "
        f"{row.usable} usable ({row.usable_cases})"
        for row in report.counts.itertuples()
    ]
    if len(report.people):
        status = report.people["status"]
        lines.append("Patients: " + ", ".join(f"{(status == name).sum()} {name}" for name in _ORDER))
    remarks = report.people[report.people["status"] != "ok"]
    lines += [f"{row.status}: {_named(row)}" for row in remarks.itertuples()]
    return "\n".join(lines)


def verdict(report: Report) -> str:
    """Whether the study can run, and with how many of its patients."""
    number, patients = len(report.problems), len(report.people)
    if number:
        return f"{number} problem{'s' if number > 1 else ''} would stop this study:"
    if report.refused:
        return (
            f"The study can run, but without {report.refused} of its {patients} patients: their images, "
            "masks or features cannot be used."
        )
    warned = int((report.people["status"] == "warned").sum())
    if warned:
        return f"Nothing stops this study; {warned} of its {patients} patients need a look."
    return "No problems found."


def _named(row: NamedTuple) -> str:
    """A reason with its patient: those of refused scans name the patient already."""
    return row.reason if row.reason.startswith(row.patient_id) else f"{row.patient_id}: {row.reason}"
