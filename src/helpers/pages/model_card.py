"""The model card: what the frozen model is, from whom it comes, how well it does and what it needs.

Numbers come from the bundle and from the shared tables, in which small groups are already left out: nothing
about a single patient.
"""

from __future__ import annotations

import json

import pandas as pd

from helpers.errors import StudyError
from helpers.features.names import readable_name
from helpers.frozen.bundle import Bundle, load_bundle
from helpers.pages.markdown import list_table, shown
from helpers.study.contracts import COHORT_TITLES
from helpers.study.run_folder import Run


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page of the model card includes."""
    return {"reporting/model_card.md": page(run).encode()}


def page(run: Run) -> str:
    """The computed part of the page, in MyST; one line when there is no frozen model."""
    if not (run.bundle / "manifest.json").is_file():
        return "_This run has frozen no model: notebook 06 does._\n"
    try:
        bundle = load_bundle(run.bundle)
    except StudyError as error:
        return f"_{error}_\n"
    parts = [_facts(bundle), _performance(run), _calibration(run), _subgroups(run), _needs(bundle)]
    return "\n".join(parts)


def _facts(bundle: Bundle) -> str:
    model = bundle.model
    whose = "virtual (simulated) patients" if model["virtual"] else "patients of this study"
    cutoffs = [f"{name} {model['cutoffs'][name]:.3f}" for name in bundle.models]
    rows = [
        ["Fact", "This model"],
        ["Study", model["title"]],
        ["Trained on", f"{model['training']['patients']} {whose}"],
        ["Outcome", f"osteoporosis: {model['outcome']}"],
        ["Clinical predictors", ", ".join(model["predictors"]) or "none"],
        ["Models", f"{', '.join(bundle.models)} (logistic regressions)"],
        ["Radiomics features", f"{len(bundle.features)}, in a LASSO score (Rad-score)"],
        ["Cut-offs", f"{', '.join(cutoffs)}: {model['cutoffs']['rule']}"],
        ["Feature engine", _versions(model["engine"])],
        ["Libraries", _versions(model["libraries"])],
        ["Seed", str(model["seed"])],
        ["SHA-256 of model.json", f"`{_checksum(bundle)}`"],
    ]
    return "## What it is\n\n" + list_table(rows, "25 75")


def _checksum(bundle: Bundle) -> str:
    manifest = json.loads((bundle.folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest["sha256"]["model.json"]


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "not stated"


def _performance(run: Run) -> str:
    head = ["Model", "Patients", "n (events)", "AUC (95 % CI)", "Sensitivity", "Specificity"]
    rows = [
        [
            row["model"],
            COHORT_TITLES[row["cohort"]],
            f"{shown(row['n'], 0)} ({shown(row['events'], 0)})",
            _interval(row, "auc", "ci_low", "ci_high"),
            shown(row["sensitivity_strict"]),
            shown(row["specificity_strict"]),
        ]
        for row in _shared(run, "table_5")
    ]
    text = (
        "## How well it does\n\nEvents are patients with osteoporosis; sensitivity and specificity are those "
        "at the frozen cut-offs. On the training patients every number is too good: features and models were "
        "chosen on them.\n"
    )
    return f"{text}\n{_table(head, rows, '14 18 14 26 14 14')}"


def _calibration(run: Run) -> str:
    head = ["Patients", "Slope (95 % CI)", "In the large (95 % CI)", "Brier score"]
    rows = [
        [
            COHORT_TITLES[row["cohort"]],
            _interval(row, "slope", "slope_low", "slope_high"),
            _interval(row, "in_the_large", "in_the_large_low", "in_the_large_high"),
            shown(row["brier"]),
        ]
        for row in _shared(run, "calibration")
        if row["model"] == "nomogram"
    ]
    text = (
        "## Calibration of the nomogram\n\nIdeal are slope 1 and 0 in the large (above 0: risks too low). "
        "Those of the training patients tell nothing: the model was fitted to them.\n"
    )
    return f"{text}\n{_table(head, rows, '25 28 32 15')}"


def _subgroups(run: Run) -> str:
    head = ["Patients", "Group", "n", "AUC (95 % CI)", "Remark"]
    rows = [
        [
            COHORT_TITLES[row["cohort"]],
            f"{row['characteristic']}: {row['group']}",
            shown(row["n"], 0),
            _interval(row, "auc", "ci_low", "ci_high"),
            shown(row["remark"]),
        ]
        for row in _shared(run, "strict_subgroups")
    ]
    text = (
        "## Subgroups\n\nOf the nomogram that chapter 10 fits anew by its strict recipe (without SMOTE), "
        "not of the frozen one. “Small”: fewer than ten patients with or without osteoporosis.\n"
    )
    return f"{text}\n{_table(head, rows, '22 28 9 27 14')}"


def _needs(bundle: Bundle) -> str:
    selection = bundle.model["selection"]
    columns = zip(*(selection[key] for key in ("features", "coefficients", "mean", "sd")), strict=True)
    rows = [[readable_name(name), *(f"{value:.4g}" for value in values)] for name, *values in columns]
    regressions = [
        [name, f"`{term}`", f"{value:.4f}"]
        for name in bundle.models
        if name != "radiomics"
        for term, value in bundle.model[name]["coefficients"].items()
    ]
    return "\n".join(
        [
            "## Features and coefficients\n",
            f"Rad-score = {selection['intercept']:.4f} + sum of coefficient × (value - mean) / SD.\n",
            _table(["Feature", "Coefficient", "Mean", "SD"], rows, "49 17 17 17"),
            "Log odds of osteoporosis:\n",
            _table(["Model", "Term", "Coefficient"], regressions, "30 40 30"),
            "## Extraction settings\n",
            "````{dropdown} extraction.yml\n```yaml",
            bundle.extraction.read_text(encoding="utf-8").strip(),
            "```\n````\n",
        ]
    )


def _shared(run: Run, name: str) -> list[dict]:
    """Rows of a shared table; none while its notebook has not been run."""
    path = run.table_path(name)
    return pd.read_csv(path).to_dict("records") if path.is_file() else []


def _table(head: list[str], rows: list[list[str]], widths: str) -> str:
    return (
        list_table([head, *rows], widths, "radbook-compact") if rows else "_Not computed in this run yet._\n"
    )


def _interval(row: dict, value: str, low: str, high: str) -> str:
    if isinstance(row[value], str) or pd.isna(row[value]):
        return shown(row[value])
    if isinstance(row[low], str) or pd.isna(row[low]):
        return f"{row[value]:z.3f} (no interval)"
    return f"{row[value]:z.3f} ({row[low]:z.3f} to {row[high]:z.3f})"
