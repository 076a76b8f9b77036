"""The same work for many tasks, on all cores of this computer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from joblib import Parallel, delayed
from tqdm import tqdm

BARS_VARIABLE = "RADBOOK_BARS"  # set for notebooks whose messages a terminal shows


def on_cores(
    run: Callable, tasks: Sequence, workers: int, prefer: Literal["threads", "processes"] = "processes"
) -> Iterator:
    """Results of ``run`` for every task, in the order of ``tasks``; ``workers`` 0 means one a core.

    Threads are for compiled work that lets go of Python's lock.
    """
    results = Parallel(n_jobs=workers or -1, return_as="generator", prefer=prefer)
    return results(delayed(run)(task) for task in tasks)


def with_progress(results: Iterator, tasks: Sequence, label: str, unit: str) -> list:
    """All results, with a progress bar on standard error where that is a terminal."""
    hidden = None if BARS_VARIABLE not in os.environ else False  # None: tqdm looks for itself
    return list(tqdm(results, total=len(tasks), desc=label, unit=unit, disable=hidden))
