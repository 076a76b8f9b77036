"""The virtual cohort: simulated patients with simulated CT, made in memory, the same for the same seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml

from helpers.errors import StudyError
from helpers.virtual import readers, vertebrae
from helpers.virtual import scanner as scanners
from helpers.virtual.patients import LATENT_COLUMNS, simulate_patients
from helpers.virtual.shapes import Grid
from helpers.virtual.tissue import paint_tissue

_ONLOOKERS = {"export.py", "pacs.py", "evidence.py"}  # do not change what is simulated


@dataclass(frozen=True)
class Truth:
    """What only the simulation knows of a patient; for teaching, never for the analysis.

    Attributes
    ----------
    latent : Series
        Bone state and body of the patient (patients.LATENT_COLUMNS).
    mask : sitk.Image
        All cancellous bone of T12 and L1, layers 1 to 6.
    noise_free : sitk.Image
        HU at 120 kV before the scanner's blur and noise, 32-bit.
    """

    latent: pd.Series
    mask: sitk.Image
    noise_free: sitk.Image


@dataclass(frozen=True)
class VirtualSite:
    """A simulated hospital.

    Attributes
    ----------
    protocol : Path
        The protocol file (data/virtual/protocol.yml).
    role : {"development", "external"}
        Which of the paper's two hospitals.
    patients : int
        How many are included.
    seed : int
        The same seed gives the same patients and images, in any order and on any number of workers.
    """

    protocol: Path
    role: Literal["development", "external"]
    patients: int
    seed: int

    def screened(self) -> pd.DataFrame:
        """Everyone screened, as the hospital's table would list them (no latent columns)."""
        return self._everyone().drop(columns=LATENT_COLUMNS).reset_index()

    def acquire(self, patient_id: str, reader: int = 1) -> tuple[sitk.Image, sitk.Image]:
        """Scan one patient and have a reader draw the layers.

        Parameters
        ----------
        patient_id : str
        reader : int
            1 or 2.

        Returns
        -------
        image : sitk.Image
            HU, 16-bit signed.
        mask : sitk.Image
            Layers 1 to 6 on the same grid (images.LAYERS), 8-bit.
        """
        person, machine, anatomy = self._patient(patient_id)
        tissue = paint_tissue(self._numbers(), person, anatomy, self._rng(patient_id, "tissue"))
        settings = self._numbers()["scanner"]
        voxels = scanners.scan(tissue, machine, anatomy.grid, settings, self._rng(patient_id, "noise"))
        return _image(voxels, anatomy.grid), self._drawn(patient_id, anatomy, reader)

    def redraw(self, patient_id: str, reader: int) -> sitk.Image:
        """The mask of a reader alone, as `acquire` gives it; quicker, no image is made."""
        *_, anatomy = self._patient(patient_id)
        return self._drawn(patient_id, anatomy, reader)

    def fingerprint(self, patient_id: str, reader: int = 1) -> str:
        """Hash of all that determines the scan and mask; quick, no voxel is made."""
        row = self._person(patient_id).to_json(double_precision=15)
        parts = [self.role, self.seed, reader, patient_id, row, _file_hash(self.protocol), _source_hash()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def truth(self, patient_id: str) -> Truth:
        """What only the simulation knows of a patient."""
        person, _, anatomy = self._patient(patient_id)
        tissue = paint_tissue(self._numbers(), person, anatomy, self._rng(patient_id, "tissue"))
        mask = readers.true_mask(anatomy, self._numbers()["bone"]["measured_depth_mm"])
        return Truth(person[LATENT_COLUMNS], _image(mask, anatomy.grid), _image(tissue, anatomy.grid))

    def scanner(self, patient_id: str) -> dict[str, str | float | tuple]:
        """Name, manufacturer, model, kernel, kVp (kV), mA, and spacing (mm; x, y, z) of a patient's scan."""
        machine = self._scanner(patient_id)
        spacing = (machine.pixel_mm, machine.pixel_mm, machine.slice_mm)
        named = {key: getattr(machine, key) for key in ("name", "manufacturer", "model", "kernel")}
        return {**named, "kVp": machine.kvp, "mA": machine.ma, "spacing": spacing}

    def scan_phantom(self, patient_id: str, phantom: np.ndarray, kvp: float | None = None) -> sitk.Image:
        """A phantom on a patient's scanner, with the settings of that patient's scan.

        Parameters
        ----------
        patient_id : str
        phantom : ndarray of shape (z, y, x)
            HU at 120 kV, on the voxels of the patient's scan.
        kvp : float, optional
            Another tube voltage (kV).

        Returns
        -------
        sitk.Image
            HU, 16-bit signed.
        """
        machine = self._scanner(patient_id)
        machine = replace(machine, kvp=kvp or machine.kvp)
        pixel = machine.pixel_mm
        grid = Grid(0.0, 0.0, 0.0, pixel, pixel, machine.slice_mm, *phantom.shape[::-1])
        rng = self._rng(patient_id, "phantom")
        voxels = scanners.scan(phantom.astype(np.float32), machine, grid, self._numbers()["scanner"], rng)
        return _image(voxels, grid)

    def simulator(self) -> str:
        """Hash of the simulator's source and protocol: results of another one are out of date."""
        return hashlib.sha256(f"{_file_hash(self.protocol)} {_source_hash()}".encode()).hexdigest()

    def _numbers(self) -> dict:
        return _protocol(self.protocol, _file_hash(self.protocol))

    def _everyone(self) -> pd.DataFrame:
        return _everyone(self.protocol, _file_hash(self.protocol), self.role, self.patients, self.seed)

    def _person(self, patient_id: str) -> pd.Series:
        everyone = self._everyone()
        if patient_id not in everyone.index:
            raise StudyError(
                f"{patient_id}: the virtual hospital has no such patient; see its screened table."
            )
        return everyone.loc[patient_id]

    def _scanner(self, patient_id: str) -> scanners.Scanner:
        rng = self._rng(patient_id, "scanner")
        return scanners.draw_scanner(self._numbers(), self.role, self._person(patient_id), rng)

    def _patient(self, patient_id: str) -> tuple[pd.Series, scanners.Scanner, vertebrae.Anatomy]:
        person, machine = self._person(patient_id), self._scanner(patient_id)
        rng = self._rng(patient_id, "anatomy")
        return (
            person,
            machine,
            vertebrae.draw_anatomy(self._numbers()["anatomy"], person, machine.pixel_mm, rng),
        )

    def _drawn(self, patient_id: str, anatomy: vertebrae.Anatomy, reader: int) -> sitk.Image:
        numbers = self._numbers()["readers"]
        rng = self._rng(patient_id, f"reader {reader}")
        return _image(readers.draw_mask(numbers, anatomy, reader, rng), anatomy.grid)

    def _rng(self, patient_id: str, step: str) -> np.random.Generator:
        """The patient's own stream for one step: no other patient or step moves it."""
        return np.random.Generator(np.random.SFC64([self.seed, _entropy(patient_id), _entropy(step)]))


@lru_cache(maxsize=4)
def _protocol(path: Path, content: str) -> dict:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _everyone(path: Path, content: str, role: str, patients: int, seed: int) -> pd.DataFrame:
    return simulate_patients(_protocol(path, content), role, patients, seed).set_index("patient_id")


@lru_cache(maxsize=1)
def _source_hash() -> str:
    """Hash of the simulator's source: editing it makes cached results of virtual patients stale."""
    files = sorted(path for path in Path(__file__).parent.glob("*.py") if path.name not in _ONLOOKERS)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _file_hash(path: Path) -> str:
    if not Path(path).is_file():
        raise StudyError(f"There is no protocol file '{Path(path).name}'. Use data/virtual/protocol.yml.")
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _entropy(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _image(voxels: np.ndarray, grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((grid.dx, grid.dy, grid.dz))
    image.SetOrigin((grid.x0, grid.y0, grid.z0))
    return image
