"""Reporting: the checklists TRIPOD+AI, CLEAR and METRICS as pages of the book, and the METRICS score.

The answers are data (data/checklists), one row an item, judged by the makers of this book: of the book with
its virtual cohort, and of the paper as it is printed.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from helpers.pages.markdown import list_table
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run

CHECKLISTS = {"tripod_ai": "TRIPOD+AI", "clear": "CLEAR", "metrics": "METRICS"}
ANSWERS = ["yes", "partly", "no", "not applicable"]
BADGES = {
    "yes": "bdg-success",
    "partly": "bdg-warning",
    "no": "bdg-danger",
    "not applicable": "bdg-muted",
}
JUDGED = {"here": "This book", "paper": "The paper"}
YES, NO, NOT_APPLICABLE = "yes", "no", "not applicable"


def staged_files(run: Run) -> dict[str, bytes]:
    """What the pages of this part include, by name in the book's sources."""
    pages = {f"reporting/{name}.md": _checklist(name, run) for name in CHECKLISTS}
    pages["reporting/summary.md"] = _summary(run)
    return {name: text.encode() for name, text in pages.items()}


def read_checklist(name: str) -> pd.DataFrame:
    """Read one checklist.

    Parameters
    ----------
    name : {"tripod_ai", "clear", "metrics"}

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
    parts = [_whose(run)]
    if name == "metrics":
        parts += [_score_sentence(), _conditions()]
    for section, rows in table.groupby("section", sort=False):
        parts.append(f"## {section}\n")
        cells = [_row(row, absent) for row in rows.to_dict("records")]
        parts.append(
            list_table(
                [["No.", "Item", *JUDGED.values()], *cells], "7 27 37 29", "radbook-stacked radbook-checklist"
            )
        )
    return "\n".join(parts)


def _row(item: dict, absent: set[str]) -> list[str]:
    weight = f" (weight {item['weight']:.3f})" if "weight" in item else ""
    link = _link(item["link"], absent)
    return [
        item["number"],
        item["item"] + weight,
        f"{_badge(item['here'])} {item['what']}{link}",
        f"{_badge(item['paper'])} {item['where_in_paper']}",
    ]


def _badge(answer: str) -> str:
    return f"{{{BADGES[answer]}}}`{answer}`"


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


def _whose(run: Run) -> str:
    if run.study.is_virtual:
        return ""
    return (
        "```{warning}\nThe answers are those of this book with its virtual cohort, not of the study "
        f"“{run.study.title}”. Copy `data/checklists` and answer for your own patients.\n```\n"
    )


def _score_sentence() -> str:
    scores = _scores()
    return (
        f"**METRICS score: this book {scores['here']:.1%}, the paper {scores['paper']:.1%}** "
        "(weights of the items answered yes, over the weights of all that apply).\n"
    )


def _conditions() -> str:
    table = read_conditions()
    rows = [[f"{number}", row["question"], row["here"], row["paper"]] for number, row in table.iterrows()]
    head = ["Condition", "Question", *JUDGED.values()]
    return "## Conditions\n\nThey decide which items apply.\n\n" + list_table(
        [head, *rows], "15 49 18 18", "radbook-compact"
    )


def _summary(run: Run) -> str:
    rows = [["Checklist", "Judged", *(answer.capitalize() for answer in ANSWERS)]]
    for name, title in CHECKLISTS.items():
        table = read_checklist(name)
        for judged, who in JUDGED.items():
            counts = table[judged].value_counts()
            rows.append([f"[{title}](reporting_{name}.md)", who, *(str(counts.get(a, 0)) for a in ANSWERS)])
    return "\n".join(
        [_whose(run), list_table(rows, "20 20 14 14 14 18", "radbook-compact"), _score_sentence()]
    )
