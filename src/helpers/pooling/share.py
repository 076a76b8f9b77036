"""What a run puts into share/ for a centre that pools: site.json, and README for the privacy officer."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pandas as pd
import yaml

from helpers.evaluation.predictions import present_models, probabilities_wide
from helpers.features.feature_tables import engine_of
from helpers.frozen.bundle import MANIFEST, Bundle, own_bundle
from helpers.frozen.drift import acquisition, category_counts
from helpers.pooling.contract import (
    FORMAT,
    SITE_FILE,
    VERSION,
    FlowRow,
    Hospital,
    Moments,
    SiteFile,
    checksum,
)
from helpers.pooling.judged import write_judged
from helpers.pooling.measures import HU, LEVELS, is_small, measures_of, told_events
from helpers.pooling.readme import readme
from helpers.study.cohorts import EXTERNAL, ordered_cohorts
from helpers.study.content_hash import content_hash
from helpers.study.places import as_json
from helpers.study.run_folder import Run
from helpers.study.small_counts import HIDDEN, shown_count
from helpers.study.study_file import Study

README = "README"


def share_run(run: Run) -> SiteFile:
    """Write site.json and README of the run that made a model: its patients kept for validation.

    The internal validation set stands for the developing hospital, and each external cohort for its own.
    """
    bundle = own_bundle(run)
    flow = run.read_table("flow_chart")
    cohorts = _judged_cohorts(run)
    hospitals = [_of_cohort(run, bundle, name) for name in cohorts]
    people = run.read("cohort").query("cohort in @cohorts")
    scores = run.read("rad_score")[["patient_id", "rad_score"]]
    write_judged(run, bundle, people.merge(scores, on="patient_id"))
    return write_site(run, bundle, "run", hospitals, flow)


def _judged_cohorts(run: Run) -> list[str]:
    return [name for name in ordered_cohorts(run.read("predictions")["cohort"]) if name != "training"]


def _of_cohort(run: Run, bundle: Bundle, cohort: str) -> Hospital:
    predictions = run.read("predictions").query("cohort == @cohort")
    people = run.read("cohort").query("cohort == @cohort")
    is_external = cohort != "internal"
    names = [site.name for site in run.study.development_sites]
    if is_external:
        names = [site.name for site in run.study.external_sites]
        names = names if cohort == EXTERNAL else [cohort.removeprefix(f"{EXTERNAL}: ")]
    return described_hospital(
        bundle,
        predictions.assign(cohort=EXTERNAL),
        people,
        run.read("features"),
        None if run.study.has_features else run.read("preprocessing"),
        run.study.min_cell,
        label=names[0] if is_external else label_of(run.study, names),
        role="external" if is_external else "development",
    )


def label_of(study: Study, names: list[str]) -> str:
    """What a hospital is called in pooled results: as its study file says, else by its sites' names."""
    return study.label or ", ".join(names)[:200]


def described_hospital(
    bundle: Bundle,
    predictions: pd.DataFrame,
    people: pd.DataFrame,
    features: pd.DataFrame,
    quality: pd.DataFrame | None,
    min_cell: int,
    label: str,
    role: str,
    is_number_told: bool = True,
) -> Hospital:
    """One hospital's part of the file, of predictions in the set "external".

    Means are of everybody in ``people`` (predictors) and of those among them who have features: the same
    patients as in the hospital's other tables, so that no difference of two means is about the few between.
    Categories are of the judged patients, whose number is told; that of those measured is not told where it
    would tell few of another table (``is_number_told``).
    """
    models = present_models(predictions, bundle.models)
    wide = probabilities_wide(predictions, EXTERNAL, models)
    outcome, scores = wide["outcome"].to_numpy(int), wide[models]
    judged = people[people["patient_id"].isin(wide["patient_id"])]
    scans = None if quality is None else quality[quality["patient_id"].isin(people["patient_id"])]
    if scans is not None:
        hu = scans.set_index("patient_id")["trabecular_hu"].reindex(wide["patient_id"])
        scores = scores.assign(**{HU: -hu.to_numpy()}) if hu.notna().all() else scores
    values = features.set_index("patient_id").reindex(people["patient_id"])[bundle.features].dropna()
    cutoffs = {name: bundle.model["cutoffs"][name] for name in models}
    measures, covariance = measures_of(outcome, scores, cutoffs, min_cell)
    gaps = is_small([len(values) - len(wide), len(people) - len(wide), len(values)], min_cell)
    described = acquisition(scans)
    of_judged = None if scans is None else acquisition(scans[scans["patient_id"].isin(wide["patient_id"])])
    return Hospital(
        label=label,
        role=role,
        patients=shown_count(len(wide), min_cell) if is_small([len(wide)], min_cell)[0] else len(wide),
        events=told_events(outcome, min_cell),
        models=measures,
        auc_covariance=covariance,
        described=HIDDEN if gaps.any() or not is_number_told else len(values),
        predictors=_described(people[bundle.model["predictors"]], judged, min_cell),
        features={name: _moments(values[name], min_cell) for name in values},
        scans={} if of_judged is None else _described(described, of_judged, min_cell),
    )


def _described(everybody: pd.DataFrame, judged: pd.DataFrame, min_cell: int) -> dict[str, Any]:
    """Means of everybody's numbers; how many of the judged are in each category."""
    told = {}
    levels = LEVELS if min_cell > 1 else 2  # with nothing to hide, ages of few patients are numbers too
    for name in everybody:
        values = everybody[name].dropna()
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > levels:
            told[name] = _moments(values, min_cell)
        else:
            told[name] = _categories(judged[name], min_cell)
    return told


def _moments(values: pd.Series, min_cell: int) -> Moments:
    """Mean and SD; the SD divided by n as in the drift table, for the ratio of two kinds would tell n."""
    if len(values) < max(min_cell, 2):
        return Moments(mean=HIDDEN, sd=HIDDEN)
    return Moments(mean=float(values.mean()), sd=float(values.std(ddof=0)))


def _categories(values: pd.Series, min_cell: int) -> dict[str, int | str]:
    counts = category_counts(values, min_cell)
    return {name: shown_count(n, min_cell) if is_small([n], min_cell)[0] else n for name, n in counts.items()}


def write_site(
    run: Run, bundle: Bundle, by: str, hospitals: list[Hospital], flow: pd.DataFrame | None
) -> SiteFile:
    """Write share/site.json and README; ``flow`` is the shared flow chart, small counts hidden already."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "software": version("radbook"),
        "study": run.study.name,
        "made_by": by,
        "virtual": run.study.is_virtual,
        "model_virtual": bundle.model["virtual"],
        "outcome": f"{run.study.outcome.name}, {run.study.outcome.in_words}",
        "outcome_name": run.study.outcome.name,
        "bundle": bundle_hash(bundle),
        "settings": _settings_hash(run.study),
        "engine": engine_of(run.study),
        "min_cell": run.study.min_cell,
        "training": _training(bundle),
        "flow": [] if flow is None else _flow(flow),
        "hospitals": [hospital.model_dump() for hospital in hospitals],
    }
    content["sha256"] = checksum(content)
    site = SiteFile.model_validate(content)
    share = run.table_path(SITE_FILE).parents[1]
    with run.writing(share / SITE_FILE) as path:
        path.write_text(as_json(content), encoding="utf-8")
    with run.writing(share / README) as path:
        path.write_text(readme(site), encoding="utf-8")
    return site


def bundle_hash(bundle: Bundle) -> str:
    """What tells one frozen model from another: the checksums that its manifest holds."""
    manifest = json.loads((bundle.folder / MANIFEST).read_text(encoding="utf-8"))
    return content_hash(json.dumps(manifest["sha256"], sort_keys=True))


def _settings_hash(study: Study) -> str:
    """Of what the settings say, not of how their file is laid out."""
    path = study.path(study.extraction) if study.extraction else None
    said = yaml.safe_load(path.read_text(encoding="utf-8")) if path else None
    return content_hash(json.dumps(said or {}, sort_keys=True, default=str))


def _training(bundle: Bundle) -> dict[str, Any]:
    summary = bundle.model["training"]
    parts = summary.get("features", {}) | summary.get("predictors", {}) | summary.get("acquisition", {})
    return {
        name: dict(part["categories"]) if "categories" in part else {"mean": part["mean"], "sd": part["sd"]}
        for name, part in parts.items()
    }


def _flow(table: pd.DataFrame) -> list[dict]:
    """Rows of the shared flow chart, which hides small counts already."""
    rows = table.reindex(columns=[*FlowRow.model_fields])
    return [
        {
            "site": _text(row["site"]),
            "stage": _text(row["stage"]),
            "reason": _text(row["reason"]),
            "patients": _count(row["patients"]),
            "outcome": None if pd.isna(row["outcome"]) else _count(row["outcome"]),
        }
        for row in rows.to_dict("records")
    ]


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _count(value: Any) -> int | str:
    text = str(value)
    return int(float(text)) if text.replace(".", "", 1).isdigit() else text
