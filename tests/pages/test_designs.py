"""A study of a question of its own reads as if the book had been written for it: no page of its book has a
word about the paper or about bone. What the paper's own studies read stays as it was."""

import re

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from shared_once import made_once

from helpers.commands.run import run_study
from helpers.pages import designs
from helpers.pages.build import book_page
from helpers.pages.chinese import blocks
from helpers.pages.staging import stage
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run
from helpers.study.study_file import Split, load_study

NOT_OURS = re.compile(
    r"osteopor|vertebra|densitom|\bbones?\b|\bHU\b|Hounsfield|\bDXA\b|T-score|\bT12\b|\bL1\b|virtual"
    r"|the paper\b|\bpaper's|xu2026|Table \d|Figure \d|(?<![.\d])(?:1688|877)\b|骨|椎",
    re.IGNORECASE,
)
LIGHT = {
    "04": {"folds": 3, "mrmr_features": 6, "resamples": 2},
    "05": {"folds": 2},
    "06": {"resamples": 20},
    "10": {"folds": 2, "repeats": 1, "resamples": 2, "permutations": 1, "bootstrap_resamples": 50},
}


def write_study(folder, predictors, patients=60):
    """Two hospitals with ready features and an outcome that the paper knows nothing of."""
    rng = np.random.default_rng(8)
    for name in ("home", "away"):
        relapse = rng.permutation(np.arange(patients) % 3 == 0).astype(int)
        table = pd.DataFrame({"ID": [f"{name}-{i}" for i in range(patients)], "relapse": relapse})
        table["age"] = rng.normal(40, 9, patients).round() + 5 * relapse
        table["sex"] = rng.choice(["F", "M"], patients)
        for number in range(12):
            table[f"original_glcm_Made{number}"] = rng.normal(size=patients) + 0.4 * relapse * (number % 3)
        table.to_csv(folder / f"{name}.csv", index=False)
    columns = {"patient_id": "ID", "outcome": "relapse"}
    sites = [
        {"name": name, "role": role, "table": {"path": f"{name}.csv", "columns": columns}}
        | {"features": {"path": f"{name}.csv", "patient_id": "ID"}}
        for name, role in (("home", "development"), ("away", "external"))
    ]
    outcome = {"name": "relapse within a year", "positive": "came back", "negative": "stayed well"}
    study = {"name": "own", "title": "Relapse of lymphoma", "seed": 3, "outcome": outcome, "sites": sites}
    study |= {"region": "the largest node", "predictors": predictors, "parameters": LIGHT}
    (folder / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return folder / "study.yml"


def visible(page):
    """What a reader meets on a rendered page, code and alternative texts included."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    for unseen in soup(["script", "style"]):
        unseen.decompose()
    drawn = [figure["aria-label"] for figure in soup.select("[role=img]")]
    return soup.get_text(" ") + " ".join([*drawn, *(image.get("alt", "") for image in soup("img"))])


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The finished run of a study of its own question, and its book."""

    def make(folder):
        run_study(write_study(folder, ["age", "sex"]), folder / "run", workers=1)

    folder = made_once(tmp_path_factory, "own", make)
    return open_run(folder / "study.yml", folder / "run")


@pytest.mark.slow
def test_no_page_of_a_question_of_its_own_speaks_of_the_paper(own):
    pages = sorted(book_page(own).parent.rglob("*.html"))
    names = {page.stem for page in pages}
    assert {"01_cohort", "04_selection", "08_decision_curves", "10_strict_validation", "model_card"} <= names
    assert not names & {"09_paper_audit", "13_paper_against_reproduction", "14_pitfalls", "virtual_cohort"}
    found = {page.stem: NOT_OURS.findall(visible(page)) for page in pages if "_static" not in page.parts}
    assert not {name: words for name, words in found.items() if words}


@pytest.mark.slow
def test_tables_and_figures_of_a_question_of_its_own_have_no_word_of_the_paper(own):
    made = [*(own.folder / "share").rglob("*.csv"), *(own.folder / "share").rglob("*.svg")]
    assert len(made) > 30
    for path in made:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"paper|osteopor|virtual|vertebra", text, re.IGNORECASE), path.name


@pytest.mark.slow
def test_the_words_of_the_study_stand_where_the_papers_did(own):
    index, first = visible(book_page(own)), visible(book_page(own).parent / "notebooks" / "01_cohort.html")
    assert "Relapse of lymphoma" in index and "the largest node" in index and "relapse within a year" in index
    assert "Came back" in first and "Stayed well" in first
    nomogram = (own.folder / "share" / "figures" / "figure_5.svg").read_text(encoding="utf-8")
    assert "Risk of relapse" in nomogram


@pytest.mark.parametrize("predictors", [["age"], []], ids=["clinical", "no predictors"])
def test_no_cell_that_a_question_of_its_own_gets_speaks_of_the_paper(tmp_path, predictors):
    """Prose and code as they lie in the repository: what a change of a chapter breaks first."""
    study = load_study(write_study(tmp_path, predictors))
    said = {}
    for number in ("01", "04", "05", "06", "07", "08", "10", "11"):
        (path,) = (REPOSITORY / "notebooks").glob(f"{number}_*.ipynb")
        notebook = nbformat.read(path, as_version=4)
        designs.fit(notebook, study)
        alternatives = [cell.metadata.get("mystnb", {}).get("image", {}) for cell in notebook.cells]
        said[number] = " ".join(str(text) for text in [*(c.source for c in notebook.cells), *alternatives])
    assert not {number: found for number, text in said.items() if (found := NOT_OURS.findall(text))}
    assert ("names no clinical predictors" in said["06"]) == (not predictors)
    assert ("Univariable" in said["06"]) == bool(predictors)


def test_the_papers_studies_read_the_papers_words_and_no_mark():
    study = load_study(REPOSITORY / "data" / "studies" / "virtual.yml")
    inner = "<!-- paper -->\na <!-- clinical -->b<!-- /clinical -->\n<!-- /paper -->\nc"
    marked = f"# 1 <!-- paper -->Table 5: <!-- /paper --><!-- own: O -->odds\n{inner}"
    assert designs.words(marked, study) == "# 1 Table 5: odds\na b\nc"
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        ids = {cell.id: set(cell.metadata.get("tags", [])) for cell in notebook.cells}
        designs.fit(notebook, study)
        gone = [tags for name, tags in ids.items() if name not in {cell.id for cell in notebook.cells}]
        assert all(tags & {"several", "in turn", "hospitals"} for tags in gone), path.name
        assert "<!--" not in nbformat.writes(notebook), path.name


def heads(number, study):
    """Headings of a chapter that a study gets."""
    (path,) = (REPOSITORY / "notebooks").glob(f"{number}_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    designs.fit(notebook, study)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return set(re.findall(r"^#+ (.*)$|dropdown[}] (.*)$", text, re.MULTILINE))


def test_sections_that_have_nothing_to_say_are_not_there(tmp_path):
    """A second reader, something simpler to compare with, three external hospitals, sites as folds."""
    one = load_study(write_study(tmp_path, []))
    away = [one.sites[1].model_copy(update={"name": name}) for name in ("b", "c", "d")]
    several = one.model_copy(update={"sites": [one.sites[0], *away], "predictors": ["age"]})
    in_turn = one.model_copy(update={"split": Split(by="site")})
    names = [
        "Against what one would use anyway",
        "The external hospitals side by side",
        "Every hospital in turn",
        "How to read the tables, and how the summary is made",
    ]
    found = {
        key: [any(name in head for head in heads("10", study)) for name in names]
        for key, study in {"one": one, "several": several, "in turn": in_turn}.items()
    }
    assert found == {
        "one": [False, False, True, False],
        "several": [True, True, True, True],
        "in turn": [False, False, True, True],
    }
    twice = one.sites[0].model_copy(update={"second_reader_features": one.sites[0].features})
    read_twice = one.model_copy(update={"sites": [twice, one.sites[1]]})
    for study, there in ((one, False), (read_twice, True)):
        assert any("Cases for the second reader" in head for head in heads("01", study)) == there


def test_every_mark_is_closed_and_known():
    """A slip of the pen in a mark would show the paper's words to everybody, or hide them."""
    notebooks = (REPOSITORY / "notebooks").glob("*.ipynb")
    prose = {path.name: path.read_text("utf-8") for path in (REPOSITORY / "book").glob("*.md")}
    for path in blocks.FOLDER.rglob("*.md"):
        prose |= {f"{path.name}, in Chinese, {name}": text for name, _, text in blocks.parts(path)}
    for path in notebooks:
        cells = nbformat.read(path, as_version=4).cells
        prose |= {
            f"{path.name} {i}": cell.source for i, cell in enumerate(cells) if cell.cell_type == "markdown"
        }
    assert any("<!-- paper -->" in text for text in prose.values())
    study = load_study(REPOSITORY / "data" / "studies" / "virtual.yml")
    own = study.model_copy(update={"region": "elsewhere", "predictors": []})
    for name, text in prose.items():
        for one in (study, own, own.model_copy(update={"split": Split(by="site")})):
            assert (
                re.sub(r"`<!-- [^`]*`|<!-- code \d+ -->", "", designs.words(text, one)).count("<!--") == 0
            ), name


def test_a_page_may_tell_how_marks_are_written():
    study = load_study(REPOSITORY / "data" / "studies" / "virtual.yml")
    told = "between `<!-- paper -->` and `<!-- /paper -->`; in a comment, `<!-- own: ... -->`."
    assert designs.words(f"<!-- paper -->{told}<!-- /paper -->", study) == told
    page = (REPOSITORY / "book" / "development.md").read_text(encoding="utf-8")
    assert designs.words(page, study) == page


def test_pages_of_the_own_contents_exist():
    toc = yaml.safe_load(designs.CONTENTS[False].read_text(encoding="utf-8"))
    pages = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    assert not [page for page in pages if not list(REPOSITORY.glob(f"{page}.*"))]


def test_a_frozen_model_of_another_question_has_its_own_landing_page(tmp_path):
    """Nothing was executed but chapter 11: the page about applying a model stands in front."""
    run = open_run(write_study(tmp_path, []), tmp_path / "run")
    stage(run, tmp_path / "source")
    index = (tmp_path / "source" / "index.md").read_text(encoding="utf-8")
    assert index.startswith("# A frozen model") and not NOT_OURS.search(index)
    assert not (tmp_path / "source" / "virtual_cohort.md").exists()
