"""One patient after another: results cached by content, and a parallel map that no bad case stops."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import re
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from helpers.cluster import on_cluster
from helpers.errors import StudyError

ENGINES = ("pyradiomics-bhklab", "PyWavelets", "SimpleITK")
_LEFTOVER_SECONDS = 3600
_DIGEST_BYTES = hashlib.sha256().digest_size


class Case(NamedTuple):
    """One patient as one reader saw them: pseudonym, name of the site, reader (1 or 2)."""

    patient_id: str
    site: str
    reader: int = 1


@dataclass(frozen=True)
class Outcome:
    """What came out of one case: its ``value``, or the ``reason`` why there is none."""

    case: Case
    value: Any = None
    reason: str = ""

    @property
    def refused(self) -> bool:
        """Whether the case failed."""
        return bool(self.reason)


@cache
def engine_versions() -> dict[str, str]:
    """Versions of the packages that a feature's value depends on, as their distributions state them."""
    # pywt.__version__ may lie; the installed distribution's metadata does not.
    return {name: version(name) for name in ENGINES}


@cache
def source_hash(*modules: ModuleType) -> str:
    """SHA-256 of modules' source code: part of a key, so that changed code makes new entries.

    Read once a process: a file edited meanwhile is not the code that runs.
    """
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()


@dataclass(frozen=True)
class CaseCache:
    """Results on disk, one file a case and stage, named by everything that determines the content.

    A file is the SHA-256 of its payload followed by the payload (NPZ), so that a damaged entry is
    noticed and computed again; it appears under its name only when it is whole. Its date says when it was
    last used.
    """

    folder: Path

    def key(self, stage: str, *parts: Any) -> str:
        """Name of the entry of ``stage`` made from ``parts`` (plain values) and the engines' versions."""
        text = json.dumps([stage, parts, engine_versions()], sort_keys=True)
        return f"{stage}/{hashlib.sha256(text.encode()).hexdigest()}"

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """Arrays saved under ``key``; None when there are none or the file is damaged.

        Raises
        ------
        StudyError
            When the cache's folder is not there: on a cluster's computer that cannot see the run folder.
        """
        try:
            content = self._path(key).read_bytes()
            os.utime(self._path(key))
        except FileNotFoundError:
            if self.folder.is_dir():
                return None
            raise StudyError(
                "The run folder cannot be seen from the computer that was to measure this patient. Keep the "
                "run folder and the study's files where all computers of the cluster have them."
            ) from None
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        try:
            with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
                return dict(arrays)
        except (ValueError, zipfile.BadZipFile):
            return None

    def save(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Save ``arrays`` under ``key``, whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        payload = buffer.getvalue()
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may write the same entry at once: each has its own temporary file.
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        os.replace(file.name, path)

    def usage(self, since: float) -> dict[str, tuple[int, int, int]]:
        """For each stage: entries, their bytes, how many were last used before ``since`` (epoch, s)."""
        usage = {}
        for stage in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            files = [path.stat() for path in stage.iterdir()]
            unused = sum(file.st_mtime < since for file in files)
            usage[stage.name] = len(files), sum(file.st_size for file in files), unused
        return usage

    def prune(self, before: float) -> int:
        """Remove what was last used before this time (seconds since the epoch); returns how many files.

        What a killed process left half-written goes as well; a run under way loses nothing but time.
        """
        # What is being written now is no leftover.
        limits = {".case": before, ".part": min(before, time.time() - _LEFTOVER_SECONDS)}
        old = [path for path in self.folder.glob("*/*") if path.stat().st_mtime < limits[path.suffix]]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.case"


def map_cases(
    function: Callable[[Case], Any],
    cases: Sequence[Case],
    workers: int,
    label: str,
    scheduler: str | None = None,
) -> list[Outcome]:
    """Apply ``function`` to every case in parallel, with a progress bar on stderr.

    Parameters
    ----------
    function : callable
        Takes a case; must be picklable. What it raises becomes the reason of a refused outcome.
    cases : sequence of Case
    workers : int
        Processes of this computer; 0 means one a core.
    label : str
        What the progress bar says.
    scheduler : str, optional
        Address of a dask scheduler, whose workers are used instead of this computer's.

    Returns
    -------
    list of Outcome
        In the order of ``cases``, whatever the number of workers.

    Raises
    ------
    StudyError
        When workers were ended, mostly for lack of memory.
    """
    attempt = partial(_attempt, function)
    outcomes = on_cluster(attempt, cases, scheduler) if scheduler else _on_cores(attempt, cases, workers)
    try:
        return list(tqdm(outcomes, total=len(cases), desc=label, unit="case"))
    except TerminatedWorkerError as error:
        raise StudyError(
            f"The computer ended a worker during '{label}', mostly for lack of memory. Finished patients "
            "are kept: run again with fewer workers."
        ) from error


def require_some(outcomes: Sequence[Outcome]) -> None:
    """Stop when every case was refused: then the study file is wrong, not the patients.

    Raises
    ------
    StudyError
        With the first reasons.
    """
    if outcomes and all(outcome.refused for outcome in outcomes):
        reasons = " ".join(outcome.reason for outcome in outcomes[:3])
        raise StudyError(f"None of the {len(outcomes)} patients could be used. The first reasons: {reasons}")


def _on_cores(attempt: Callable[[Case], Outcome], cases: Sequence[Case], workers: int) -> Iterator[Outcome]:
    return Parallel(n_jobs=workers or -1, return_as="generator")(delayed(attempt)(case) for case in cases)


def _attempt(function: Callable[[Case], Any], case: Case) -> Outcome:
    # One thread a worker: more of them only compete, and sums would depend on their number.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    # ITK's warnings quote paths, on a stream that ends in the notebook.
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        with threadpool_limits(1):
            return Outcome(case, function(case))
    except Exception as error:  # one bad case never stops the cohort
        return Outcome(case, reason=_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, StudyError):
        return str(error)
    # A path may hold a patient's name or number, and spaces: nothing of a line is kept from it on.
    text = error.strerror if isinstance(error, OSError) else str(error)
    text = re.sub(r"[^\s'\"]*[/\\].*", "...", str(text))
    return f"Unexpected {type(error).__name__}: {' '.join(text.split()) or 'no message'}."
