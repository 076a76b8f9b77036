"""What a run puts into share/ for a centre that pools: site.json, and README for the privacy officer."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pandas as pd
import yaml

from helpers.features.feature_tables import engine_of
from helpers.frozen.bundle import Bundle, bundle_hash, own_bundle
from helpers.pooling.contract import (
    FORMAT,
    SITE_FILE,
    VERSION,
    FlowRow,
    Hospital,
    SiteFile,
    checksum,
)
from helpers.pooling.described import Patients, described_hospital
from helpers.pooling.judged import write_judged
from helpers.pooling.readme import readme, withheld_page
from helpers.pooling.versions import Versions, values_behind
from helpers.study.cohorts import EXTERNAL, hospital_of, ordered_cohorts
from helpers.study.content_hash import content_hash
from helpers.study.places import as_json
from helpers.study.run_folder import Run
from helpers.study.study_file import Study

README = "README"


def share_run(run: Run) -> SiteFile | None:
    """Write site.json and README of the run that made a model: its patients kept for validation.

    The internal validation set stands for the developing hospital, and each external cohort for its own.
    None where the file is withheld (`write_site`).
    """
    bundle = own_bundle(run)
    flow = run.read_table("flow_chart")
    cohorts = _judged_cohorts(run)
    parts = {name: _patients(run, name) for name in cohorts}
    hospitals = [_of_cohort(run, bundle, name, patients) for name, patients in parts.items()]
    people = run.read("cohort").query("cohort in @cohorts")
    scores = run.read("rad_score")[["patient_id", "rad_score"]]
    write_judged(run, bundle, people.merge(scores, on="patient_id"))
    return write_site(run, bundle, "run", hospitals, list(parts.values()), flow)


def _judged_cohorts(run: Run) -> list[str]:
    return [name for name in ordered_cohorts(run.read("predictions")["cohort"]) if name != "training"]


def _patients(run: Run, cohort: str) -> Patients:
    return Patients(
        run.read("predictions").query("cohort == @cohort").assign(cohort=EXTERNAL),
        run.read("cohort").query("cohort == @cohort"),
        run.read("features"),
        None if run.study.has_features else run.read("preprocessing"),
    )


def _of_cohort(run: Run, bundle: Bundle, cohort: str, patients: Patients) -> Hospital:
    is_external = cohort != "internal"
    names = [site.name for site in run.study.development_sites]
    if is_external:
        names = [site.name for site in run.study.external_sites]
        names = names if cohort == EXTERNAL else [hospital_of(cohort)]
    return described_hospital(
        bundle,
        patients,
        run.study.min_cell,
        label=names[0] if is_external else label_of(run.study, names),
        role="external" if is_external else "development",
    )


def label_of(study: Study, names: list[str]) -> str:
    """What a hospital is called in pooled results: as its study file says, else by its sites' names."""
    return study.label or ", ".join(names)[:200]


def write_site(
    run: Run,
    bundle: Bundle,
    by: str,
    hospitals: list[Hospital],
    parts: list[Patients],
    flow: pd.DataFrame | None,
) -> SiteFile | None:
    """Write share/site.json and README.

    Parameters
    ----------
    run : Run
    bundle : Bundle
    by : str
        The command.
    hospitals : list of Hospital
    parts : list of Patients
        Whose, in the same order.
    flow : DataFrame or None
        The shared flow chart, small counts hidden already.

    Returns
    -------
    SiteFile or None
        None where the file would tell of few patients beside one that was sent
        (`helpers.pooling.versions`): then README says so, and there is no file.
    """
    versions, values = Versions(run), [values_behind(bundle, part) for part in parts]
    whole = SiteFile.model_validate(_sealed(_content(run, bundle, by, hospitals, flow)))
    content = _sealed(versions.without_small_differences(whole, values).model_dump(mode="json"))
    site = SiteFile.model_validate(content)
    versions.keep(site.sha256, values)
    share = run.table_path(SITE_FILE).parents[1]
    withheld = versions.too_like(site.sha256, site.min_cell)
    with run.writing(share / README) as path:
        path.write_text(withheld_page(site) if withheld else readme(site), encoding="utf-8")
    if withheld:
        (share / SITE_FILE).unlink(missing_ok=True)
        return None
    with run.writing(share / SITE_FILE) as path:
        path.write_text(as_json(content), encoding="utf-8")
    return site


def _content(run: Run, bundle: Bundle, by: str, hospitals: list[Hospital], flow: pd.DataFrame | None) -> dict:
    return {
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


def _sealed(content: dict) -> dict:
    return content | {"sha256": checksum(content)}


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
