"""run.json: what was run, with what, when, and how it ended."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version

from helpers.study.lock import in_turn
from helpers.study.places import REPOSITORY, STEPS, shown_path, write_json
from helpers.study.run_folder import Run, read_record

RECORDED = ["pyradiomics-bhklab", "SimpleITK", "PyWavelets", "numpy", "scipy", "pandas", "scikit-learn"]
RECORDED += ["imbalanced-learn", "xgboost", "lightgbm", "statsmodels", "papermill", "jupyter-book"]


@dataclass(frozen=True)
class StepResult:
    """How one notebook, or the book, ended, and how many workers it had."""

    name: str
    status: str
    seconds: float
    workers: int = 1


def write_record(run: Run, result: StepResult) -> None:
    """Add one result to run.json, with everything needed to say later what was run."""
    with in_turn(run.record):
        _write(run, result)


def _write(run: Run, result: StepResult) -> None:
    content, now = read_record(run.folder), datetime.datetime.now(datetime.UTC)
    content |= {
        "study_file": shown_path(run.study.file),
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
        "workers": result.workers,
        "started": (now - datetime.timedelta(seconds=result.seconds)).isoformat(timespec="seconds"),
    }
    write_json(run.record, content)


def cache_needed_since(run: Run) -> float | None:
    """When the notebook that has stood unchanged for longest began (seconds since the epoch).

    Cached cases that no notebook has looked at since then are not what the run's results follow from. None
    when the last run did not finish: then it may not have come to all patients yet.
    """
    recorded = read_record(run.folder).get("notebooks", {})
    executed = [recorded[name] for name in STEPS.values() if name in recorded]
    if not executed or any(entry["status"] != "ok" or "started" not in entry for entry in executed):
        return None
    return min(datetime.datetime.fromisoformat(entry["started"]).timestamp() for entry in executed)


def summary(results: list[StepResult], seconds: float) -> str:
    """A line for each notebook: name, status, seconds. Side by side they took ``seconds`` in all."""
    lines = [f"{result.name:<32}{result.status:<11}{result.seconds:7.1f} s" for result in results]
    return "\n".join([*lines, f"{'total':<43}{seconds:7.1f} s"])


def _commit() -> str | None:
    """The commit of the working copy, with '+' when files differ from it; None outside a checkout."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
