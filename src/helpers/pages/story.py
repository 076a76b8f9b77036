"""What the landing page and the tour tell of a run: pictures, numbers, one virtual patient."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from helpers.errors import StudyError
from helpers.features.rules import typical_patient
from helpers.frozen.bundle import MANIFEST, own_bundle
from helpers.learning.nomogram import Nomogram
from helpers.pages import figures
from helpers.pages.rendering import drawn_in, is_known
from helpers.study.cohorts import EXTERNAL, ordered_cohorts
from helpers.study.run_folder import Run


class Model(NamedTuple):
    """The frozen nomogram, and what its risk is of."""

    chart: Nomogram
    outcome: str


def model_of(run: Run) -> Model | None:
    """The run's nomogram; None while it has none that fits it."""
    if not (run.bundle / MANIFEST).is_file():
        return None
    try:
        bundle = own_bundle(run)
    except StudyError:  # the page of the calculator says why
        return None
    return Model(bundle.chart, bundle.outcome.name)


def patient_of(run: Run) -> dict | None:
    """The virtual patient of Figure 2, with what was found of him; None of a real one, or before chapter 06.

    Returns
    -------
    dict or None
        Row of the ``cohort`` artifact, with hu, rad_score and risk (of the nomogram).
    """
    names = ("cohort", "preprocessing", "rad_score", "predictions")
    if not run.study.is_virtual or not all(run.has(run.artifact_path(name)) for name in names):
        return None
    quality, predictions = run.read("preprocessing"), run.read("predictions")
    shown = typical_patient(quality)
    risks = predictions[predictions["model"] == "nomogram"].set_index("patient_id")["probability"]
    scores = run.read("rad_score").set_index("patient_id")["rad_score"]
    if shown not in risks or shown not in scores:
        return None
    measured = {
        "hu": quality.set_index("patient_id").loc[shown, "trabecular_hu"],
        "rad_score": scores[shown],
        "risk": risks[shown],
    }
    return run.read("cohort").set_index("patient_id").loc[shown].to_dict() | measured


class Pictures:
    """Figures of a run in the language of the page; those that it has not made are empty."""

    def __init__(self, run: Run):
        self._run, self._ledger = run, run.ledger.entries()

    def whole(self, name: str, told: str) -> Markup:
        """A figure, ``told`` to who does not see it."""
        drawing = self._drawing(name)
        return Markup(figures.inline(drawing, told, f"{name}-told")) if drawing else Markup("")

    def panel(self, name: str, chosen: str, told: str) -> Markup:
        """One panel of a figure."""
        drawing = self._drawing(name)
        return Markup(figures.one_panel(drawing, chosen, told)) if drawing else Markup("")

    def _drawing(self, name: str) -> str:
        """The drawing; the words of the chapter that drew it are looked up."""
        places = [f"{where}/figures/{name}.svg" for where in ("share", "private")]
        entry = next((self._ledger[place] for place in places if place in self._ledger), None)
        chapter = min(entry.settings, default="") if entry else ""
        return drawn_in(chapter, figures.drawing_of(self._run, name))


def farthest(table: pd.DataFrame) -> str:
    """The set that tells most about other hospitals: the (first) external one, else the last."""
    cohorts = ordered_cohorts(table["cohort"])
    return next((name for name in cohorts if name.startswith(EXTERNAL)), cohorts[-1])


def aucs_of(run: Run) -> dict[str, dict]:
    """The nomogram's row of table_5 in training and in the farthest set; {} where an AUC is not known."""
    table = run.shown_table("table_5")
    if table is None:
        return {}
    own = table[table["model"] == "nomogram"].set_index("cohort")
    found = {"training": "training", "external": farthest(table)}
    known = own.index[[is_known(value) for value in own["auc"]]]
    if not set(found.values()) <= set(known):
        return {}
    return {name: own.loc[cohort].to_dict() | {"cohort": cohort} for name, cohort in found.items()}
