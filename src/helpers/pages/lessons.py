"""What a chapter teaches, read from its cells: opening, objectives, questions, exercises, in any language.

Parts are found by their form, not by their words: objectives are the folded admonition at the beginning,
what to remember is the last admonition, the last cell has a section of questions and one of exercises,
each with its answers or solutions in a dropdown.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from nbformat import NotebookNode

from helpers.pages.references import cited

_ADMONITION = re.compile(
    r"^```\{admonition\} (?P<title>.+)\n(?P<options>(?::.*\n)*)(?P<text>[\s\S]*?)^```$", re.MULTILINE
)
_FOLDED = re.compile(r"^:::\{dropdown\} (?P<title>.+)\n(?P<text>[\s\S]*?)^:::$", re.MULTILINE)
_CODE = re.compile(r"^```python\n([\s\S]*?)^```\n*", re.MULTILINE)
_NUMBERED = re.compile(r"^\d+\. ", re.MULTILINE)
_PARAGRAPH = re.compile(r"^\*\*[\s\S]+?(?=\n\n|\Z)", re.MULTILINE)
_GLUED = re.compile(r"\{glue:text\}`([^`]+)`")
_LINK = re.compile(r"\[([^][]+)\]\([^)\s]+\)|\{doc\}`(?:[^`<]*/)?([^`<>]+)`")


@dataclass(frozen=True)
class Box:
    """A title, and a text in Markdown."""

    title: str
    text: str


@dataclass(frozen=True)
class Exercise:
    """What is asked, the solution's code, and what it shows (Markdown)."""

    task: str
    code: str
    shown: str


@dataclass(frozen=True)
class Lesson:
    """A chapter as it is taught; texts are plain Markdown, with the run's numbers in place.

    Attributes
    ----------
    title, opening : str
        ``opening``: what was asked and found.
    aims, remember : Box or None
    questions : list of (question, answer)
    asked, answered, exercises_title, solved : str
        What the book calls questions, answers, exercises and solutions.
    exercises : list of Exercise
    """

    title: str
    opening: str
    aims: Box | None
    remember: Box | None
    questions: list[tuple[str, str]]
    asked: str
    answered: str
    exercises_title: str
    solved: str
    exercises: list[Exercise]


def lesson_of(notebook: NotebookNode) -> Lesson | None:
    """The lesson of an executed chapter; None where it has no questions."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    said = glued(notebook)
    texts = [plain(text, said) for text in texts]
    sections = re.split(r"^## (.+)\n", texts[-1] if texts else "", flags=re.MULTILINE)
    if len(sections) < 5:
        return None
    boxes = [match for text in texts for match in _ADMONITION.finditer(text)]
    folded = [box for box in boxes if "dropdown" in box["options"]]
    questions, answers = _asked(sections[2])
    found = list(_FOLDED.finditer(sections[4]))
    return Lesson(
        title=re.search(r"^# (.+)$", "\n".join(texts), re.MULTILINE)[1],
        opening="\n\n".join(_PARAGRAPH.findall("\n\n".join(texts[:2]))[:3]),
        aims=_box(folded[:1]),
        remember=_box(boxes[-1:]),
        questions=list(zip(questions, answers, strict=False)),
        asked=sections[1],
        answered=_FOLDED.search(sections[2])["title"],
        exercises_title=sections[3],
        solved=found[0]["title"] if found else "",
        exercises=_exercises(sections[4], found),
    )


def _box(found: list[re.Match]) -> Box | None:
    return Box(found[0]["title"], found[0]["text"].strip()) if found else None


def _asked(section: str) -> tuple[list[str], list[str]]:
    answers = _FOLDED.search(section)
    parts = (section[: answers.start()], answers["text"])
    questions, answered = ([one.strip() for one in _NUMBERED.split(part)[1:]] for part in parts)
    return questions, answered


def _exercises(section: str, found: list[re.Match]) -> list[Exercise]:
    begins = [0, *(match.end() for match in found)]
    exercises = []
    for begin, match in zip(begins, found, strict=False):
        before = section[begin : match.start()]
        task = before[before.index("**") :].strip()
        code = "\n".join(_CODE.findall(match["text"]))
        exercises.append(Exercise(task, code.strip(), _CODE.sub("", match["text"]).strip()))
    return exercises


def glued(notebook: NotebookNode) -> dict[str, str]:
    """Numbers and words that the chapter's cells gave to its text, by name."""
    said = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if book := output.get("metadata", {}).get("scrapbook"):
                written = output["data"][f"{book['mime_prefix']}text/plain"]
                # A text lies there as Python writes it: in quotes, blanks that do not break escaped.
                said[book["name"]] = ast.literal_eval(written) if written[:1] in "'\"" else written
    return said


def plain(text: str, said: dict[str, str]) -> str:
    """Markdown without the book's own marks: numbers in place, citations and links in words."""
    text = _GLUED.sub(lambda name: said.get(name[1], "–"), text)
    return _LINK.sub(lambda link: link[1] or link[2], cited(text))
