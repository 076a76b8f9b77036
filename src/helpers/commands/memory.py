"""What the last run was made of, to tell which notebooks would only repeat what is there."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
from grimp import ImportGraph, build_graph

from helpers.commands.parameters import notebook_source
from helpers.commands.record import RECORDED, read_record
from helpers.plots.style import STYLE
from helpers.study.content_hash import content_hash
from helpers.study.places import REPOSITORY, STEPS, replacing
from helpers.study.run_folder import Run

# These read a hospital's own files: then they run each time, and take from the cache what did not change.
PER_CASE_STEPS = ("01", "02", "03")
# A notebook's results follow from the artifacts of those before it, but for these:
READS_NOTHING = ("09", "14")
READS_TABLES = ("13",)  # the tables of share/ too


@dataclass(frozen=True)
class Memory:
    """What the last run of a run folder was made of, to tell which notebooks would give the same again.

    Attributes
    ----------
    origins : dict of str to str
        For each notebook number the hash of its source, its parameters, the study, the modules it uses, and
        versions.
    results : dict of str to str
        Hashes of the artifacts, and of the tables and figures, as they are now.
    """

    run: Run
    origins: dict[str, str]
    results: dict[str, str]

    @classmethod
    def of(cls, run: Run) -> Memory:
        """Read what the last run left in the run folder; when a result differs, nothing is trusted."""
        path, now = run.private / "memory.json", _result_hashes(run)
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return cls(run, known["origins"] if known.get("results") == now else {}, now)

    def holds(self, step: str, parameters: dict[str, Any]) -> bool:
        """Whether executing ``step`` would only repeat what is there."""
        # A notebook that failed leaves its results as they were, but is itself the one with the error.
        there = (self.run.notebooks / f"{STEPS[step]}.ipynb").is_file() and not _failed(self.run, step)
        same = self.origins.get(step) == _origin(self.run, step, parameters)
        virtual = all(site.virtual is not None for site in self.run.study.sites)
        looks_at_files = (step in PER_CASE_STEPS and not virtual) or bool(parameters.get("new_study"))
        return not looks_at_files and there and same

    def after(self, step: str, parameters: dict[str, Any]) -> Memory:
        """Memory after ``step`` was executed; later notebooks that read what it changed are forgotten."""
        now = _result_hashes(self.run)
        changed = {kind for kind, digest in now.items() if digest != self.results[kind]}
        outdated = {number for number in STEPS if number > step and changed & _read_by(number)}
        kept = {number: origin for number, origin in self.origins.items() if number not in outdated}
        return Memory(self.run, kept | {step: _origin(self.run, step, parameters)}, now)

    def keep(self) -> None:
        """Leave the memory in the run folder; what a notebook wrote before it was cut off is not trusted."""
        content = {"origins": self.origins, "results": self.results}
        with replacing(self.run.private / "memory.json") as path:
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _failed(run: Run, step: str) -> bool:
    return read_record(run).get("notebooks", {}).get(STEPS[step], {}).get("status") != "ok"


def _origin(run: Run, step: str, parameters: dict[str, Any]) -> str:
    """Hash of everything but earlier results; who computes changes nothing."""
    settings = [run.study.path(run.study.extraction)] if run.study.extraction else []
    printed = [
        path for name in ("paper", "virtual") for path in sorted((REPOSITORY / "data" / name).iterdir())
    ]
    protocols = [run.study.path(site.virtual.protocol) for site in run.study.sites if site.virtual]
    files = [notebook_source(step), STYLE, *settings, *printed, *protocols, *_code_behind(step)]
    values = {name: value for name, value in parameters.items() if name != "workers"}
    values |= {
        "study": run.study.model_dump_json(exclude={"scheduler", "file"}),
        "folder": str(run.study.folder),
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


def _read_by(step: str) -> set[str]:
    if step in READS_NOTHING:
        return set()
    return {"artifacts", "tables"} if step in READS_TABLES else {"artifacts"}


def _result_hashes(run: Run) -> dict[str, str]:
    """Hashes of the artifacts and the frozen model, and of all tables and figures; not of the cache."""
    artifacts = [*run.private.glob("*.parquet"), *run.private.glob("*.json"), *run.bundle.rglob("*")]
    artifacts = [path for path in artifacts if path != run.private / "memory.json"]
    shown = [run.folder / "share", run.private / "tables", run.private / "figures"]
    tables = [path for folder in shown for path in folder.rglob("*")]
    tables += run.new_hospital.rglob("*.parquet")
    return {"artifacts": _files_hash(artifacts), "tables": _files_hash(tables)}


def _files_hash(paths: list[Path]) -> str:
    files = sorted(path for path in paths if path.is_file())
    return content_hash(*(part for path in files for part in (str(path), path)))
