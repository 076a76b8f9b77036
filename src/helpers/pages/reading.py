"""A chapter as a reader meets it: its figure in front, its code folded."""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode

OPENING = "opening"  # tag of the cell whose figure opens the chapter
_SHOWN = ("image/", "text/html")


def open_with_figure(notebook: NotebookNode) -> None:
    """Move the figure of the cell tagged ``opening`` to the top, below the chapter's title.

    The notebook itself keeps it where it is drawn. Nothing is moved where the cell drew nothing.
    """
    for cell in notebook.cells:
        if OPENING not in cell.metadata.get("tags", []):
            continue
        figure = [output for output in cell.outputs if _is_shown(output)]
        if figure:
            cell.outputs = [output for output in cell.outputs if output not in figure]
            front = nbformat.v4.new_code_cell("# The figure of this chapter", outputs=figure, id=OPENING)
            front.metadata = nbformat.from_dict({"tags": ["remove-input"]})
            if "mystnb" in cell.metadata:
                front.metadata["mystnb"] = cell.metadata.pop("mystnb")
            title, _, rest = notebook.cells[0].source.partition("\n\n")
            notebook.cells[0].source = rest
            heading = nbformat.v4.new_markdown_cell(title, id="title")
            notebook.cells[:0] = [heading, front]
        return


def fold_code(notebook: NotebookNode) -> None:
    """Put the code of every cell behind a click; the switch on the page (mode.js) opens all of it."""
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and not {"remove-input", "hide-input"} & {*tags}:
            cell.metadata["tags"] = [*tags, "hide-input"]


def _is_shown(output: NotebookNode) -> bool:
    return any(kind.startswith(_SHOWN) for kind in output.get("data", {}))
