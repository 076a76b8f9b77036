"""The spine around T12 and L1: sizes, shapes and neighbours of one patient, and the volume without noise.

Numbers come from the key ``anatomy`` of the protocol. The frame of the volume has its origin in the disc
between T12 and L1: x to the patient's left, y to the back, z up, in mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.fft import next_fast_len

from helpers.virtual import bone, shapes, surroundings
from helpers.virtual.shapes import ANGLES, Body, Box, Frame, Grid
from helpers.virtual.surroundings import LEVELS

_VOXEL_MM = 0.6  # over which partial volume is reckoned, below the scanner's blur


@dataclass(frozen=True)
class Vertebra:
    """One vertebra of one patient, on the voxel grid.

    Attributes
    ----------
    level : str
        T11, T12, L1 or L2.
    frame : Frame
        Its centre and axes.
    body : Body
        The shape of its body.
    box : Box
        The part of the grid that holds the body.
    distance : ndarray of shape (z, y, x)
        Signed distance to the body's surface (mm), negative inside.
    plate : ndarray of shape (z, y, x)
        Whether an end plate is the nearest part of that surface.
    local : ndarray of shape (3, z, y, x)
        Coordinates u (left), v (back), w (up) in the vertebra's frame (mm).
    vein : ndarray of shape (z, y, x)
        Share of each voxel that the basivertebral vein takes.
    """

    level: str
    frame: Frame
    body: Body
    box: Box
    distance: np.ndarray
    plate: np.ndarray
    local: np.ndarray
    vein: np.ndarray

    @property
    def posterior_wall(self) -> float:
        """Where the posterior wall lies in the midline, v in mm."""
        return float(self.body.rim[ANGLES // 4])


@dataclass(frozen=True)
class Anatomy:
    """What is where in one patient."""

    grid: Grid
    vertebrae: dict[str, Vertebra]
    noise: np.ndarray


def draw_anatomy(numbers: dict, person: pd.Series, pixel_mm: float, rng: np.random.Generator) -> Anatomy:
    """Draw one patient's spine.

    Parameters
    ----------
    numbers : dict
        Key ``anatomy`` of the protocol.
    person : Series
        One patient with the latent columns (patients.LATENT_COLUMNS), age and sex.
    pixel_mm : float
        In-plane voxel spacing.
    rng : Generator
        The patient's own stream for anatomy.
    """
    noise = _smooth_cube(rng)
    scale = np.exp(numbers["size_sd"] * rng.standard_normal(3))
    scale *= 1 + numbers["size_per_height"] * (person.height_cm - numbers["mean_height_cm"][person.sex])
    sizes = {level: scale * numbers["bodies"][person.sex][level] for level in LEVELS}
    frames = _frames(numbers, sizes, person, rng)
    grid = _grid(numbers["grid"], frames, sizes, pixel_mm)
    vertebrae = {}
    for level in LEVELS:
        body = _body(numbers, sizes[level], person, rng)
        vertebrae[level] = _on_grid(level, grid, frames[level], body, noise)
    return Anatomy(grid, vertebrae, noise)


def tissue(protocol: dict, person: pd.Series, anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """HU of every voxel at 120 kV before blur and noise, float32 of shape (z, y, x).

    Raises
    ------
    KeyError
        When the protocol lacks a number.
    """
    numbers = protocol["anatomy"]
    volume = surroundings.paint_organs(numbers, person, anatomy)
    surroundings.paint_ribs(volume, numbers, anatomy, float(person.hu_t12 + 40))
    thinning = np.exp(numbers["cortex"]["share_per_micro_structure"] * person.micro_structure)
    thinning *= np.exp(numbers["cortex"]["sd"] * rng.standard_normal())
    state = bone.texture_state(protocol["bone"], person, rng)
    for level, vertebra in anatomy.vertebrae.items():
        mean = person.hu_t12 if level in ("T11", "T12") else person.hu_l1
        marrow = bone.trabecular_hu(protocol["bone"], mean, state, vertebra, anatomy.grid, rng)
        _paint_vertebra(volume, numbers, anatomy, vertebra, marrow, thinning)
    surroundings.paint_calcifications(volume, numbers, person, anatomy)
    return volume


def _smooth_cube(rng: np.random.Generator) -> np.ndarray:
    """White noise on a coarse periodic lattice; between its nodes it is interpolated."""
    return rng.standard_normal((32, 32, 32), dtype=np.float32).clip(-2.5, 2.5)


def _frames(numbers: dict, sizes: dict, person: pd.Series, rng: np.random.Generator) -> dict[str, Frame]:
    """Stack the vertebrae from the disc T12/L1 up and down, each along its own axis."""
    sagittal = np.deg2rad(numbers["tilt_sd"]["sagittal"] * rng.standard_normal())
    coronal = np.deg2rad(numbers["tilt_sd"]["coronal"] * rng.standard_normal(2))
    axes = {}
    for step, level in enumerate(LEVELS):
        tilt = sagittal + np.deg2rad(numbers["tilt_degrees"][level])
        lean = coronal[0] + coronal[1] * (step - 1.5) / 1.5
        axes[level] = _axes(tilt, lean)
    loss = numbers["discs"]["loss_per_year"] * max(person.age - 50, 0)
    discs = {level: height - loss for level, height in numbers["discs"]["height_mm"].items()}
    halves = {level: sizes[level][2] / 2 * axes[level][2] for level in LEVELS}
    gap = {level: (discs[level] / 2) * axes[level][2] for level in discs}
    centres = {"T12": gap["T12"] + halves["T12"], "L1": -gap["T12"] - halves["L1"]}
    centres["T11"] = centres["T12"] + halves["T12"] + 2 * gap["T11"] + halves["T11"]
    centres["L2"] = centres["L1"] - halves["L1"] - 2 * gap["L1"] - halves["L2"]
    return {level: Frame(centres[level], axes[level]) for level in LEVELS}


def _axes(tilt: float, lean: float) -> np.ndarray:
    """Axes u, v, w as rows: tipped back by ``tilt`` and to the left by ``lean`` (radians)."""
    back = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    left = np.array([[np.cos(lean), 0, -np.sin(lean)], [0, 1, 0], [np.sin(lean), 0, np.cos(lean)]])
    return back @ left


def _grid(numbers: dict, frames: dict[str, Frame], sizes: dict, pixel: float) -> Grid:
    """A grid that holds T12 and L1 whole, with sizes that the Fourier transform likes."""
    slice_mm, beyond = numbers["slice_mm"], numbers["beyond_mm"]
    top = frames["T11"].centre[2] - sizes["T11"][2] / 2 + beyond
    bottom = frames["L2"].centre[2] + sizes["L2"][2] / 2 - beyond
    nx = next_fast_len(round(numbers["width_mm"] / pixel), real=True)
    ny = next_fast_len(round((numbers["front_mm"] + numbers["back_mm"]) / pixel), real=True)
    nz = round((top - bottom) / slice_mm)
    bottom = round(float(bottom), 1)  # so that a DICOM header can hold it
    return Grid(
        -(nx - 1) / 2 * pixel, -float(numbers["front_mm"]), bottom, pixel, pixel, slice_mm, nx, ny, nz
    )


def _body(numbers: dict, size: np.ndarray, person: pd.Series, rng: np.random.Generator) -> Body:
    width, depth, height = size
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    dent = numbers["posterior_dent"]
    half_depth = depth / (2 - dent)
    roundness = 2.25
    rim = (
        np.abs(np.cos(angle) / (width / 2)) ** roundness + np.abs(np.sin(angle) / half_depth) ** roundness
    ) ** (-1 / roundness)
    rim *= 1 - dent * np.exp(-((np.angle(np.exp(1j * (angle - np.pi / 2))) / 0.5) ** 2))
    for order in (2, 3, 4, 5):
        rim *= 1 + 0.012 / np.sqrt(order) * rng.standard_normal() * np.cos(
            order * (angle - rng.uniform(0, 7))
        )
    dip = numbers["end_plate_dip"]
    dips = (
        dip["mean"] + dip["per_micro_structure"] * person.micro_structure + dip["sd"] * rng.standard_normal(2)
    )
    mean, sd = numbers["wedge_degrees"]
    wedge = np.tan(np.deg2rad(mean + sd * rng.standard_normal())) / 2
    waist = numbers["waist"][0] + numbers["waist"][1] * rng.standard_normal()
    dips = np.clip(dips, 0.6, 0.22 * height)
    return Body(rim, _spur(numbers, person, angle, rng), height / 2, wedge, waist, *dips, 1.6)


def _spur(numbers: dict, person: pd.Series, angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What osteophytes add to the rim: a beak or two on the anterior half."""
    spur = np.zeros(ANGLES)
    where, length = rng.uniform(-np.pi, 0, 2), rng.uniform(*numbers["osteophyte_mm"], 2)
    if person.osteophyte:
        for centre, reach in zip(where, length, strict=True):
            turn = np.angle(np.exp(1j * (angle - centre)))
            spur += reach * np.exp(-((turn / 0.35) ** 2))
    return spur


def _on_grid(level: str, grid: Grid, frame: Frame, body: Body, noise: np.ndarray) -> Vertebra:
    reach, top = float((body.rim + body.spur).max()) + 1.5, body.half_height + 3.0
    box = shapes.box_around(grid, frame, [-reach, -reach, -top], [reach, reach, top])
    distance, plate = shapes.body_distances(grid, box, frame, body, noise)
    local = shapes.local_coordinates(grid, box, frame)
    vein = shapes.vein_share(local, body.rim[ANGLES // 4])
    return Vertebra(level, frame, body, box, distance, plate, local, vein)


def _paint_vertebra(volume, numbers, anatomy, vertebra, marrow, thinning) -> None:
    """Body and arch as one bone: the cortex follows their union, so that the pedicles stay open inside."""
    cortex, arch = numbers["cortex"], numbers["arch"]
    size = vertebra.posterior_wall / arch["of_posterior_wall_mm"]
    box = _joint(vertebra.box, shapes.box_around(anatomy.grid, vertebra.frame, [-44, -8, -34], [44, 64, 24]))
    rods = _rods(arch, vertebra, size)
    distance = shapes.rod_distances(anatomy.grid, box, vertebra.frame, rods, 3.0, anatomy.noise)
    thickness = np.full(distance.shape, cortex["arch_mm"] * thinning, np.float32)
    filling = np.full(distance.shape, marrow[vertebra.distance < -2.5].mean() + arch["denser_hu"], np.float32)
    inner = _within(vertebra.box, box)
    nearer = vertebra.distance < distance[inner]
    shell = np.where(vertebra.plate, cortex["plate_mm"], cortex["wall_mm"]) * thinning
    shell *= 1 - vertebra.vein
    thickness[inner] = np.where(nearer, shell, thickness[inner])
    inside = np.clip(0.5 - vertebra.distance / 2, 0, 1)
    filling[inner] += inside * (marrow - filling[inner])
    distance[inner] = _smooth_union(distance[inner], vertebra.distance, 2.5)
    shapes.paint_bone(volume, box, distance, filling, thickness, cortex["hu"], _VOXEL_MM)


def _rods(arch: dict, vertebra: Vertebra, size: float) -> np.ndarray:
    """The arch's rods in the vertebra's frame, both sides; shape (rods, 9)."""
    rods = []
    for start, end, section in [*arch["all"].values(), *arch[vertebra.level].values()]:
        for side in (1, -1) if start[0] or end[0] else (1,):
            rod = np.array([*start, *end], float) * size
            rod[[1, 5]] += vertebra.posterior_wall
            rod[[0, 4]] *= side
            rods.append([*rod, section])
    return np.array(rods)


def _joint(a: Box, b: Box) -> Box:
    """The smallest box that holds both."""
    first = np.minimum(a[:3], b[:3])
    return Box(*map(int, first), *map(int, np.maximum(np.add(a[:3], a[3:]), np.add(b[:3], b[3:])) - first))


def _within(inner: Box, outer: Box) -> tuple[slice, slice, slice]:
    """Slices of the inner box in an array of the outer one."""
    starts = (inner.k - outer.k, inner.j - outer.j, inner.i - outer.i)
    return tuple(slice(start, start + n) for start, n in zip(starts, inner[3:], strict=True))


def _smooth_union(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    overlap = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - 0.25 * blend * overlap * overlap
