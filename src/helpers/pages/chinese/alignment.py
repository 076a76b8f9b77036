"""Lines of a label that Matplotlib placed by their English widths: centred ones stay centred in Chinese."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

_PLACE = re.compile(r"translate\((?P<x>[-\d.]+) (?P<y>[-\d.]+)\)(?! rotate)")
_SIZE = re.compile(r"font-size: ([\d.]+)px")
_ALIGNMENTS = (0.0, 0.5, 1.0)  # left, centred, right
_CHINESE_EM = 1.0


def moves(tags: list[str], english: list[str], chinese: list[str]) -> list[str]:
    """The ``text`` tags of a label's lines, moved to where their Chinese words belong.

    Parameters
    ----------
    tags : list of str
        As Matplotlib writes them: the lines of a label have a place of their own, the left end.
    english, chinese : list of str
        What stood in them, and what will.

    Returns
    -------
    list of str
        The same tags where the label has one line, is turned, or is aligned to the left.
    """
    places = [_PLACE.search(tag) for tag in tags]
    if len(tags) < 2 or not all(places):
        return tags
    left = np.array([float(place["x"]) for place in places])
    sizes = [float(_SIZE.search(tag)[1]) for tag in tags]
    before, after = (np.array(list(map(_width, texts, sizes))) for texts in (english, chinese))
    share = min(_ALIGNMENTS, key=lambda part: np.ptp(left + part * before))
    return [
        _PLACE.sub(f"translate({x:.6f} {place['y']})", tag)
        for tag, place, x in zip(tags, places, left + share * (before - after), strict=True)
    ]


def _width(text: str, size: float) -> float:
    """Width of a line at a size, in the size's unit; a Chinese character is as wide as high."""
    latin = "".join(letter for letter in text if letter < "\u2e80")
    width = text_to_path.get_text_width_height_descent(latin, FontProperties(size=size), ismath=False)[0]
    return width + _CHINESE_EM * size * (len(text) - len(latin))
