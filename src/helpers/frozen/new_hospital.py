"""A frozen model meets a new hospital's patients (chapter 11, `radbook apply`)."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

from helpers.errors import StudyError
from helpers.features.blocks import GRID_KEY, GRIDS
from helpers.features.extraction import features_table
from helpers.features.feature_tables import check_feature_tables, engine_of
from helpers.features.prepare import cases_of, quality_table
from helpers.features.ready import features_for
from helpers.features.rules import apply_rules
from helpers.frozen.bundle import Bundle, load_bundle, own_bundle, require_predictors
from helpers.patients.cohort import apply_inclusion, load_screened
from helpers.patients.table import check_tables
from helpers.study.content_hash import content_hash
from helpers.study.places import resolve
from helpers.study.run_folder import Run
from helpers.study.study_file import Split, Study, load_study
from helpers.virtual import VirtualSite
from helpers.virtual.export import CHINESE_GBK, export_virtual

NOT_STATED = "not stated"
VIRTUAL_ON_REAL = (
    "This model learnt from simulated patients, and these patients are real. Its scores and risks say "
    "nothing about them: this page shows how a model is applied, and none of its numbers may reach "
    "anybody's care."
)

UPDATED = (
    "The nomogram of this model was updated for several hospitals together. In these it has learnt from "
    "patients on whom it would be judged, and results there are too good. Its cut-off was moved with the "
    "recalibration, and not chosen anew."
)


def open_bundle(run: Run, folder: str) -> Bundle:
    """The bundle in ``folder``, or the run's own when no folder is named."""
    if folder and not resolve(folder).is_dir():
        raise StudyError(f"There is no bundle '{folder}'. Name the folder that holds model.json.")
    return load_bundle(resolve(folder)) if folder else own_bundle(run)


def open_hospital(run: Run, new_study: str, bundle: Bundle, patients: int) -> Run:
    """Run of the new hospital, all of whose sites are external.

    Parameters
    ----------
    run : Run
        The book's run.
    new_study : str
        The new hospital's study file; its pseudonyms join the run's. Empty: a third virtual hospital is
        exported first, and read as any hospital's files are, in a folder of its own.
    bundle : Bundle
        Its extraction settings are handed to the virtual hospital.
    patients : int
        How many virtual patients.
    """
    if new_study:
        return replace(run, study=_all_external(load_study(new_study)), owner=run.study)
    study = load_study(_exported(run, bundle, patients))
    return Run(_all_external(study), run.new_hospital)


def _all_external(study: Study) -> Study:
    sites = [site if site.virtual else site.model_copy(update={"role": "external"}) for site in study.sites]
    return study.model_copy(update={"sites": sites, "split": Split()})


def _exported(run: Run, bundle: Bundle, patients: int) -> Path:
    """Study file of a third virtual hospital, written once as DICOM, masks and a table."""
    virtual = next((site.virtual for site in run.study.sites if site.virtual), None)
    if virtual is None:
        raise StudyError("Name the new hospital's study file: -p 11.new_study=their_study.yml.")
    seed = int(run.study.rng("new hospital").integers(2**31))
    hospital = VirtualSite(run.study.path(virtual.protocol), "external", patients, seed)
    parts = [hospital.simulator(), seed, patients, bundle.extraction.read_text(encoding="utf-8")]
    folder = run.handed_over / content_hash(json.dumps(parts))[:12]
    if not folder.is_dir():
        shutil.rmtree(run.handed_over, ignore_errors=True)  # of an earlier simulator, or unfinished
        unfinished = folder.with_suffix(".part")
        export_virtual(hospital, unfinished, patients, CHINESE_GBK)
        shutil.copyfile(bundle.extraction, unfinished / "extraction.yml")
        unfinished.rename(folder)
    return folder / "study.yml"


def new_patients(new: Run) -> pd.DataFrame:
    """Everyone screened in the new hospital, with ``exclusion`` and, where it is known, ``outcome``.

    Raises
    ------
    StudyError
        Listing everything that is wrong in the tables, or when nobody stays.
    """
    screened = apply_inclusion(load_screened(new), new.study)
    if not (screened["exclusion"] == "").any():
        reasons = screened["exclusion"].value_counts().index[:3]
        raise StudyError(f"Nobody is left of {len(screened)} screened patients: {'; '.join(reasons)}.")
    if "outcome" not in screened and "t_score" in screened:
        limit = new.study.outcome.t_score_at_most
        known = screened["t_score"].notna()
        screened["outcome"] = (screened["t_score"] <= limit).astype(float).where(known)
    return screened


@dataclass(frozen=True)
class Measured:
    """What is known of the new patients' features.

    Attributes
    ----------
    features : DataFrame
        patient_id and raw features of everyone who has them.
    quality : DataFrame or None
        Their rows of quality control; None where features came ready-made.
    refused : DataFrame
        patient_id, reason and kind of the others.
    """

    features: pd.DataFrame
    quality: pd.DataFrame | None
    refused: pd.DataFrame


def measure(new: Run, people: pd.DataFrame, names: list[str], workers: int) -> Measured:
    """Features of the new patients: from images, or from the ready table.

    Parameters
    ----------
    new : Run
    people : DataFrame
        patient_id and site of those included.
    names : list of str
        The model's features.
    workers : int
        Processes; 0 means one a core.
    """
    if new.study.has_features:
        features, refused = features_for(new, people, names)
        return Measured(features, None, refused)
    quality = apply_rules(quality_table(new, cases_of(people), workers), people, new.study)
    unusable = quality["status"] == "refused"
    usable = people[people["patient_id"].isin(quality.loc[~unusable, "patient_id"])]
    features, failed = features_table(new, cases_of(usable), workers)
    refused = pd.concat([quality.loc[unusable, failed.columns], failed], ignore_index=True)
    return Measured(features, quality[quality["patient_id"].isin(features["patient_id"])], refused)


def origins(bundle: Bundle, new: Run) -> pd.DataFrame:
    """How the model's features and outcome came about, beside those of the new hospital.

    Returns
    -------
    DataFrame
        what, model, here, same: the outcome rule, the engines' versions, and each extraction setting that
        differs (one row for all of them when none does).
    """
    rules = bundle.outcome, new.study.outcome
    rows = [("outcome", *(rule.in_words for rule in rules), rules[0].rule == rules[1].rule)]
    if rules[0].name != rules[1].name:
        rows[0] = ("outcome", *(f"{rule.name}, {rule.in_words}" for rule in rules), False)
    engines = bundle.model["engine"], engine_of(new.study)
    for name in sorted({*engines[0], *engines[1]}):
        versions = [engine.get(name, NOT_STATED) for engine in engines]
        rows.append((f"version of {name}", *versions, versions[0] == versions[1]))
    settings = [_flat(_settings(path)) for path in (bundle.extraction, _settings_file(new.study))]
    keys = [
        key for key in sorted({*settings[0], *settings[1]}) if settings[0].get(key) != settings[1].get(key)
    ]
    rows += [
        (f"extraction: {key}", *(str(setting.get(key, NOT_STATED)) for setting in settings), False)
        for key in keys
    ]
    if not keys:
        word = "stated, and the same" if settings[0] else NOT_STATED
        rows.append(("extraction settings", word, word, True))
    return pd.DataFrame(rows, columns=["what", "model", "here", "same"])


def _settings_file(study: Study) -> Path | None:
    return study.path(study.extraction) if study.extraction else None


def _settings(path: Path | None) -> dict:
    settings = (yaml.safe_load(path.read_text(encoding="utf-8")) if path else None) or {}
    return settings and {GRID_KEY: GRIDS[0]} | settings  # a file that leaves it out has the first


def _flat(settings: Mapping, prefix: str = "") -> dict[str, object]:
    """Nested settings as ``setting.binWidth``: value."""
    flat = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return flat


def require_same(table: pd.DataFrame, accept_differences: bool) -> None:
    """Stop when anything in `origins` differs, unless the differences are accepted.

    Raises
    ------
    StudyError
        Naming every difference and the way out.
    """
    different = table[~table["same"]]
    if len(different) and not accept_differences:
        lines = [
            f"{row.what}: the model has {row.model}, here it is {row.here}" for row in different.itertuples()
        ]
        raise StudyError(
            "The frozen model was made otherwise than these data, so its risks would not mean the same. "
            f"{'; '.join(lines)}. Use the bundle's extraction.yml and engine; or, knowing what you do, say "
            "--accept-differences (accept_differences in notebook 11), and the page will tell."
        )


def in_words(bundle: Bundle, new: Run, checks: pd.DataFrame) -> dict[str, str]:
    """What a page says of the model and the new hospital, by glue's names."""
    kind = {True: "virtual patients", False: "real patients"}
    different = checks[~checks["same"]]
    told = "; ".join(
        f"{row.what}: {row.model} in the model, {row.here} here" for row in different.itertuples()
    )
    same = "Outcome rule, engine and extraction settings are the same as far as they are stated."
    return {
        "model-title": bundle.model["title"],
        "model-patients": f"{bundle.model['training']['patients']}",
        "model-kind": kind[bundle.model["virtual"]],
        "model-features": f"{len(bundle.features)}",
        "model-predictors": ", ".join(bundle.model["predictors"]) or "none",
        "new-title": new.study.title,
        "new-kind": kind[new.study.is_virtual],
        "differences": f"Accepted differences: {told}. Read every number below with them in mind."
        if len(different)
        else same,
    }


def origin_in_words(new: Run, new_study: str) -> str:
    """Whose patients the page is about, and what that is worth; arguments as for `open_hospital`."""
    if new_study:
        return f"Whether the patients of {new.study.title} are like the model's is what this page asks."
    return (
        "No hospital was named: these are new patients of the generator that made the study's second "
        "hospital, people of the same kind on the same scanners. They show how a model is applied and are no "
        "new evidence about it. That hospital reconstructs other slices than the one where the model was "
        "made, which the warnings tell: the model does not know such scans, and a real hospital would first "
        "find out what they do to its scores."
    )


def virtual_on_real(bundle: Bundle, study: Study) -> bool:
    """Whether a model of simulated patients meets real ones."""
    return bundle.model["virtual"] and not study.is_virtual


def alarm(bundle: Bundle, study: Study) -> str:
    """What must be read before any number of the page, in HTML; empty where there is nothing to say."""
    notes = []
    if virtual_on_real(bundle, study):
        notes.append(("danger", "Not for any real patient", [VIRTUAL_ON_REAL]))
    if bundle.learnt_from:
        named = f"It learnt from patients of: {', '.join(bundle.learnt_from)}."
        notes.append(("warning", "An updated model", [UPDATED, named]))
    return "".join(
        f'<div class="admonition {kind}"><p class="admonition-title">{title}</p>'
        f"{''.join(f'<p>{html.escape(text, quote=False)}</p>' for text in texts)}</div>"
        for kind, title, texts in notes
    )


def check_before_applying(run: Run, bundle: str, accept_differences: bool) -> None:
    """Everything that would stop notebook 11 on the study of ``run``, before anything is measured.

    Raises
    ------
    StudyError
        Listing what is wrong with the bundle, the tables, or the way the data were made.
    """
    frozen = open_bundle(run, bundle)
    study = _all_external(run.study)
    found = check_tables(study) + (check_feature_tables(study) if study.has_features else [])
    if found:
        raise StudyError("\n".join(found))
    require_same(origins(frozen, run), accept_differences)
    require_predictors(frozen, study.predictors)
