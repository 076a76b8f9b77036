"""The landing page's first screen: a CT with its six layers, a moving patient, the external ROC curve."""

from __future__ import annotations

from helpers.pages import story
from helpers.pages.rendering import rendered
from helpers.pages.small_nomogram import script_of, small_nomogram
from helpers.study.cohorts import cohort_title
from helpers.study.run_folder import Run


def first_screen(run: Run) -> str:
    """Markdown above the landing page's summary; what the run has not made is left out of it."""
    aucs, model, pictures = story.aucs_of(run), story.model_of(run), story.Pictures(run)
    shown = {"scan": "", "nomogram": "", "roc": "", "script": None}
    if run.study.is_of_paper_design:
        told = "CT of one patient from the side: T12 and L1, each in an upper, a middle and a lower layer."
        shown["scan"] = pictures.panel("figure_2", "Sagittal", told)
    if aucs:
        external = aucs["external"]
        told = f"ROC curves. AUC of the nomogram: {external['auc']:.3f}"
        shown["roc"] = pictures.panel("figure_6", external["cohort"], told)
    if model:
        start = _start(run, model)
        shown["nomogram"] = small_nomogram(*model, start, "A nomogram with a patient on it.")
        shown["script"] = script_of(*model, start)
    cohort = cohort_title(aucs["external"]["cohort"]) if aucs else ""
    return rendered("first_screen.md", **shown, aucs=aucs, cohort=cohort, virtual=run.study.is_virtual)


def _start(run: Run, model: story.Model) -> dict:
    """The patient of Figure 2 where he is virtual, else a made-up one: the middle of each axis."""
    known = story.patient_of(run) or {}
    return {name: known.get(name, value) for name, value in model.chart.middle().items()}
