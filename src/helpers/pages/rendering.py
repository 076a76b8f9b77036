"""Templates become pages: Python gives the numbers, the files in templates/ the words and the layout."""

from __future__ import annotations

import json
import math
import re
from numbers import Number
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

# A backslash makes plain what is markup anywhere, and what is markup only where a block begins.
_MARKS = re.compile(r"[\\`*_{}\[\]<>#$|~&!^]|^\s*(?:[-+=:%@(]|\d+[.)](?=\s|$))")
_LINE_ENDS = re.compile(r"[\s\x00-\x1f\x7f]")


def rendered(name: str, **numbers: object) -> str:
    """The template ``name`` (such as "model_card.md") with its numbers filled in.

    Parameters
    ----------
    name : str
        A file of templates/, without its ending ".j2".
    **numbers
        What the template names: values, rows, dicts. A name that is missing is an error. Every text among
        them is shown as it is, whatever markup it holds: what is markup, the template marks as ``safe``.
    """
    kind = _HTML if name.endswith(".html") else _MARKDOWN
    return kind.get_template(f"{name}.j2").render(numbers)


def plain_text(value: object) -> object:
    """A text for Markdown in which nothing is markup, in one line; a number, or markup, as it is."""
    if isinstance(value, Number) or hasattr(value, "__html__"):
        return value
    return Markup(_MARKS.sub(lambda mark: f"{mark[0][:-1]}\\{mark[0][-1]}", _LINE_ENDS.sub(" ", str(value))))


def code(value: str) -> Markup:
    """A text as code within a line."""
    line, marks = _LINE_ENDS.sub(" ", value), fence(value, 1)
    return Markup(f"{marks} {line} {marks}" if "`" in line else f"{marks}{line}{marks}")


def fence(value: str, least: int = 3) -> Markup:
    """The marks around a block of code: more of them than stand side by side in the text."""
    return Markup("`" * max(least, 1 + max(map(len, re.findall("`+", value)), default=0)))


def number(value: float, form: str) -> Markup:
    """A number in a format: its point and minus are no markup."""
    return Markup(format(value, form))


def shown(value: str | float, digits: int = 3) -> str:
    """A cell of a shared table: rounded; an empty or hidden one as a dash or as it is."""
    if isinstance(value, str):
        return value or "–"
    return number(value, f".{digits}f") if is_known(value) else "–"


def is_known(value: str | float) -> bool:
    """Whether a cell of a shared table is a number: not left empty, nor replaced by words."""
    return not isinstance(value, str) and not math.isnan(value)


def script_data(data: dict) -> Markup:
    """JSON that may stand in a page's script element, whose end "<" could begin."""
    return Markup(json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"))


def _environment(**options: object) -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    made.filters |= {"number": number, "shown": shown, "script_data": script_data}
    made.filters |= {"code": code, "fence": fence}
    made.tests["known"] = is_known
    return made


_HTML = _environment()
_MARKDOWN = _environment(finalize=plain_text)
