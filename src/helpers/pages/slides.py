"""Slides of a chapter: one HTML file that needs nothing else, made from its staged page.

Question, figures, objectives, what to remember, and the questions with their answers behind a key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import nbformat
from markdown_it import MarkdownIt
from markupsafe import Markup
from nbformat import NotebookNode

from helpers.pages.lessons import Lesson, lesson_of
from helpers.pages.rendering import rendered

FOLDER = "extra/slides"  # copied as it is: slides/ in the rendered book
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_DRAWING = re.compile(r"<svg[\s\S]*?</svg>")


def staged_slides(
    staged: dict[str, bytes], notices: Sequence[str] = (), language: str = "en"
) -> dict[str, bytes]:
    """Decks of the staged chapters, and the list of them that a page includes, by name in the book's sources.

    Parameters
    ----------
    staged : dict of str to bytes
        The book's sources: chapters are notebooks/*.ipynb.
    notices : sequence of str
        What must stand on every page of the book.
    language : str
        As HTML names it.
    """
    made, titles = {}, {}
    for name in sorted(staged):
        if not re.fullmatch(r"notebooks/\d\d_\w+\.ipynb", name):
            continue
        notebook = nbformat.reads(staged[name].decode(), as_version=4)
        if lesson := lesson_of(notebook):
            file = name.removeprefix("notebooks/").replace(".ipynb", ".html")
            made[f"{FOLDER}/{file}"] = deck(lesson, figures(notebook), notices, language).encode()
            titles[file] = lesson.title
    return made | {"interactive/slides.md": rendered("slides.md", titles=titles).encode()}


def deck(
    lesson: Lesson,
    drawn: list[tuple[str, Markup]],
    notices: Sequence[str] = (),
    language: str = "en",
) -> str:
    """The deck of one chapter.

    Parameters
    ----------
    lesson : Lesson
    drawn : list of (str, Markup)
        As `figures` gives them.
    notices, language
        As for `staged_slides`.
    """
    asked = [(_html(question), _html(answer)) for question, answer in lesson.questions]
    tasks = [_html(exercise.task) for exercise in lesson.exercises]
    boxes = [(box.title, _html(box.text)) if box else None for box in (lesson.aims, lesson.remember)]
    return rendered(
        "slides.html",
        lesson=lesson,
        opening=_html(lesson.opening),
        figures=drawn,
        aims=boxes[0],
        remember=boxes[1],
        questions=asked,
        tasks=tasks,
        notice=" ".join(notices),
        language=language,
    )


def figures(notebook: NotebookNode) -> list[tuple[str, Markup]]:
    """What the chapter draws, in its order: alternative text, and the drawing or picture as HTML."""
    found = []
    for cell in notebook.cells:
        told = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.get("outputs", []):
            if shown := _picture(output.get("data", {}), told):
                found.append((told, shown))
    return found


def _picture(data: dict, told: str) -> Markup | None:
    if drawing := _DRAWING.search(data.get("text/html", "")):
        return Markup(drawing[0])
    if "image/svg+xml" in data:
        return Markup(_DRAWING.search(data["image/svg+xml"])[0])
    if "image/png" in data:
        content = data["image/png"].replace("\n", "")
        return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(content, told)
    return None


def _html(text: str) -> Markup:
    return Markup(_MARKDOWN.render(text))
