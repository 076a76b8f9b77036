"""What the notebooks of a run were made of, to tell which of them would only repeat what is there."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
from grimp import ImportGraph, build_graph

from helpers.commands.parameters import notebook_source
from helpers.commands.record import RECORDED
from helpers.commands.side_by_side import behind
from helpers.plots.style import STYLE
from helpers.study.content_hash import content_hash, file_hash
from helpers.study.ledger import Entry
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import Run

# These read a hospital's own files: then they run each time, and take from the cache what did not change.
PER_CASE_STEPS = ("01", "02", "03")
# Where the results lie, and who computes, changes none.
_NOT_IN_RESULTS = {"study", "run_dir", "workers"}
# Study files of others, who may change their tables; the book's own real patients lie in data/real.
_OTHERS = {"new_study", "real_study", "pooled"}
REAL_STEP = "15"
# What a chapter shows; what it no longer shows must go.
_SHOWN = ("share/", "private/tables/", "private/figures/")


def holds(run: Run, step: str, parameters: dict[str, Any]) -> bool:
    """Whether executing the notebook ``step`` would only repeat what is there.

    It would not when it failed or was stopped, when something that it has written, or that this was made of,
    is not what it was, or when its code, the study or its parameters have changed.
    """
    virtual = all(site.virtual is not None for site in run.study.sites)
    if (step in PER_CASE_STEPS and not virtual) or _OTHERS.intersection(parameters):
        return False
    entries, notebook = run.ledger.entries(), _notebook(run, step)
    known = entries.get(run.place(notebook))
    if known is None or known.origin != _origin(run, step, parameters):
        return False
    return not run.misfits(notebook, *(run.folder / name for name in _written_by(step, entries)))


def begin(run: Run, step: str) -> None:
    """Trust nothing that the chapter shows until it has come to its end."""
    with run.ledger.changing() as entries:
        names = [name for name in _written_by(step, entries) if name.startswith((*_SHOWN, "notebooks/"))]
        entries |= {name: replace(entries[name], sha256="") for name in names}


def finish(run: Run, step: str, parameters: dict[str, Any]) -> None:
    """Put down what the executed notebook was made of; remove what the chapter showed before and no more."""
    path, origin = _notebook(run, step), _origin(run, step, parameters)
    place = run.place(path)
    with run.ledger.changing() as entries:
        mine = {name: entries[name] for name in _written_by(step, entries) if name != place}
        for name in [name for name, entry in mine.items() if not entry.sha256]:
            (run.folder / name).unlink(missing_ok=True)
            del entries[name], mine[name]
        read = {name: digest for entry in mine.values() for name, digest in entry.read.items()}
        read = {name: digest for name, digest in read.items() if name not in mine}
        read |= {name: entry.sha256 for name, entry in mine.items() if name.startswith("share/")}
        entries[place] = Entry(file_hash(path), {step: run.made_with(step, place)}, read, origin)


def repeat_from(run: Run, step: str) -> str:
    """The chapter from which to go on when ``step`` failed: one that it needs, whose results do not fit."""
    paths = [*run.private.glob("*.parquet"), *map(run.json_path, ("selection", "models"))]
    misfits = run.misfits(*(path for path in paths if path.is_file()))
    return min([step, *({one.chapter for one in misfits} & behind(step))])


def _written_by(step: str, entries: dict[str, Entry]) -> list[str]:
    return [name for name, entry in entries.items() if step in entry.settings]


def _notebook(run: Run, step: str) -> Path:
    return run.notebooks / f"{STEPS[step]}.ipynb"


def _origin(run: Run, step: str, parameters: dict[str, Any]) -> str:
    """Hash of everything but earlier results; who computes changes nothing."""
    settings = [run.study.path(run.study.extraction)] if run.study.extraction else []
    data = REPOSITORY / "data"
    printed = [path for name in ("paper", "virtual") for path in sorted((data / name).iterdir())]
    if step == REAL_STEP:
        printed += [*sorted((data / "real").iterdir()), data / "studies" / "real.yml"]
    protocols = [run.study.path(site.virtual.protocol) for site in run.study.sites if site.virtual]
    files = [notebook_source(step), STYLE, *settings, *printed, *protocols, *_code_behind(step)]
    values = {name: value for name, value in parameters.items() if name not in _NOT_IN_RESULTS}
    values |= {
        "of study": run.study.model_dump_json(exclude={"scheduler", "file", "parameters"}),
        "versions": {name: version(name) for name in RECORDED},
    }
    return content_hash(json.dumps(values, sort_keys=True), *files)


def _code_behind(step: str) -> list[Path]:
    """Source files of the modules that a notebook imports, and of those that they import in turn."""
    notebook = nbformat.read(notebook_source(step), as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    graph, used = _imports(), set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            used |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)} & graph.modules
    used |= {module for one in used for module in graph.find_upstream_modules(one)}
    return sorted(Path(find_spec(module).origin) for module in used)


@cache
def _imports() -> ImportGraph:
    """Which module of the package imports which."""
    return build_graph("helpers", exclude_type_checking_imports=True, cache_dir=None)
