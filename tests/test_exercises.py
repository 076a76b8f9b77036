"""Every chapter can be taught: what one needs, three questions with answers, exercises whose solutions run.

The solutions read the finished run; none may change it.
"""

import re

import nbformat
import pytest

from helpers.pages import designs
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.study_file import load_study

CHAPTERS = {name: REPOSITORY / "notebooks" / f"{name}.ipynb" for name in STEPS.values()}
DEFAULT = load_study(REPOSITORY / "data" / "studies" / "virtual.yml")
RUNS_ANYWHERE = (
    "Each solution runs in this notebook after its last cell, or in any Python session that has `run`."
)


def cells(chapter):
    """The chapter's cells, with the words that a study of the paper's design gets."""
    notebook = nbformat.read(CHAPTERS[chapter], as_version=4)
    designs.fit(notebook, DEFAULT)
    return notebook.cells


def folded(text, title):
    return re.findall(rf"^:::{{dropdown}} {title}\n(.*?)^:::$", text, re.MULTILINE | re.DOTALL)


def solutions(chapter):
    blocks = folded(cells(chapter)[-1].source, "Solution")
    return [code for block in blocks for code in re.findall(r"^```python\n(.*?)^```$", block, re.M | re.S)]


SOLUTIONS = [(name, number) for name in CHAPTERS for number in range(len(solutions(name)))]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_says_what_one_learns_what_one_needs_and_how_long_it_takes(chapter):
    opening = "\n".join(cell.source for cell in cells(chapter)[:2])
    aims = re.search(r"```{admonition} What you learn here\n(.*?)```", opening, re.DOTALL)[1]
    assert re.search(r"You need: .+\bAbout \d+ minutes, and \d+ for the exercises\.", aims, re.DOTALL)
    assert any("```{admonition} What to remember" in cell.source for cell in cells(chapter)[-3:])


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name < "09"])
def test_a_chapter_opens_with_what_was_asked_and_found_and_with_one_figure(chapter):
    """Numbers of the finding come from the run; its figure is the one that the staged page shows first."""
    asked, found, believed = re.findall(r"^\*\*(.+?)\*\*", cells(chapter)[0].source, re.MULTILINE)
    assert (asked, found, believed) == ("Asked.", "Found.", "May I believe it?")
    assert "{glue:text}" in cells(chapter)[0].source
    opening = [cell for cell in cells(chapter) if "opening" in cell.metadata.get("tags", [])]
    assert len(opening) == 1 and "save_figure(" in opening[0].source
    assert opening[0].metadata["mystnb"]["image"]["alt"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_three_questions_have_options_and_an_answer_among_them(chapter):
    questions, exercises = cells(chapter)[-1].source.split("## Exercises")
    (answers,) = folded(questions, "Answers")
    asked = re.split(r"^\d\. ", questions.split(":::{dropdown}")[0], flags=re.MULTILINE)[1:]
    right = re.findall(r"^\d\. \*\*([a-d])\.\*\* \S", answers, re.MULTILINE)
    assert len(asked) == len(right) == 3
    for question, letter in zip(asked, right, strict=True):
        options = re.findall(r"^   - ([a-d])\. ", question, re.MULTILINE)
        assert options == list("abcd")[: len(options)] and len(options) >= 3 and letter in options
    assert RUNS_ANYWHERE in exercises


def test_the_right_answer_is_not_always_the_same_letter():
    texts = " ".join(cells(chapter)[-1].source for chapter in CHAPTERS)
    letters = re.findall(r"^\d\. \*\*([a-d])\.\*\*", texts, re.MULTILINE)
    assert all(letters.count(letter) < 0.5 * len(letters) for letter in "abcd")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_two_exercises_or_more_have_solutions_that_check_themselves(chapter):
    found = solutions(chapter)
    assert len(found) >= 2
    assert all("\nassert " in code or "\n    assert " in code for code in found)


@pytest.mark.parametrize(("chapter", "number"), SOLUTIONS, ids=[f"{name}-{n + 1}" for name, n in SOLUTIONS])
def test_a_solution_runs_and_its_claim_holds(finished, monkeypatch, chapter, number):
    monkeypatch.chdir(REPOSITORY / "notebooks")  # where a reader's notebook runs
    exec(compile(solutions(chapter)[number], f"{chapter}, solution {number + 1}", "exec"), {"run": finished})
