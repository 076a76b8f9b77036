"""Tables of the pages that are written when the book is built."""

from __future__ import annotations

import math


def list_table(rows: list[list[str]], widths: str, kind: str = "radbook-stacked") -> str:
    """A table in MyST; the first row is its head.

    Parameters
    ----------
    rows : list of list of str
        Cells as MyST text of one line.
    widths : str
        Shares of the columns, such as "10 60 30".
    kind : str
        CSS classes: on a phone the cells of a "radbook-stacked" table stand below each other.
    """
    lines = ["```{list-table}", ":header-rows: 1", f":widths: {widths}", f":class: {kind}", ""]
    for row in rows:
        lines += [f"{'  -' if place else '* -'} {cell}".rstrip() for place, cell in enumerate(row)]
    return "\n".join([*lines, "```", ""])


def shown(value: object, digits: int = 3) -> str:
    """A cell of a shared table: rounded; an empty or hidden one as a dash or as it is."""
    if isinstance(value, str):
        return value or "–"
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
