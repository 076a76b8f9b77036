"""Small virtual hospitals meet a run's own frozen model, and are pooled: chapter 16 of a virtual study."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace

from helpers.errors import StudyError
from helpers.frozen.bundle import own_bundle
from helpers.pooling import registry
from helpers.pooling.contract import Hospital
from helpers.pooling.registry import Pooled
from helpers.pooling.share_applied import share_new
from helpers.pooling.virtual_hospitals import VirtualHospital, virtual_hospitals
from helpers.study.run_folder import Run, open_run
from helpers.study.sites import Site, VirtualSource
from helpers.study.study_file import Split, Study

USUAL_MIN_CELL = 10


def open_pool(run: Run, folder: str, hospitals: int, patients: int, workers: int) -> Pooled:
    """The pooled ``folder``; where none is named, small virtual hospitals pooled for this run.

    Parameters
    ----------
    run : Run
    folder : str
    hospitals, patients : int
        How many virtual hospitals, and patients in each.
    workers : int
        Processes that measure; 0 means one a core.
    """
    return registry.open_pooled(folder) if folder else _pooled(run, hospitals, patients, workers)


def _pooled(run: Run, hospitals: int, patients: int, workers: int) -> Pooled:
    bundle, folders = own_bundle(run), []
    seed = int(run.study.rng("hospitals").integers(2**31))
    for hospital in virtual_hospitals(hospitals, patients, seed, run.hospitals / "protocols"):
        new = open_run(_study(run.study, hospital, patients), run.hospitals / hospital.key, "11")
        with suppress(StudyError):  # nobody there is within the model's domain: one less to pool
            share_new(new, bundle, workers)
            folders.append(new.folder / "share")
    pooled = run.hospitals / "pooled"
    shutil.rmtree(pooled, ignore_errors=True)  # of another bundle
    return replace(registry.pool(folders, pooled), run=run)


def _study(study: Study, hospital: VirtualHospital, patients: int) -> Study:
    """The hospital's study: its own patients and seed, everything else as the model was made."""
    source = VirtualSource(protocol=hospital.site.protocol, patients=patients)
    site = Site(name=hospital.name, role="external", virtual=source)
    own = {"name": hospital.key, "seed": hospital.site.seed, "sites": [site]}
    return study.model_copy(update=own | {"split": Split(), "label": "", "parameters": {}})


def made_here(pooled: Pooled, hospitals: list[Hospital], wanted: int) -> str:
    """What must be known of virtual hospitals that were made for the chapter; empty of others.

    ``wanted`` hospitals were made: who is not among ``hospitals`` had nobody within the model's domain.
    """
    if pooled.run is None:
        return ""
    gone = wanted - len(hospitals)
    absent = f" {gone} more had no patient within the model's domain." if gone else ""
    numbers = [(one.patients, one.events) for one in hospitals]
    sizes = [n for n, _ in numbers if isinstance(n, int)]
    told = sum(
        isinstance(n, int) and isinstance(events, int) and min(events, n - events) >= USUAL_MIN_CELL
        for n, events in numbers
    )
    return (
        f"No hospital sent these files. They are of {len(hospitals)} small virtual hospitals, simulated "
        "for this page, which met this run's own frozen model (data/virtual/hospitals.yml says how they "
        f"differ).{absent} Each has {min(sizes)} to {max(sizes)} judged patients: intervals are wide, and "
        "differences between hospitals are mostly chance. Look at how the page works, not at its numbers. "
        f"Real hospitals of this size, with counts below {USUAL_MIN_CELL} hidden, would tell nothing of how "
        f"the model does in {len(hospitals) - told} of {len(hospitals)}."
    )
