"""Notebooks run in this process: no kernel has to start, and a test may change what they import."""

from __future__ import annotations

import ast
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat


def execute(notebook: Path, parameters: dict) -> None:
    """Run a notebook's code as papermill would, and render what each cell would show."""
    names: dict = {"display": show}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, notebook.name, "exec"), names)
        if last is not None:
            show(eval(compile(ast.Expression(last.value), notebook.name, "eval"), names))
        if "parameters" in cell.metadata.get("tags", []):
            names |= parameters
    plt.close("all")


def show(value: object) -> None:
    """Render a value as the page would: styled tables are computed only then."""
    if hasattr(value, "_repr_html_"):
        value._repr_html_()
