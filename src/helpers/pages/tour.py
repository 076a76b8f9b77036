"""Ten minutes: one patient from scan to decision in pictures, and whether it holds."""

from __future__ import annotations

from markupsafe import Markup

from helpers.pages import story
from helpers.pages.rendering import rendered
from helpers.pages.small_nomogram import small_nomogram
from helpers.study.cohorts import cohort_title
from helpers.study.run_folder import Run

THRESHOLD = 0.2  # of the decision told: one in five
# Panels of figures by the picture's name in the template: figure, panel, what is seen.
_OF_IMAGES = {
    "scan": ("figure_2", "Axial, L1", "Axial CT slice through L1, its cancellous bone coloured."),
    "layers": ("figure_2", "Sagittal", "T12 and L1 from the side, each with three coloured layers."),
    "levels": ("resampling", "levels", "The same bone in cubes and in steps of grey."),
}
_WHOLE = {
    "agreement": ("icc", "Histograms of two readers' agreement by feature class."),
    "score": ("figure_rad_score", "Rad-score of each patient by set and outcome."),
    "beside": ("auc_beside", "AUC of each model in each set."),
    "strict": ("strict_beside", "AUC as it is usually computed, and strictly."),
    "real": ("real_hospitals", "AUC of real patients, hospital by hospital."),
}


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the page includes; none before there is anything to tell."""
    aucs = story.aucs_of(run)
    patient = story.patient_of(run) if run.study.is_of_paper_design else None
    pictures = _pictures(run, aucs, patient)
    if not any(pictures.values()):
        return {}
    facts = {"aucs": aucs, "patient": patient, "decision": _decision(run)}
    facts |= {"funnel": _funnel(run), "icc": _reliable(run), "scores": _scores(run)}
    facts |= {"strict": _strict(run), "real": _real(run)}
    facts["cohort"] = cohort_title(aucs["external"]["cohort"]) if aucs else ""
    study = {
        "outcome": run.study.outcome,
        "paper": run.study.is_of_paper_design,
        "virtual": run.study.is_virtual,
    }
    return {"tour.md": rendered("tour.md", pictures=pictures, **facts, **study, threshold=THRESHOLD).encode()}


def _pictures(run: Run, aucs: dict[str, dict], patient: dict | None) -> dict[str, Markup]:
    of_run = story.Pictures(run)
    shown = {name: Markup("") for name in _OF_IMAGES}
    if run.study.is_of_paper_design:
        shown = {name: of_run.panel(*chosen) for name, chosen in _OF_IMAGES.items()}
    external = aucs["external"]["cohort"] if aucs else ""
    shown |= {name: of_run.whole(*chosen) for name, chosen in _WHOLE.items()}
    shown["features"] = of_run.panel("figure_3", "coefficients", "Coefficients of the features kept.")
    shown["nomogram"] = _nomogram(run, patient) or of_run.whole(
        "figure_5", "Nomogram with a made-up patient."
    )
    shown["roc"] = of_run.panel("figure_6", external, "ROC curves of three models.")
    shown["decision"] = of_run.panel("figure_8", external, "Decision curves of three models.")
    return shown


def _nomogram(run: Run, patient: dict | None) -> Markup:
    """The patient on the nomogram; empty where there is none to be shown."""
    model = story.model_of(run)
    if model and patient and set(model.chart.predictors) <= set(patient):
        return small_nomogram(
            *model, patient, "The patient on the nomogram: an axis for each predictor, and the risk."
        )
    return Markup("")


def _funnel(run: Run) -> dict | None:
    """Features extracted, and kept at the end."""
    table = run.shown_table("feature_funnel")
    return None if table is None else {"first": table["computed"].iloc[0], "last": table["computed"].iloc[-1]}


def _reliable(run: Run) -> dict | None:
    table = run.shown_table("icc_summary")
    return None if table is None else table.set_index("feature_class").loc["all"].to_dict()


def _scores(run: Run) -> dict | None:
    """Median Rad-score of the training patients without (0) and with the outcome (1)."""
    table = run.shown_table("rad_score")
    if table is None:
        return None
    medians = table[table["cohort"] == "training"].set_index("outcome")["median"]
    titles = run.study.outcome.titles
    return (
        {number: medians[titles[number]] for number in (0, 1)}
        if set(titles.values()) <= set(medians.index)
        else None
    )


def _decision(run: Run) -> dict | None:
    """Net benefit at the threshold, for each 100 patients of the farthest set."""
    table = run.shown_table("net_benefit_per_100")
    if table is None or not (rows := table[(table["threshold"] - THRESHOLD).abs() < 1e-9]).shape[0]:
        return None
    row = rows.set_index("cohort").loc[story.farthest(rows)]
    return {"nomogram": row["nomogram"], "all": row["treat all"]}


def _strict(run: Run) -> dict | None:
    """AUC of the radiomics model on its training patients, as usually computed and strictly."""
    way = "paper" if run.study.is_of_paper_design else "usual"
    table = run.shown_table(f"strict_{way}_beside")
    if table is None:
        return None
    chosen = table[(table["quantity"] == "AUC") & (table["model"] == "radiomics")].set_index("cohort")
    return {"usual": chosen.loc["training", f"{way}_mode"], "strict": chosen.loc["training", "strict_mode"]}


def _real(run: Run) -> dict | None:
    """What radiomics promises and keeps in real patients: smallest and largest over the hospitals."""
    table = run.shown_table("real_hospitals")
    if table is None:
        return None
    rows = table[table["model"] == "radiomics"]
    told = {name: (rows[name].min(), rows[name].max()) for name in ("apparent", "left_out")}
    return told | {"patients": rows["n"].sum(), "hospitals": len(rows)}
