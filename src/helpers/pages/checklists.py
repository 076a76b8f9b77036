"""Reporting: the checklists TRIPOD+AI, CLEAR and METRICS as pages of the book, and the METRICS score.

The answers are data (data/checklists), one row an item, judged by the makers of this book: of the book with
its virtual cohort, and of the paper as it is printed.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from helpers.pages.rendering import rendered
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run

CHECKLISTS = {"tripod_ai": "TRIPOD+AI", "clear": "CLEAR", "metrics": "METRICS"}
ANSWERS = ["yes", "partly", "no", "not applicable"]
JUDGED = {"here": "This book", "paper": "The paper"}
YES, NO, NOT_APPLICABLE = "yes", "no", "not applicable"


def staged_files(run: Run) -> dict[str, bytes]:
    """What the pages of this part include, by name in the book's sources."""
    pages = {f"reporting/{name}.md": _checklist(name, run) for name in CHECKLISTS}
    pages["reporting/summary.md"] = _summary(run)
    return {name: text.encode() for name, text in pages.items()}


def read_checklist(name: str) -> pd.DataFrame:
    """Read the checklist ``name``: "tripod_ai", "clear" or "metrics".

    Returns
    -------
    DataFrame
        Text: number, section, item (our words), here and paper (one of `ANSWERS`), what (why, for the book),
        link (page of the book, with # and the heading, or empty), where_in_paper; for METRICS also weight
        (a number) and conditions (numbers of those on which the item depends).
    """
    table = pd.read_csv(_path(name), dtype=str, keep_default_na=False)
    return table.assign(weight=table["weight"].astype(float)) if "weight" in table else table


def read_conditions() -> pd.DataFrame:
    """The five conditions of METRICS: question, here and paper (yes or no), indexed by their number."""
    return pd.read_csv(_path("metrics_conditions"), dtype=str, index_col="number")


def metrics_score(weights: pd.Series, answers: pd.Series) -> float:
    """METRICS score between 0 and 1, as the tool of its authors computes it (doi 10.1186/s13244-023-01572-w).

    Parameters
    ----------
    weights : Series of float
        Weight of each item.
    answers : Series of str
        "yes", "no" or "not applicable" of each item, in the same order.

    Returns
    -------
    float
        Weights of the items answered yes, over the weights of all applicable ones.

    Raises
    ------
    ValueError
        For another answer: METRICS knows no "partly".
    """
    unknown = set(answers) - {YES, NO, NOT_APPLICABLE}
    if unknown:
        raise ValueError(f"METRICS does not know the answer(s) {', '.join(sorted(unknown))}")
    return weights[answers == YES].sum() / weights[answers != NOT_APPLICABLE].sum()


def _path(name: str) -> Path:
    return REPOSITORY / "data" / "checklists" / f"{name}.csv"


def _scores() -> dict[str, float]:
    items = read_checklist("metrics")
    return {judged: metrics_score(items["weight"], items[judged]) for judged in JUDGED}


def _checklist(name: str, run: Run) -> str:
    """One table a section, so that the page's own contents list the sections."""
    table, absent = read_checklist(name), _absent(run)
    table["link"] = [_link(place, absent) for place in table["link"]]
    sections = table.groupby("section", sort=False)
    return rendered(
        "checklist.md",
        study=run.study,
        judged=JUDGED,
        sections={section: rows.to_dict("records") for section, rows in sections},
        conditions=read_conditions().to_dict("index") if name == "metrics" else {},
        scores=_scores(),
    )


def _summary(run: Run) -> str:
    tables = {name: read_checklist(name) for name in CHECKLISTS}
    counts = [
        {"name": name, "title": title, "who": who, "answers": tables[name][judged].value_counts()}
        for name, title in CHECKLISTS.items()
        for judged, who in JUDGED.items()
    ]
    return rendered("checklist_summary.md", study=run.study, answers=ANSWERS, counts=counts, scores=_scores())


def _link(place: str, absent: set[str]) -> str:
    """A link that Sphinx checks: a page or heading that no longer exists breaks the build."""
    page, _, heading = place.partition("#")
    if not page:
        return ""
    if page in absent:
        return f" (Chapter {page.split('/')[1][:2]} has not been run yet.)"
    suffix = ".ipynb" if page.startswith("notebooks/") else ".md"
    return f" → [](/{page}{suffix}{'#' + heading if heading else ''})"


def _absent(run: Run) -> set[str]:
    """Notebooks of the book that this run has not executed yet; any other page must be there."""
    toc = yaml.safe_load((REPOSITORY / "_toc.yml").read_text(encoding="utf-8"))
    pages = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}
    executed = {f"notebooks/{path.stem}" for path in run.notebooks.glob("*.ipynb")}
    return {page for page in pages if page.startswith("notebooks/")} - executed
