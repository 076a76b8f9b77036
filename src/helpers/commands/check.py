"""`radbook check`: everything that would stop or spoil a study, in one report before any long work.

The page shows pictures of patients under their pseudonyms: it lies in the run's private folder.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import matplotlib.image
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from scipy.ndimage import binary_erosion, zoom

from helpers.commands import parameters
from helpers.commands.run import other_problems
from helpers.errors import StudyError
from helpers.features.blocks import Block
from helpers.features.cases import Case, map_cases
from helpers.features.cluster import scheduler_address
from helpers.features.prepare import Prepared, cases_of, preparation, tabulated
from helpers.features.ready import read_features
from helpers.features.rules import apply_rules
from helpers.imaging.regions import LAYERS
from helpers.imaging.slices import cut, layer_centre
from helpers.patients import flow_chart
from helpers.patients.cohort import (
    apply_inclusion,
    assign_cohorts,
    outcome_by_rule,
    read_screened,
    require_sizes,
)
from helpers.patients.table import check_tables, needs_outcome
from helpers.plots.regions import BONE_WINDOW, LAYER_COLOURS
from helpers.study import pseudonyms
from helpers.study.contracts import COHORT_TITLES
from helpers.study.run_folder import Run
from helpers.study.study_file import Study

FOLDED = ("04", "05", "10")  # notebooks that cross-validate on the training patients
_PIXELS_PER_MM = 4
_OUTLINE = 2  # pixels
_ORDER = ["refused", "warned", "ok"]
_COUNTS = ["included", "with osteoporosis", "usable", "usable with osteoporosis"]


class Seen(NamedTuple):
    """What was seen of one patient: quality control, and a picture of the region (JPEG)."""

    quality: dict[str, str | float]
    picture: bytes


@dataclass(frozen=True)
class Report:
    """What `radbook check` found.

    Attributes
    ----------
    study : Study
    problems : list of str
        What stops the study.
    counts : DataFrame
        A row a cohort: patients included and usable, and how many of them have osteoporosis.
    flow : DataFrame
        Counts of the flow chart.
    people : DataFrame
        A row a patient whose images or features were looked at: site, cohort, status, reason, kind of a
        refusal, and quality control of images.
    pictures : dict of str to bytes
        JPEG of each usable patient's region, by pseudonym.
    """

    study: Study
    problems: list[str]
    counts: pd.DataFrame
    flow: pd.DataFrame
    people: pd.DataFrame
    pictures: dict[str, bytes]


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
    in_tables = check_tables(run.study)
    problems = in_tables + other_problems(run.study)
    nobody = pd.DataFrame(columns=["patient_id", "site", "cohort", "status", "reason", "kind"])
    if in_tables:
        return Report(run.study, problems, pd.DataFrame(), pd.DataFrame(), nobody, {})
    screened = apply_inclusion(read_screened(run), run.study)
    cohort, undivided = _divide(screened, run.study)
    people, pictures, faults = nobody, {}, []
    if run.study.has_features and not problems:
        people = look_at_features(run, cohort)
    elif not problems:
        people, pictures, faults = look_at_images(run, cohort, workers)
    usable = cohort[~cohort["patient_id"].isin(people.loc[people["status"] == "refused", "patient_id"])]
    problems += undivided + faults
    if not problems:
        problems += too_few(usable, run.study)
    lost = people.loc[people["status"] == "refused", ["patient_id", "kind"]]
    lost = lost.assign(reason=lost["kind"].map(flow_chart.CATEGORIES))
    flow = flow_chart.flow_chart(screened, cohort, lost)
    return Report(run.study, problems, _counts(cohort, usable), flow, people, pictures)


def _divide(screened: pd.DataFrame, study: Study) -> tuple[pd.DataFrame, list[str]]:
    """The included patients in the cohorts that notebook 01 will make, and why it will not."""
    included = screened[screened["exclusion"] == ""].reset_index(drop=True)
    if not needs_outcome(study):
        return included.assign(cohort="external", osteoporosis=outcome_by_rule(included, study)), []
    share = _parameter(study, "01", "training_share")
    try:
        return assign_cohorts(screened, study, share, study.rng("split")), []
    except StudyError as error:
        return included.assign(cohort="", osteoporosis=outcome_by_rule(included, study)), [str(error)]


def _parameter(study: Study, notebook: str, name: str) -> bool | int | float | str | list:
    return study.parameters.get(notebook, {}).get(name, parameters.default_parameters(notebook)[name])


def too_few(usable: pd.DataFrame, study: Study) -> list[str]:
    """Which cohorts or folds would be too small without the refused patients.

    Parameters
    ----------
    usable : DataFrame
        cohort and osteoporosis.
    study : Study
    """
    if not needs_outcome(study):
        return []
    try:
        require_sizes(usable, study)
    except StudyError as error:
        return [f"Without the refused patients: {error}"]
    training = usable.loc[usable["cohort"] == "training", "osteoporosis"]
    rarer = int(min((training == 1).sum(), (training == 0).sum()))
    folds = {number: _parameter(study, number, "folds") for number in FOLDED}
    return [
        f"Training has {rarer} usable patients of the rarer outcome, too few for the {wanted} folds of "
        f'notebook {number}: write "{number}": {{folds: {max(2, rarer)}}} under parameters, or add patients.'
        for number, wanted in folds.items()
        if rarer < wanted
    ]


def look_at_features(run: Run, cohort: pd.DataFrame) -> pd.DataFrame:
    """Who has ready features: patient_id, site, cohort, status, reason and kind, those without first."""
    known = set()
    for site in run.study.sites:
        rows = read_features(run.study, site, site.features).values.dropna(how="all")
        known |= set(pseudonyms.pseudonyms(run, site.name, rows.index.tolist()))
    there = cohort["patient_id"].isin(known)
    people = cohort[["patient_id", "site", "cohort"]].assign(status="ok", reason="", kind="")
    reason = "no features in the feature table. Add the row, or write under exclusion why not."
    people.loc[~there, ["status", "reason", "kind"]] = ["refused", reason, "features"]
    return people.sort_values("status", ascending=False, kind="stable").reset_index(drop=True)


def look_at_images(
    run: Run, cohort: pd.DataFrame, workers: int
) -> tuple[pd.DataFrame, dict[str, bytes], list[str]]:
    """Read image and mask of every patient.

    Returns
    -------
    people : DataFrame
        patient_id, site, cohort, status, reason, kind and quality control; refused patients first, then
        warned ones.
    pictures : dict of str to bytes
    problems : list of str
        Why the study would stop here.
    """
    look = partial(_look, prepare=preparation(run))
    results = map_cases(look, cases_of(cohort), workers, "Looking at images", scheduler_address(run.study))
    quality = tabulated([one if one.refused else replace(one, value=one.value.quality) for one in results])
    problems = []
    if (quality["status"] == "refused").all():
        problems.append(f"None of the {len(quality)} patients could be used; each one's reason is below.")
    try:
        quality = apply_rules(quality, cohort, run.study)
    except StudyError as error:
        problems.append(str(error))
    people = cohort[["patient_id", "site", "cohort"]].merge(quality, on="patient_id")
    people = people.sort_values("status", key=lambda status: status.map(_ORDER.index), kind="stable")
    pictures = {one.case.patient_id: one.value.picture for one in results if not one.refused}
    return people.reset_index(drop=True), pictures, problems


def _look(case: Case, prepare: Callable[[Case], Prepared]) -> Seen:
    prepared = prepare(case)
    return Seen(prepared.quality, thumbnail(prepared.block))


def thumbnail(block: Block) -> bytes:
    """JPEG of the sagittal slice through the middle of the regions: bone window, outlines of the layers."""
    view = cut(block.image, block.layers, "sagittal", layer_centre(block.layers))
    left, right, bottom, top = view.extent
    size = np.abs([top - bottom, right - left]) * _PIXELS_PER_MM
    grey = zoom(view.hu.astype(float), size / view.hu.shape, order=1)
    low, high = BONE_WINDOW
    picture = np.repeat(np.clip((grey - low) / (high - low), 0, 1)[..., None], 3, axis=-1)
    layers = zoom(view.layers, size / view.layers.shape, order=0)
    for layer, colour in zip(LAYERS, LAYER_COLOURS, strict=True):
        region = layers == layer
        picture[region & ~binary_erosion(region, iterations=_OUTLINE)] = to_rgb(colour)
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, picture, format="jpg", pil_kwargs={"quality": 80})
    return buffer.getvalue()


def _counts(cohort: pd.DataFrame, usable: pd.DataFrame) -> pd.DataFrame:
    columns = [one.groupby("cohort")["osteoporosis"] for one in (cohort, usable)]
    counts = pd.concat([part for one in columns for part in (one.size(), one.sum())], axis=1, keys=_COUNTS)
    order = [name for name in [*COHORT_TITLES, ""] if name in counts.index]
    counts = counts.reindex(order).fillna(0).astype(int)
    return counts.rename(index={**COHORT_TITLES, "": "Not divided"}).rename_axis("Cohort").reset_index()


def as_text(report: Report) -> str:
    """The report for the terminal: what stops the study, sizes, and each patient with a remark."""
    lines = [verdict(report)]
    lines += [f"- {problem}" for problem in report.problems]
    lines += [
        f"{row['Cohort']}: " + ", ".join(f"{row[name]} {name}" for name in _COUNTS)
        for row in report.counts.to_dict("records")
    ]
    if len(report.people):
        status = report.people["status"]
        lines.append("Patients: " + ", ".join(f"{(status == name).sum()} {name}" for name in _ORDER))
    remarks = report.people[report.people["status"] != "ok"]
    lines += [f"{row.status}: {_named(row)}" for row in remarks.itertuples()]
    return "\n".join(lines)


def verdict(report: Report) -> str:
    """Whether the study can run."""
    number = len(report.problems)
    if not number:
        return "No problems found: nothing stops this study."
    return f"{number} problem{'s' if number > 1 else ''} would stop this study:"


def _named(row: NamedTuple) -> str:
    """A reason with its patient: those of refused scans name the patient already."""
    return row.reason if row.reason.startswith(row.patient_id) else f"{row.patient_id}: {row.reason}"
