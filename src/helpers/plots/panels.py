"""Sizes of figures, and their panels one by one: on a phone these stand below each other.

At a window of 1280 px the book's column is 688 px wide, at one of 390 px it is 358 px (96 px an inch). No
text may get below 9 px on the screen: a figure without panels is narrow enough to be shown whole on a phone,
one with panels is as wide as the column, in rows of two, and a phone shows each panel in its own size
(`helpers.pages.figures`).
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

# Inches. On a phone a figure without panels shrinks to 0.83 of its size: 8.5 points are then 9.4 px.
WIDE, PANEL, NARROW = 7.16, 3.58, 4.5
LEGEND, REMARK = "legend", "remark"
CURVE, _READABLE = "radbook-curve", "radbook-readable"
_POINTS = 72  # an inch
_ROOM = 3  # points around a panel


def mark_panels(drawing: Path, figure: Figure) -> None:
    """Write into a saved SVG where its panels are, and the axes whose values can be read, as JSON.

    Parameters
    ----------
    drawing : Path
        The SVG as matplotlib saved it, not cropped.
    figure : Figure
        What it shows.
    """
    boxes = [[name, *(round(number, 1) for number in box)] for name, box in panel_boxes(figure)]
    told = {"data-panels": boxes}
    if readable := readable_axes(figure):
        told["data-axes"] = readable
    marks = "".join(
        f'{name}="{html.escape(json.dumps(of, ensure_ascii=False))}" ' for name, of in told.items()
    )
    marked = drawing.read_text(encoding="utf-8").replace("<svg ", f"<svg {marks}", 1)
    drawing.write_text(marked, encoding="utf-8")


def let_read(axis: Axes) -> None:
    """Let a page tell the values of this axes' labelled lines (book/_static/values.js)."""
    axis.set_gid(_READABLE)
    for line in axis.lines:
        if not line.get_label().startswith("_"):
            line.set_gid(CURVE)


def readable_axes(figure: Figure) -> list[list[float]]:
    """Left, top, width and height (points) and the limits (x, y) of each axes whose values a page tells."""
    renderer, height = figure.canvas.get_renderer(), figure.get_size_inches()[1] * _POINTS
    found = []
    for axis in figure.axes:
        if axis.get_gid() == _READABLE:
            (x0, y0), (x1, y1) = axis.get_window_extent(renderer).get_points() * _POINTS / figure.dpi
            place = [round(float(number), 2) for number in (x0, height - y1, x1 - x0, y1 - y0)]
            found.append([*place, *(float(end) for end in (*axis.get_xlim(), *axis.get_ylim()))])
    return found


def panel_boxes(figure: Figure) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Name and box of each panel, of legends and of remarks: left, top, width and height in points.

    Axes of one label are one panel of that name. Legends of the whole figure come first where they are drawn
    above all panels. A narrow figure has no panels: a phone shows it whole.
    """
    width, height = figure.get_size_inches() * _POINTS
    if width <= NARROW * _POINTS:
        return []
    renderer = figure.canvas.get_renderer()
    panels = _panels(figure, renderer)
    legends = [(LEGEND, legend.get_window_extent(renderer)) for legend in figure.legends]
    highest = max((box.y1 for _, box in panels), default=0)
    parts = [part for part in legends if part[1].y0 >= highest - 1]
    parts += [*panels, *(part for part in legends if part not in parts)]
    parts += [(REMARK, text.get_window_extent(renderer)) for text in figure.texts if text.get_text()]
    scale, drawn = _POINTS / figure.dpi, []
    for name, box in parts:
        left, right = max(box.x0 * scale - _ROOM, 0), min(box.x1 * scale + _ROOM, width)
        low, high = max(box.y0 * scale - _ROOM, 0), min(box.y1 * scale + _ROOM, height)
        drawn.append((name, (left, height - high, right - left, high - low)))
    return drawn


def _panels(figure: Figure, renderer: RendererBase) -> list[tuple[str, Bbox]]:
    """What each panel takes with its titles, labels and legends (pixels)."""
    together: dict[str, list[Bbox]] = {}
    for number, axis in enumerate(figure.axes):
        box = axis.get_tightbbox(renderer)
        if box is not None and box.width > 0:
            together.setdefault(axis.get_label() or str(number), []).append(box)
    return [(name, Bbox.union(boxes)) for name, boxes in together.items()]


def wrapped_names(names: Iterable[str], width: int = 24) -> list[str]:
    """Long names in two lines or more, so that a narrow axis has room beside them."""
    # A number stays with its unit.
    return [textwrap.fill(name.replace(" mm", "\u00a0mm"), width) for name in names]
