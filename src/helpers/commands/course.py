"""`radbook course`: the exercises of a finished run as notebooks, and a check that they open here."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.errors import StudyError
from helpers.pages import designs
from helpers.pages.build import book_page
from helpers.pages.lessons import Exercise, Lesson, lesson_of
from helpers.study.places import made_folder, shown_path
from helpers.study.run_folder import Run, read_record

SOLUTIONS = "solutions"
_ROOM_MB = 500  # for what participants compute
_LONGEST = 300  # seconds that the tried solution may take
_KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def prepare_course(run: Run) -> Iterator[str]:
    """Write the exercises of a finished run, and check this computer: a line for each thing that holds.

    Makes ``exercises/`` in the run folder, a notebook a chapter, and ``exercises/solutions/``.

    Raises
    ------
    StudyError
        At the first thing that does not hold, with what to do.
    """
    yield f"Python {sys.version.split()[0]}"
    free = shutil.disk_usage(run.folder).free // 10**6
    if free < _ROOM_MB:
        raise StudyError(f"{free} MB are free on this disk: make room for {_ROOM_MB} MB.")
    yield f"{free} MB free on the disk"
    written = write_exercises(run)
    yield f"{len(written)} notebooks with exercises in {shown_path(written[0].parent)}"
    _try(written[0].parent / SOLUTIONS / written[0].name)
    yield f"The first of them runs on this computer ({written[0].name})"
    if not book_page(run).is_file():
        raise StudyError(f"The book is not rendered: radbook build {shown_path(run.folder)}.")
    yield f"The book: {book_page(run)}"


def write_exercises(run: Run) -> list[Path]:
    """Write the exercises of each executed chapter, and apart from them the solutions; returns the former.

    Raises
    ------
    StudyError
        When no executed chapter has exercises.
    """
    written = []
    for path in sorted(run.notebooks.glob("*.ipynb")):
        chapter = nbformat.read(path, as_version=4)
        designs.fit(chapter, run.study)
        lesson = lesson_of(chapter)
        if lesson is None or not lesson.exercises:
            continue
        file = made_folder(run.folder / "exercises") / path.name
        nbformat.write(_notebook(run, lesson, _to_do), file)
        nbformat.write(_notebook(run, lesson, _solved), made_folder(file.parent / SOLUTIONS) / path.name)
        written.append(file)
    if not written:
        raise StudyError(
            f"No executed chapter of {shown_path(run.folder)} has exercises: radbook run makes them, with a "
            "study of the paper's design."
        )
    return written


def _notebook(run: Run, lesson: Lesson, cells: Callable[[Exercise], list[NotebookNode]]) -> NotebookNode:
    study = read_record(run.folder)["study_file"]
    opened = f"run = open_run({study!r}, {shown_path(run.folder)!r})"
    begin = [
        new_markdown_cell(f"# {lesson.title}\n\n{lesson.exercises_title}"),
        new_code_cell(f"from helpers.study.run_folder import open_run\n\n{opened}"),
    ]
    made = [*begin, *(cell for exercise in lesson.exercises for cell in cells(exercise))]
    for number, cell in enumerate(made):
        cell["id"] = str(number)
    return new_notebook(cells=made, metadata={"kernelspec": _KERNEL})


def _to_do(exercise: Exercise) -> list[NotebookNode]:
    return [new_markdown_cell(exercise.task), new_code_cell("")]


def _solved(exercise: Exercise) -> list[NotebookNode]:
    return [new_markdown_cell(exercise.task), new_code_cell(exercise.code), new_markdown_cell(exercise.shown)]


def _try(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    try:
        options = {"kernel_name": "python3", "extra_arguments": ["--log-level=50"], "resources": place}
        NotebookClient(notebook, timeout=_LONGEST, **options).execute()
    except CellExecutionError as error:
        raise StudyError(
            f"The solutions in {path.name} do not run here: {error.ename}: {error.evalue}. Was the run made "
            "by this version of the book? Repeat it with radbook run."
        ) from None
