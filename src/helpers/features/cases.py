"""One patient after another: results cached by content, and a parallel map that no bad case stops."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import SimpleITK as sitk
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from helpers.errors import Kind, StudyError
from helpers.features.cluster import on_cluster
from helpers.study.parallel import on_cores, with_progress
from helpers.study.places import FULL, unwritable


class Case(NamedTuple):
    """One patient as one reader saw them: pseudonym, name of the site, reader (1 or 2)."""

    patient_id: str
    site: str
    reader: int = 1


@dataclass(frozen=True)
class Result:
    """What came out of one case: its ``value``, or ``reason`` and ``kind`` of its refusal."""

    case: Case
    value: Any = None
    reason: str = ""
    kind: Kind | Literal[""] = ""

    @property
    def refused(self) -> bool:
        """Whether the case failed."""
        return bool(self.kind)


def map_cases(
    function: Callable[[Case], Any],
    cases: Sequence[Case],
    workers: int,
    label: str,
    scheduler: str | None = None,
) -> list[Result]:
    """Apply ``function`` to every case in parallel, with a progress bar on stderr.

    Parameters
    ----------
    function : callable
        Takes a case; must be picklable. What it raises becomes the reason of a refused result.
    cases : sequence of Case
    workers : int
        Processes of this computer; 0 means one a core.
    label : str
        What the progress bar says.
    scheduler : str, optional
        Address of a dask scheduler, whose workers are used instead of this computer's.

    Returns
    -------
    list of Result
        In the order of ``cases``, whatever the number of workers.

    Raises
    ------
    StudyError
        When workers were ended, mostly for lack of memory; when the disk is full.
    """
    attempt = partial(_attempt, function)
    results = on_cluster(attempt, cases, scheduler) if scheduler else on_cores(attempt, cases, workers)
    try:
        return with_progress(results, cases, label, "case")
    except TerminatedWorkerError as error:
        raise StudyError(
            f"The computer ended a worker during '{label}', mostly for lack of memory. Finished patients "
            "are kept: run again with fewer workers."
        ) from error


def require_some(results: Sequence[Result]) -> None:
    """Stop when every case was refused: then the study file is wrong, not the patients.

    Raises
    ------
    StudyError
        With the first reasons.
    """
    if results and all(result.refused for result in results):
        reasons = " ".join(result.reason for result in results[:3])
        raise StudyError(f"None of the {len(results)} patients could be used. The first reasons: {reasons}")


def _attempt(function: Callable[[Case], Any], case: Case) -> Result:
    # One thread a worker: more of them only compete, and sums would depend on their number.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    # ITK's warnings quote paths, on a stream that ends in the notebook.
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        with threadpool_limits(1):
            return Result(case, function(case))
    except Exception as error:  # one bad case never stops the cohort
        if isinstance(error, OSError) and error.errno in FULL:  # of which no patient is to blame
            raise unwritable("The cache of measured patients", error) from None
        kind = error.kind if isinstance(error, StudyError) else "other"
        return Result(case, reason=reason_of(error), kind=kind)


def reason_of(error: Exception) -> str:
    """Why a case failed, in words that may be shown: without paths, which may hold a patient's number."""
    if isinstance(error, StudyError):
        return str(error)
    # A path may hold a patient's name or number, and spaces: nothing of a line is kept from it on.
    text = error.strerror if isinstance(error, OSError) else str(error)
    text = re.sub(r"[^\s'\"]*[/\\].*", "...", str(text))
    return f"Unexpected {type(error).__name__}: {' '.join(text.split()) or 'no message'}."
