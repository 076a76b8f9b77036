"""Many computers instead of one: the same function on the workers of a dask cluster, with the same results.

The cluster's computers need this package in the same version and see the study's files and the run folder
under the same paths (a shared file system). A worker that dies is replaced: what it was at is done again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.errors import StudyError
from helpers.study.content_hash import content_hash
from helpers.study.study_file import Study

# dask's own variable; `radbook run --scheduler` sets it, and the notebooks inherit it.
ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"
_SECONDS_TO_ANSWER = 20
_PACKAGES = ("pyradiomics-bhklab", "PyWavelets", "SimpleITK", "numba", "numpy", "pandas", "scipy")


class _OtherCode(Exception):
    """A worker computes with other code than this computer."""


def scheduler_address(study: Study) -> str | None:
    """Address of the dask scheduler: the command line's or dask's own, else the study file's, else None."""
    return os.environ.get(ADDRESS_VARIABLE) or study.scheduler


def on_cluster(function: Callable[[Any], Any], items: Sequence, address: str) -> Iterator:
    """Apply ``function`` to every item on the workers of the scheduler at ``address``.

    Parameters
    ----------
    function : callable
        Takes one item; picklable, and so are its results. It may run twice for an item whose worker died.
    items : sequence
    address : str
        Such as ``tcp://10.0.0.1:8786``.

    Yields
    ------
    object
        Results in the order of ``items``.

    Raises
    ------
    StudyError
        When the scheduler does not answer, a worker has other code, or workers die again and again.
    """
    # Imported here: a third of a second that a run without a cluster does not need.
    from distributed import Client, KilledWorker

    try:
        client = Client(address, timeout=_SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"The dask scheduler '{address}' does not answer ({type(error).__name__}). Start it, correct the "
            "address (key 'scheduler' of the study file, or --scheduler), or leave it out to use this "
            "computer alone."
        ) from None
    checked = partial(_with_the_same_code, function, code_version())
    with client:
        waiting = deque(client.map(checked, items, pure=False))
        try:
            while waiting:
                # Popped, so that the workers need not keep what has arrived here.
                yield waiting.popleft().result()
        except KilledWorker:
            raise StudyError(
                "Workers of the cluster died again and again over the same patient, mostly for lack of "
                "memory. Finished patients are kept: run again with more memory a worker."
            ) from None
        except (_OtherCode, ImportError):
            raise StudyError(
                "A worker of the cluster has not the same code as this computer: install the same version of "
                "radbook from requirements.lock there, and start the workers again."
            ) from None


@cache
def code_version() -> str:
    """Hash of this package's source and of the versions of the packages that compute with it."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return content_hash(*map(version, _PACKAGES), *sources)


def _with_the_same_code(function: Callable[[Any], Any], expected: str, item: Any) -> Any:
    if code_version() != expected:
        raise _OtherCode
    return function(item)
