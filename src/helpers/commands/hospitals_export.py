"""Virtual hospitals that differ, each written as a hospital would hand over its own patients."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.errors import StudyError
from helpers.pooling.virtual_hospitals import virtual_hospitals
from helpers.virtual.export import Called, export_virtual

_MIN_CELL = 10


def export_hospitals(out: Path, sites: int, patients: int, seed: int) -> list[Path]:
    """Write ``out/<hospital>/`` for each of ``sites`` hospitals; returns their study files.

    They share as real hospitals do: counts of fewer than 10 patients are not told.

    Raises
    ------
    StudyError
        When the folder holds something, or so many hospitals are not described.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise StudyError(f"The folder '{out.name}' is not empty. Name a new folder, or empty this one.")
    with TemporaryDirectory() as protocols:
        for hospital in virtual_hospitals(sites, patients, seed, Path(protocols)):
            called = Called(hospital.key, hospital.name, _MIN_CELL)
            export_virtual(hospital.site, out / hospital.key, patients, hospital.coding, called)
    return sorted(out.glob("*/study.yml"))
