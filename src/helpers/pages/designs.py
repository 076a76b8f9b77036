"""Which of the book's words a study gets: the paper's, or those for a question of its own.

In prose, and in the alternative texts of figures, ``<!-- paper -->words<!-- /paper -->`` stands for studies
of the paper's design only, and ``<!-- own: words -->`` for the others: a notebook or a page that is read
outside the book shows the paper's. A cell with the tag ``paper`` belongs to such studies as a whole. The
other names of `facts` work in the same way.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

from helpers.evaluation.meta_analysis import FEWEST
from helpers.study.places import REPOSITORY
from helpers.study.study_file import Study

CONTENTS = {True: REPOSITORY / "_toc.yml", False: REPOSITORY / "_toc_own.yml"}
_NAMES = "paper|own|clinical|no clinical|images|compared|readers|several|in turn|hospitals"
_SHOWN = re.compile(rf"<!-- (?P<name>{_NAMES}) -->(?P<text>.*?)<!-- /(?P=name) -->", re.DOTALL)
_HIDDEN = re.compile(rf"<!-- (?P<name>{_NAMES}): (?P<text>.*?) -->", re.DOTALL)
# A page may tell, in code, how marks are written.
_TOLD = re.compile(r"`<!-- [^`\n]* -->`")
_ALONE = re.compile(rf"^(<!-- /?(?:{_NAMES}) -->)\n", re.MULTILINE)
# Code that did nothing in a study of another design.
_PAPER_CODE = re.compile(
    r"^if run\.study\.is_of_paper_design:\n(?:    .*(?:\n|\Z))+|^from helpers\.paper.*\n", re.MULTILINE
)
# Where the notebook as it lies in the repository would look: this run's own stand below it.
_DEFAULT_PLACES = re.compile(r"^(study|run_dir) = .*\n?", re.MULTILINE)


def facts(study: Study) -> dict[str, bool]:
    """What decides which words a study gets, by the names that stand in the prose."""
    clinical, images = bool(study.predictors), not study.has_features
    several, in_turn = len(study.external_sites) >= FEWEST, study.split.by == "site"
    return {
        "paper": study.is_of_paper_design,
        "own": not study.is_of_paper_design,
        "clinical": clinical,
        "no clinical": not clinical,
        "images": images,
        "compared": clinical or images,
        "readers": any(site.has_second_reader for site in study.sites),
        "several": several,
        "in turn": in_turn,
        "hospitals": several or in_turn,
    }


def words(text: str, study: Study) -> str:
    """The text with the words that the study gets, and without the marks around them."""
    holds, text = facts(study), _TOLD.sub(lambda code: code[0].replace("<!--", "\0"), text)
    text = _ALONE.sub(r"\1", text)  # a line with a mark alone is no line of the text
    for marked in (_SHOWN, _HIDDEN):
        while marked.search(text):  # one may stand in another
            text = marked.sub(lambda part: part["text"] if holds[part["name"]] else "", text)
    return text.replace("\0", "<!--")


def fit(notebook: NotebookNode, study: Study) -> None:
    """Leave in an executed notebook the cells and words that the study gets."""
    holds = facts(study)
    notebook.cells = [
        cell for cell in notebook.cells if all(holds.get(tag, True) for tag in cell.metadata.get("tags", []))
    ]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = words(cell.source, study)
        elif image := cell.metadata.get("mystnb", {}).get("image"):
            image["alt"] = words(image["alt"], study)
        if cell.cell_type == "code" and not holds["paper"]:
            cell.source = _PAPER_CODE.sub("", cell.source)
        if "parameters" in cell.metadata.get("tags", []) and not holds["paper"]:
            cell.source = _DEFAULT_PLACES.sub("", cell.source)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
