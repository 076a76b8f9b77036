"""Figures as a page shows them: drawings in the page itself, whose panels stack on a phone.

A drawing in the page keeps its words sharp at any size and can be searched. It stands there once; what a
phone shows are windows on it, one for each panel (`helpers.plots.panels`). Which of the two is seen, book.css
decides by the width of the screen.
"""

from __future__ import annotations

import html
import json
import re

from nbformat import NotebookNode

from helpers.plots.panels import CURVE
from helpers.study.run_folder import BookFolder

_ROOT = re.compile(r"<svg\b[^>]*>")
_VIEW_BOX = re.compile(r'viewBox="([^"]+)"')
_AXES = re.compile(r' data-axes="[^"]*"')
_PANELS = re.compile(r'data-panels="([^"]*)"')
# What matplotlib says of the file, and a rule for every line of the page: that one stands in book.css.
_NOT_DRAWN = re.compile(r"<metadata>.*?</metadata>|<style\b.*?</style>", re.DOTALL)
_ID = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(?:url\(#|href="#)([^")]+)')
_LARGER = 1.25  # a wide screen shows a figure at so many times its size at most


def put_inline(notebook: NotebookNode, book: BookFolder) -> None:
    """In place of each picture of a chapter that was saved as a figure, its drawing."""
    for cell in notebook.cells:
        told = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.get("outputs", []):
            saved = output.get("metadata", {}).get("radbook", {})
            # A drawing that stands there already is in another language: its finding is not.
            other = output.get("data", {}).get("image/svg+xml", "")
            if saved and (drawing := other or drawing_of(book, saved["figure"])):
                words = told if other else f"{saved.get('finding', '')} {told}".strip()
                output["data"] = {"text/html": inline(drawing, words, saved["figure"])}


def drawing_of(book: BookFolder, name: str) -> str:
    """The SVG of a figure of a run, of a real patient too, or of a pooled book; "" where it was not made."""
    paths = [book.folder / place / "figures" / f"{name}.svg" for place in ("share", "private")]
    drawn = next((path.read_text(encoding="utf-8") for path in paths if path.is_file()), "")
    return drawn if _VIEW_BOX.search(drawn) else ""  # an SVG of ours says how large it is


def inline(drawing: str, told: str, name: str) -> str:
    """HTML of a whole figure.

    Parameters
    ----------
    drawing : str
        SVG as `helpers.plots.style.write_svg` leaves it.
    told : str
        Its alternative text.
    name : str
        Unlike that of any other figure on the page.
    """
    box, panels = _box(drawing), panels_of(drawing)
    kinds = "radbook-figure radbook-in-panels" if panels else "radbook-figure"
    whole = f'<g id="figure-{name}">{_drawn(drawing)}</g>'
    windows = "".join(_svg("radbook-panel", place, f'<use href="#figure-{name}"/>') for _, place in panels)
    return _framed(drawing, kinds, told, _svg("radbook-whole", box, whole) + windows)


def one_panel(drawing: str, panel: str, told: str) -> str:
    """HTML of one panel of a figure alone; of the whole figure where it has no panel of that name."""
    places = dict(panels_of(drawing))
    return _framed(
        drawing,
        "radbook-figure",
        told,
        _svg("radbook-whole", places.get(panel, _box(drawing)), _drawn(drawing)),
    )


def panels_of(drawing: str) -> list[tuple[str, tuple[float, ...]]]:
    """Names and boxes (left, top, width, height in points) of a drawing's panels; a narrow one has none."""
    found = _PANELS.search(_ROOT.search(drawing)[0])
    return [(name, tuple(box)) for name, *box in json.loads(html.unescape(found[1]))] if found else []


def _box(drawing: str) -> tuple[float, ...]:
    return tuple(float(number) for number in _VIEW_BOX.search(_ROOT.search(drawing)[0])[1].split())


def _drawn(drawing: str) -> str:
    """What stands in the SVG, without identifiers that nothing refers to: other figures have the same."""
    start = _ROOT.search(drawing).end()
    drawn = _NOT_DRAWN.sub("", drawing[start : drawing.rindex("</svg>")])
    drawn = drawn.replace(f'id="{CURVE}"', f'class="{CURVE}"')
    used = set(_USED.findall(drawn))
    return _ID.sub(lambda name: name[0] if name[1] in used else "", drawn)


def _svg(kind: str, box: tuple[float, ...], drawn: str) -> str:
    place = " ".join(f"{number:g}" for number in box)
    wide = _LARGER * box[2] if kind == "radbook-whole" else box[2] * 1.1
    return (
        f'<svg class="{kind}" viewBox="{place}" style="width: {wide:.0f}pt" aria-hidden="true">{drawn}</svg>'
    )


def _framed(drawing: str, kinds: str, told: str, drawn: str) -> str:
    axes = _AXES.search(_ROOT.search(drawing)[0])
    # Neither a blank line nor a fence may end the block in which Markdown finds it.
    lines = "\n".join(line for line in drawn.splitlines() if line.strip()).replace("`", "&#96;")
    readable = axes[0] if axes else ""
    return f'<div class="{kinds}"{readable} role="img" aria-label="{html.escape(told)}">{lines}</div>'
