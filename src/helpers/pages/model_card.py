"""The model card: what the frozen model is, from whom it comes, how well it does and what it needs.

Numbers come from the bundle and from the shared tables, in which small groups are already left out: nothing
about a single patient.
"""

from __future__ import annotations

import json

from helpers.errors import StudyError
from helpers.features.names import readable_name
from helpers.frozen.bundle import MANIFEST, Bundle, own_bundle
from helpers.frozen.domain import limits_table
from helpers.pages.rendering import rendered
from helpers.study.cohorts import cohort_title
from helpers.study.run_folder import Run


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page of the model card includes; none while the run has frozen no model."""
    if not (run.bundle / MANIFEST).is_file():
        return {}
    return {"reporting/model_card.md": page(run).encode()}


def page(run: Run) -> str:
    """The computed part of the page, in MyST; one line when the frozen model cannot be read."""
    try:
        bundle = own_bundle(run)
    except StudyError as error:
        return rendered("model_card.md", model=None, problem=error)
    manifest = json.loads((bundle.folder / MANIFEST).read_text(encoding="utf-8"))
    return rendered(
        "model_card.md",
        model=bundle.model,
        outcome=bundle.outcome,
        models=bundle.models,
        features=_features(bundle),
        domain=limits_table(bundle.model["domain"]).to_dict("records"),
        settings=bundle.extraction.read_text(encoding="utf-8").strip(),
        checksum=manifest["sha256"]["model.json"],
        performance=_shared(run, "table_5"),
        calibration=_shared(run, "calibration"),
        subgroups=_shared(run, "strict_subgroups"),
        cohort_title=cohort_title,
    )


def _features(bundle: Bundle) -> list[tuple]:
    """Name, coefficient, mean and standard deviation of each feature in the Rad-score."""
    selection = bundle.model["selection"]
    names = map(readable_name, selection["features"])
    numbers = (selection[key] for key in ("coefficients", "mean", "sd"))
    return list(zip(names, *numbers, strict=True))


def _shared(run: Run, name: str) -> list[dict]:
    """Rows of a shared table; none while its notebook has not been run."""
    table = run.shown_table(name)
    return [] if table is None else table.to_dict("records")
