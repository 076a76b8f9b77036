"""Run a study: the notebooks in order with papermill, then the book; keep a record of it all."""

from __future__ import annotations

import ast
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import papermill
import yaml

from helpers.errors import StudyError
from helpers.features.blocks import read_settings
from helpers.features.ready import check_feature_tables
from helpers.frozen.new_hospital import check_before_applying
from helpers.pages import leaks
from helpers.pages.build import build_book
from helpers.patients.table import check_tables
from helpers.study.places import REPOSITORY, STEPS, replacing, shown_path
from helpers.study.run_folder import Run, open_run
from helpers.study.study_file import Study, load_study

RECORDED = ["pyradiomics-bhklab", "SimpleITK", "PyWavelets", "numpy", "scipy", "pandas", "scikit-learn"]
RECORDED += ["imbalanced-learn", "xgboost", "lightgbm", "statsmodels", "papermill", "jupyter-book"]
# These read a hospital's own files: then they run each time, and take from the cache what did not change.
PER_CASE_STEPS = ("01", "02", "03")
NO_DEVELOPMENT = "No site has the role 'development': name one, or apply a frozen model (radbook apply)."
IMAGE_STEPS = ("02", "03")
APPLY_STEP, EVIDENCE_STEP = "11", "12"
NOT_NEEDED = "not needed"
# A notebook's results follow from the artifacts of those before it, but for these:
READS_NOTHING = ("09", "14")
READS_TABLES = ("13",)  # the tables of share/ too


@dataclass(frozen=True)
class StepResult:
    """How one notebook, or the book, ended."""

    name: str
    status: str
    seconds: float


def run_study(
    study_file: Path | str,
    run_dir: Path | str | None = None,
    first: str = "01",
    last: str = "99",
    overrides: tuple[str, ...] = (),
    workers: int = 0,
) -> list[StepResult]:
    """Execute the notebooks ``first`` to ``last`` and render the book.

    A notebook is not executed again when nothing changed that its results follow from. Only 01 to 03 always
    look at a hospital's own files, and are quick where every case is in the cache.

    Parameters
    ----------
    study_file : path
        The study file.
    run_dir : path, optional
        The run folder; ``runs/<name of the study>`` by default.
    first, last : str
        Notebook numbers, for example "04".
    overrides : tuple of str
        ``NN.name=value``, as on the command line; they win over the study file's ``parameters``.
    workers : int
        Parallel processes; 0 means one per core.

    Raises
    ------
    StudyError
        Before anything runs when a name is unknown; afterwards when a notebook failed.
    """
    steps = chosen_steps(first, last)
    found = problems(study_file, overrides)
    if found:
        raise StudyError("\n".join(found))
    run = run_folder(study_file, run_dir)
    common = {"study": shown_path(study_file), "run_dir": shown_path(run.folder), "workers": workers}
    parameters = notebook_parameters(run.study.parameters, overrides, common)
    memory = Memory.of(run)
    results = []
    for step in steps:
        if not is_needed(run.study, step, parameters[step]):
            results.append(StepResult(STEPS[step], NOT_NEEDED, 0.0))
            continue
        if memory.holds(step, parameters[step]):
            results.append(StepResult(STEPS[step], "as before", 0.0))
            continue
        results.append(execute(run, step, parameters[step]))
        record(run, study_file, results[-1])
        memory = memory.after(step, parameters[step])
        memory.keep()
    started = time.perf_counter()
    build_book(run)
    results.append(StepResult("book", "ok", time.perf_counter() - started))
    record(run, study_file, results[-1])
    return results


def apply_bundle(
    bundle: Path | str,
    study_file: Path | str,
    run_dir: Path | str | None = None,
    accept_differences: bool = False,
    workers: int = 0,
) -> Run:
    """Score the patients of a study with a frozen model: notebook 11 and its book.

    Parameters
    ----------
    bundle : path
        The folder with model.json.
    study_file : path
        The new patients; all their sites count as external.
    run_dir : path, optional
        ``runs/<name of the study>-applied`` by default, beside the study's own run if there is one.
    accept_differences : bool
        Go on when settings, engine or outcome are not the bundle's; the page then tells.
    workers : int
        Parallel processes; 0 means one per core.

    Raises
    ------
    StudyError
        Before anything is measured when tables, settings or engine do not fit; or when the notebook failed.
    """
    run = open_run(study_file, run_dir or REPOSITORY / "runs" / f"{load_study(study_file).name}-applied")
    check_before_applying(run, shown_path(bundle), accept_differences)
    common = {"study": shown_path(study_file), "run_dir": shown_path(run.folder), "workers": workers}
    parameters = notebook_parameters({}, (), common)[APPLY_STEP]
    parameters |= {"bundle": shown_path(bundle), "new_study": common["study"]}
    parameters |= {"accept_differences": accept_differences}
    record(run, study_file, execute(run, APPLY_STEP, parameters))
    build_book(run)
    return run


def is_needed(study: Study, step: str, parameters: dict[str, Any]) -> bool:
    """Whether a study has work for a notebook.

    Ready features need no images (02, 03). A new hospital (11) is one that the parameters name, or a third
    virtual one. The evidence for the virtual cohort (12) is about the two virtual hospitals.
    """
    virtual = {site.role for site in study.sites if site.virtual}
    if step in IMAGE_STEPS:
        return not study.has_features
    if step == APPLY_STEP:
        return bool(parameters.get("new_study") or virtual)
    return step != EVIDENCE_STEP or virtual == {"development", "external"}


def run_folder(study_file: Path | str, run_dir: Path | str | None = None) -> Run:
    """The run folder asked for, or ``runs/<name of the study>``.

    Raises
    ------
    StudyError
        When the latter holds the results of another study file of the same name.
    """
    if run_dir is not None:
        return open_run(study_file, run_dir)
    run = open_run(study_file, REPOSITORY / "runs" / load_study(study_file).name)
    owner = _recorded(run).get("study_file", shown_path(study_file))
    # A study file that was moved takes its results along.
    if owner != shown_path(study_file) and (REPOSITORY / Path(owner).expanduser()).is_file():
        raise StudyError(
            f"runs/{run.study.name} holds the results of the study file '{owner}'. Give this study another "
            "name, or name another folder with --run-dir."
        )
    return run


def problems(study_file: Path | str, overrides: tuple[str, ...] = ()) -> list[str]:
    """Everything that would stop a study: settings, tables, parameter names; empty when all is well."""
    study = load_study(study_file)
    found = check_tables(study) + (check_feature_tables(study) if study.has_features else [])
    if not any(site.role == "development" for site in study.sites):
        found.append(NO_DEVELOPMENT)
    checks = [
        lambda: study.extraction and read_settings(study.path(study.extraction)),
        lambda: notebook_parameters(study.parameters, overrides, {}),
    ]
    for check in checks:
        try:
            check()
        except StudyError as error:
            found.append(str(error))
    return found


def chosen_steps(first: str, last: str) -> list[str]:
    """Notebook numbers from ``first`` to ``last``, in order."""
    for number in {first, last} - {"99"}:
        if number not in STEPS:
            raise StudyError(f"There is no notebook '{number}'; there are {', '.join(STEPS)}.")
    return [number for number in STEPS if first <= number <= last]


def notebook_parameters(
    from_study: dict[str, dict], overrides: tuple[str, ...], common: dict[str, Any]
) -> dict[str, dict]:
    """Each notebook's parameters: those common to all that it declares, the study file's, the overrides.

    Raises
    ------
    StudyError
        For a notebook or a parameter name that does not exist.
    """
    asked: dict[str, dict] = {number: dict(values) for number, values in from_study.items()}
    for text in overrides:
        target, equals, value = text.partition("=")
        number, dot, name = target.partition(".")
        if not (equals and dot):
            raise StudyError(
                f"'-p {text}' is not of the form NN.name=value, for example 04.mrmr_features=30."
            )
        asked.setdefault(number, {})[name] = yaml.safe_load(value)
    declared = {number: _declared(number) for number in STEPS}
    for number, values in asked.items():
        if number not in declared:
            raise StudyError(f"Parameters are given for notebook '{number}'; there are {', '.join(STEPS)}.")
        unknown = sorted(set(values) - set(declared[number]))
        if unknown:
            known = ", ".join(sorted(set(declared[number]) - set(common)))
            raise StudyError(f"Notebook {number} has no parameter '{unknown[0]}'; it has {known}.")
    return {
        number: {name: value for name, value in common.items() if name in names} | asked.get(number, {})
        for number, names in declared.items()
    }


def execute(run: Run, step: str, parameters: dict[str, Any]) -> StepResult:
    """Run one notebook with papermill into the run folder; its progress bars go to standard error."""
    name = STEPS[step]
    output = run.notebooks / f"{name}.ipynb"
    print(f"{name} ...", file=sys.stderr, flush=True)
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            _source(step),
            output,
            parameters=parameters,
            kernel_name="python3",
            cwd=REPOSITORY,
            progress_bar=False,
            stderr_file=sys.stderr,
            # The kernel listens on this machine only; its note about unencrypted ports is no news.
            extra_arguments=["--log-level=50"],
        )
    except papermill.PapermillExecutionError as error:
        failed = StepResult(name, "failed", time.perf_counter() - started)
        record(run, None, failed)
        _blot(run, output)
        raise StudyError(_failure(run, step, error)) from None
    return StepResult(name, "ok", time.perf_counter() - started)


def _blot(run: Run, notebook: Path) -> None:
    """Take raw identifiers out of a notebook that failed: a library's error may quote a path."""
    text = notebook.read_text(encoding="utf-8")
    with replacing(notebook) as path:
        path.write_text(leaks.redacted(run, text), encoding="utf-8")


def _failure(run: Run, step: str, error: papermill.PapermillExecutionError) -> str:
    """Five lines: which notebook and cell, what went wrong, where to look, what is kept, how to go on."""
    kept = ", ".join(number for number in STEPS if number < step) or "none"
    return "\n".join(
        [
            f"Notebook {STEPS[step]} stopped in its code cell {error.exec_count}.",
            f"{error.ename}: {leaks.redacted(run, ' '.join(str(error.evalue).split()))}",
            f"The notebook with the error: {shown_path(run.notebooks / STEPS[step])}.ipynb",
            f"Kept: the results of the notebooks before it ({kept}) and every case already computed.",
            f"When it is mended, go on with: radbook run ... --from {step}",
        ]
    )


def record(run: Run, study_file: Path | str | None, result: StepResult) -> None:
    """Add one result to run.json, with everything needed to say later what was run."""
    content, now = _recorded(run), datetime.datetime.now(datetime.UTC)
    if study_file is not None:
        content["study_file"] = shown_path(study_file)
    content |= {
        "study": run.study.name,
        "virtual": run.study.is_virtual,
        "seed": run.study.seed,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in RECORDED},
        "updated": now.isoformat(timespec="seconds"),
    }
    content.setdefault("notebooks", {})[result.name] = {
        "status": result.status,
        "seconds": round(result.seconds, 1),
        "started": (now - datetime.timedelta(seconds=result.seconds)).isoformat(timespec="seconds"),
    }
    with replacing(run.record) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _recorded(run: Run) -> dict[str, Any]:
    """What run.json says; empty before anything was recorded."""
    return json.loads(run.record.read_text(encoding="utf-8")) if run.record.is_file() else {}


def cache_needed_since(run: Run) -> float | None:
    """When the notebook that has stood unchanged for longest began (seconds since the epoch).

    Cached cases that no notebook has looked at since then are not what the run's results follow from. None
    when the last run did not finish: then it may not have come to all patients yet.
    """
    recorded = _recorded(run)["notebooks"]
    executed = [recorded[name] for name in STEPS.values() if name in recorded]
    if not executed or any(entry["status"] != "ok" or "started" not in entry for entry in executed):
        return None
    return min(datetime.datetime.fromisoformat(entry["started"]).timestamp() for entry in executed)


def summary(results: list[StepResult]) -> str:
    """A line for each notebook: name, status, seconds."""
    lines = [f"{result.name:<32}{result.status:<11}{result.seconds:7.1f} s" for result in results]
    total = sum(result.seconds for result in results)
    return "\n".join([*lines, f"{'total':<43}{total:7.1f} s"])


@dataclass(frozen=True)
class Memory:
    """What the last run of a run folder was made of, to tell which notebooks would give the same again.

    Attributes
    ----------
    origins : dict of str to str
        For each notebook number the hash of its source, its parameters, the study, the package and versions.
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
    return _recorded(run).get("notebooks", {}).get(STEPS[step], {}).get("status") != "ok"


def _origin(run: Run, step: str, parameters: dict[str, Any]) -> str:
    """Hash of everything but earlier results; who computes changes nothing."""
    package = sorted(Path(__file__).parent.rglob("*.py"))
    settings = [run.study.path(run.study.extraction)] if run.study.extraction else []
    printed = [
        path for name in ("paper", "virtual") for path in sorted((REPOSITORY / "data" / name).iterdir())
    ]
    protocols = [run.study.path(site.virtual.protocol) for site in run.study.sites if site.virtual]
    files = [_source(step), *settings, *printed, *protocols, *package]
    values = {name: value for name, value in parameters.items() if name != "workers"}
    values |= {
        "study": run.study.model_dump_json(exclude={"scheduler"}),
        "versions": {name: version(name) for name in RECORDED},
    }
    return _hash([json.dumps(values, sort_keys=True).encode(), *(path.read_bytes() for path in files)])


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
    return _hash([part for path in files for part in (str(path).encode(), path.read_bytes())])


def _hash(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def default_parameters(number: str) -> dict[str, Any]:
    """What a notebook's parameters are when nobody says otherwise."""
    declared = papermill.inspect_notebook(_source(number))
    return {name: ast.literal_eval(parameter["default"]) for name, parameter in declared.items()}


def _declared(number: str) -> list[str]:
    return list(papermill.inspect_notebook(_source(number)))


def _source(step: str) -> Path:
    """The notebook of the repository; the run folder holds the executed one of the same name."""
    return REPOSITORY / "notebooks" / f"{STEPS[step]}.ipynb"


def _commit() -> str | None:
    """The commit of the working copy, with '+' when files differ from it; None outside a checkout."""
    command = [
        "git",
        "-C",
        str(REPOSITORY),
        "describe",
        "--always",
        "--abbrev=12",
        "--dirty=+",
        "--exclude=*",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
