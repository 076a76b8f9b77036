"""Templates become pages: Python gives the numbers, the files in templates/ the words and the layout."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Number
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, FunctionLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from helpers.pages.chinese import blocks
from helpers.pages.chinese.shown import translate_svg
from helpers.pages.chinese.words import Words

# A backslash makes plain what is markup anywhere, and what is markup only where a block begins.
_MARKS = re.compile(r"[\\`*_{}\[\]<>#$|~&!^]|^\s*(?:[-+=:%@(]|\d+[.)](?=\s|$))")
_LINE_ENDS = re.compile(r"[\s\x00-\x1f\x7f]")
TEMPLATES = Path(__file__).parent / "templates"
_LOADER = FileSystemLoader(TEMPLATES)
_CHINESE_WORDS: ContextVar[tuple[dict[str, Words], Mapping[str, str]] | None]
_CHINESE_WORDS = ContextVar("words of the Chinese edition", default=None)


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
    if name.endswith(".html"):
        kind = _HTML
    else:
        kind = _CHINESE if _CHINESE_WORDS.get() else _MARKDOWN
    return kind.get_template(f"{name}.j2").render(numbers)


@contextmanager
def in_chinese(of_study: Mapping[str, str] = MappingProxyType({})) -> Iterator[dict[str, Words]]:
    """Render templates in Chinese, as far as they are translated (book/zh/templates, data/words.yml).

    ``of_study`` are a study's own words. Gives the words of each template that is rendered meanwhile, by its
    section of the table.
    """
    used: dict[str, Words] = {}
    before = _CHINESE_WORDS.set((used, of_study))
    try:
        yield used
    finally:
        _CHINESE_WORDS.reset(before)


def _words(section: str) -> Words:
    used, of_study = _CHINESE_WORDS.get()
    if section not in used:
        used[section] = Words(section, of_study)
    return used[section]


def said_in(section: str, text: str) -> str:
    """The book's own text in the language of the page, by a section of the table of words."""
    return _words(section).or_english(text) if _CHINESE_WORDS.get() else text


def drawn_in(section: str, drawing: str) -> str:
    """An SVG with its words in the language of the page, as `said_in`."""
    return translate_svg(drawing, _words(section)) if _CHINESE_WORDS.get() else drawing


def plain_text(value: object) -> object:
    """A text for Markdown in which nothing is markup, in one line; a number, or markup, as it is."""
    if isinstance(value, Number) or hasattr(value, "__html__"):
        return value
    return Markup(_MARKS.sub(lambda mark: f"{mark[0][:-1]}\\{mark[0][-1]}", _LINE_ENDS.sub(" ", str(value))))


@pass_context
def _chinese_text(context: Context, value: object) -> object:
    """As `plain_text`, looked up in the table of words, in the section of the template."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        value = _words(context.name.removesuffix(".md.j2")).or_english(value)
    return plain_text(value)


@pass_context
def _said(context: Context, value: str) -> Markup:
    """The book's own text with its markup, in the language of the page."""
    return Markup(said_in(context.name.removesuffix(".md.j2"), value))


def _chinese_source(name: str) -> str:
    source = _LOADER.get_source(_MARKDOWN, name)[0]
    return blocks.translated(source, blocks.FOLDER / "templates" / name, blocks.template_blocks)


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
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    made.filters |= {"number": number, "shown": shown, "script_data": script_data}
    made.filters |= {"code": code, "fence": fence, "said": _said}
    made.tests["known"] = is_known
    return made


def _words_for_scripts() -> Markup:
    """A script with the words that the scripts of interactive pages say."""
    return Markup(f"<script>var radbookWords = {script_data(_words('interactive').for_scripts())};</script>")


_HTML = _environment(loader=_LOADER)
_MARKDOWN = _environment(loader=_LOADER, finalize=plain_text)
_CHINESE = _environment(loader=FunctionLoader(_chinese_source), finalize=_chinese_text)
_MARKDOWN.globals["words_for_scripts"] = str
_CHINESE.globals["words_for_scripts"] = _words_for_scripts
