"""Texts from files, fit for a line: of a table's cell, a DICOM header, the study file."""

from __future__ import annotations

import re

# Control characters, which no picture or spreadsheet can hold, and marks that turn the direction of writing.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]+")


def one_line(text: str) -> str:
    """The text with a space in place of line ends and of what cannot be seen, and none around it."""
    return _UNSEEN.sub(" ", text).strip()
