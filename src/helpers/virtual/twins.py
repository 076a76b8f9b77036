"""Twins of a real scan: virtual patients, scanned with another scanner's voxels, slices, noise and sharpness.

A twin shares with a real patient what was measured in that patient's scan; bone and everything else are the
simulator's own. Nothing here takes part in making the virtual cohort.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd
import SimpleITK as sitk

from helpers.virtual import readers, scanner
from helpers.virtual.bone import cancellous
from helpers.virtual.readers import FIRST_LAYER
from helpers.virtual.scanner import Scanner
from helpers.virtual.shapes import Grid
from helpers.virtual.tissue import paint_tissue
from helpers.virtual.vertebrae import Anatomy, draw_anatomy

# Tissue is painted on voxels no larger than this (mm): in the plane, along the table.
_FINEST_MM = (0.8, 0.5)
# What is painted around the spine (mm): the body, with what blur and extraction see of its surroundings.
_PAINTED = {"width_mm": 72, "front_mm": 32, "back_mm": 34}
_GROWTHS = 2  # rounds in which a twin's body is brought to size


@dataclass(frozen=True)
class Likeness:
    """What a twin shares with a real scan.

    Attributes
    ----------
    scanner : Scanner
        With the real scan's spacing, point spread and noise.
    noise : dict of str to float
        Keys of the protocol's ``scanner`` that describe the noise's texture, where it was measured.
    volume_mm3 : float
        Of the region.
    side_mm, face_mm : float
        How deep the region's outline lies below the bone's surface: at the side wall, at the end plates.
    """

    scanner: Scanner
    noise: dict[str, float]
    volume_mm3: float
    side_mm: float
    face_mm: float


def make_twin(
    protocol: dict, person: pd.Series, like: Likeness, rng: np.random.Generator
) -> tuple[sitk.Image, sitk.Image]:
    """Scan a virtual patient as a real one was scanned; the body is as large as the real region asks for.

    Parameters
    ----------
    protocol : dict
        The protocol file as read.
    person : Series
        One patient with the latent columns (patients.LATENT_COLUMNS), age and sex.
    like : Likeness
    rng : Generator

    Returns
    -------
    image : sitk.Image
        HU, 16-bit signed.
    mask : sitk.Image
        Layers 1 to 6 on the same grid, drawn at the real region's depth.
    """
    machine, steps = like.scanner, _steps(like.scanner)
    protocol = deepcopy(protocol)
    protocol["anatomy"]["grid"] |= _PAINTED | {"slice_mm": machine.slice_mm / steps[0]}
    anatomy = _grown(protocol["anatomy"], person, machine.pixel_mm / steps[2], like, rng)
    hand = protocol["readers"] | {"inside_mm": (like.side_mm, like.face_mm)}
    mask = readers.draw_mask(hand, anatomy, 1, rng)
    blurred = scanner.blur(paint_tissue(protocol, person, anatomy, rng), machine, anatomy.grid)
    # Where the scan's voxels fall on the anatomy is chance, as in a real scan.
    starts = [int(rng.integers(step)) for step in steps]
    picked = tuple(slice(start, None, step) for start, step in zip(starts, steps, strict=True))
    grid = _coarse(anatomy.grid, starts, machine, blurred[picked].shape)
    voxels = scanner.expose(blurred[picked], machine, grid, protocol["scanner"] | like.noise, rng)
    return _image(voxels, grid), _image(mask[picked], grid)


def _steps(machine: Scanner) -> tuple[int, int, int]:
    """How many painted voxels go to one of the scan, along z, y and x."""
    across, along = (
        int(np.ceil(size / finest - 1e-6))
        for size, finest in zip((machine.pixel_mm, machine.slice_mm), _FINEST_MM, strict=True)
    )
    return along, across, across


def _grown(
    numbers: dict, person: pd.Series, pixel_mm: float, like: Likeness, rng: np.random.Generator
) -> Anatomy:
    """The patient's spine, so large that a region as deep below its surface has the volume asked for."""
    seed, person = rng.integers(2**32), person.copy()
    for _ in range(_GROWTHS + 1):
        anatomy = draw_anatomy(numbers, person, pixel_mm, np.random.default_rng(seed))
        bodies = [anatomy.vertebrae[level] for level in FIRST_LAYER]
        depths = [np.where(body.plate, np.float32(like.face_mm), np.float32(like.side_mm)) for body in bodies]
        voxels = sum(np.count_nonzero(cancellous(*pair)) for pair in zip(bodies, depths, strict=True))
        volume = voxels * anatomy.grid.dx * anatomy.grid.dy * anatomy.grid.dz
        person.height_cm += (np.cbrt(like.volume_mm3 / volume) - 1) / numbers["size_per_height"]
    return anatomy


def _coarse(fine: Grid, starts: list[int], machine: Scanner, shape: tuple[int, int, int]) -> Grid:
    """The scan's grid, each of its voxels at the place of a painted one."""
    z, y, x = starts
    first = (fine.x0 + x * fine.dx, fine.y0 + y * fine.dy, fine.z0 + z * fine.dz)
    return Grid(*first, machine.pixel_mm, machine.pixel_mm, machine.slice_mm, *shape[::-1])


def _image(voxels: np.ndarray, grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels))
    image.SetSpacing((grid.dx, grid.dy, grid.dz))
    image.SetOrigin((grid.x0, grid.y0, grid.z0))
    return image
