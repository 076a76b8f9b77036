"""Virtual hospitals that differ, each written as a hospital would hand over its own patients."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.pooling.virtual_hospitals import virtual_hospitals
from helpers.virtual.export import Called, export_virtual, require_empty

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
    require_empty(out)
    with TemporaryDirectory() as protocols:
        for hospital in virtual_hospitals(sites, patients, seed, Path(protocols)):
            called = Called(hospital.key, hospital.name, _MIN_CELL)
            export_virtual(hospital.site, out / hospital.key, patients, hospital.coding, called)
    return sorted(out.glob("*/study.yml"))
