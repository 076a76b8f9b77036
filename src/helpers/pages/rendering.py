"""Templates become pages: Python gives the numbers, the files in templates/ the words and the layout."""

from __future__ import annotations

import json
import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def rendered(name: str, **numbers: object) -> str:
    """The template ``name`` (such as "model_card.md") with its numbers filled in.

    Parameters
    ----------
    name : str
        A file of templates/, without its ending ".j2". In HTML, "<" and "&" of the numbers are escaped.
    **numbers
        What the template names: values, rows, dicts. A name that is missing is an error.
    """
    return _TEMPLATES.get_template(f"{name}.j2").render(numbers)


def shown(value: str | float, digits: int = 3) -> str:
    """A cell of a shared table: rounded; an empty or hidden one as a dash or as it is."""
    if isinstance(value, str):
        return value or "–"
    return f"{value:.{digits}f}" if is_known(value) else "–"


def is_known(value: str | float) -> bool:
    """Whether a cell of a shared table is a number: not left empty, nor replaced by words."""
    return not isinstance(value, str) and not math.isnan(value)


def script_data(data: dict) -> str:
    """JSON that may stand in a page's script element, which "</" would end."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False).replace("</", "<\\/")


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html.j2"]),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters |= {"number": format, "shown": shown, "script_data": script_data}
_TEMPLATES.tests["known"] = is_known
