"""One patient after another: results cached by content, and a parallel map that no bad case stops."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

from helpers.errors import StudyError

ENGINES = ("pyradiomics-bhklab", "PyWavelets", "SimpleITK")
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


def engine_versions() -> dict[str, str]:
    """Versions of the packages that a feature's value depends on, as their distributions state them."""
    # pywt.__version__ may lie; the installed distribution's metadata does not.
    return {name: version(name) for name in ENGINES}


def source_hash(*modules: ModuleType) -> str:
    """SHA-256 of modules' source code: part of a key, so that changed code makes new entries."""
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()


@dataclass(frozen=True)
class CaseCache:
    """Results on disk, one file a case and stage, named by everything that determines the content.

    A file is the SHA-256 of its payload followed by the payload (NPZ), so that a damaged entry is
    noticed and computed again; it appears under its name only when it is whole.
    """

    folder: Path

    def key(self, stage: str, *parts: Any) -> str:
        """Name of the entry of ``stage`` made from ``parts`` (plain values) and the engines' versions."""
        text = json.dumps([stage, parts, engine_versions()], sort_keys=True)
        return f"{stage}/{hashlib.sha256(text.encode()).hexdigest()}"

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """Arrays saved under ``key``; None when there are none or the file is damaged."""
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
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

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.case"


def map_cases(
    function: Callable[[Case], Any], cases: Sequence[Case], workers: int, label: str
) -> list[Outcome]:
    """Apply ``function`` to every case in parallel, with a progress bar on stderr.

    Parameters
    ----------
    function : callable
        Takes a case; must be picklable. What it raises becomes the reason of a refused outcome.
    cases : sequence of Case
    workers : int
        Processes; 0 means one a core.
    label : str
        What the progress bar says.

    Returns
    -------
    list of Outcome
        In the order of ``cases``, whatever the number of workers.

    Raises
    ------
    StudyError
        When the operating system ended a worker, mostly for lack of memory.
    """
    parallel = Parallel(n_jobs=workers or -1, return_as="generator")
    outcomes = parallel(delayed(_attempt)(function, case) for case in cases)
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


def _attempt(function: Callable[[Case], Any], case: Case) -> Outcome:
    # One thread a worker: more of them only compete, and sums would depend on their number.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        with threadpool_limits(1):
            return Outcome(case, function(case))
    except Exception as error:  # one bad case never stops the cohort
        return Outcome(case, reason=_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, StudyError):
        return str(error)
    # An OSError's text holds the path, and a path may hold a patient's name or number.
    text = error.strerror if isinstance(error, OSError) else str(error)
    return f"Unexpected {type(error).__name__}: {' '.join(str(text).split()) or 'no message'}."
