"""The spine around T12 and L1: where its vertebrae stand in one patient, and their shape.

Numbers come from the key ``anatomy`` of the protocol. The frame of the volume has its origin in the disc
between T12 and L1: x to the patient's left, y to the back, z up, in mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.fft import next_fast_len

from helpers.virtual import shapes
from helpers.virtual.shapes import ANGLES, Body, Box, Frame, Grid

LEVELS = ["T11", "T12", "L1", "L2"]
_ROUNDNESS = 2.25  # exponent of the outline, between ellipse and rectangle
_EDGE_MM = 1.6  # radius of the edge between side wall and end plate


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
    """What is where in one patient.

    Attributes
    ----------
    grid : Grid
        The voxel grid.
    vertebrae : dict of str to Vertebra
        T11, T12, L1, L2, in that order.
    noise : ndarray of shape (32, 32, 32)
        White noise on a coarse lattice, for the unevenness of all surfaces.
    """

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
    dips = end_plate_dips(numbers["end_plate_dip"], person.micro_structure, rng)
    vertebrae = {}
    for level, two in zip(LEVELS, dips, strict=True):
        body = _body(numbers, sizes[level], person, two, rng)
        vertebrae[level] = _on_grid(level, grid, frames[level], body, noise)
    return Anatomy(grid, vertebrae, noise)


def _smooth_cube(rng: np.random.Generator) -> np.ndarray:
    """White noise on a coarse periodic lattice; between its nodes it is interpolated."""
    return rng.standard_normal((32, 32, 32), dtype=np.float32).clip(-2.5, 2.5)


def _frames(numbers: dict, sizes: dict, person: pd.Series, rng: np.random.Generator) -> dict[str, Frame]:
    """Stack the vertebrae from the disc T12/L1 up and down, each along its own axis."""
    axes = _directions(numbers, rng)
    loss = numbers["discs"]["loss_per_year"] * max(person.age - 50, 0)
    discs = {
        level: (height - loss) * axes[level][2] for level, height in numbers["discs"]["height_mm"].items()
    }
    halves = {level: sizes[level][2] / 2 * axes[level][2] for level in LEVELS}
    centres = {"T12": discs["T12"] / 2 + halves["T12"], "L1": -discs["T12"] / 2 - halves["L1"]}
    centres["T11"] = centres["T12"] + halves["T12"] + discs["T11"] + halves["T11"]
    centres["L2"] = centres["L1"] - halves["L1"] - discs["L1"] - halves["L2"]
    return {level: Frame(centres[level], axes[level]) for level in LEVELS}


def _directions(numbers: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Axes of each vertebra: the usual curve from the side, tilted and bent a little in each patient."""
    sagittal = numbers["tilt_sd"]["sagittal"] * rng.standard_normal()
    lean, bend = numbers["tilt_sd"]["coronal"] * rng.standard_normal(2)
    return {
        level: _axes(*np.deg2rad([sagittal + numbers["tilt_degrees"][level], lean + bend * place]))
        for level, place in zip(LEVELS, np.linspace(-1, 1, len(LEVELS)), strict=True)
    }


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


def end_plate_dips(numbers: dict, micro_structure: float, rng: np.random.Generator) -> np.ndarray:
    """How far each end plate of a patient sinks in its middle (mm), shape (levels, 2): upper and lower.

    Numbers come from the protocol's ``anatomy.end_plate_dip``; limits are not applied yet.
    """
    usual = numbers["mean"] + numbers["per_micro_structure"] * micro_structure
    usual += numbers["patient_sd"] * rng.standard_normal()
    return usual + numbers["sd"] * rng.standard_normal((len(LEVELS), 2))


def _body(
    numbers: dict, size: np.ndarray, person: pd.Series, dips: np.ndarray, rng: np.random.Generator
) -> Body:
    """Shape of one body of a given width, depth and height (mm) whose end plates sink by ``dips``."""
    width, depth, height = size
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    least, share = numbers["end_plate_dip"]["range"]
    upper, lower = np.clip(dips, least, share * height)
    slope, waist = (
        mean + sd * rng.standard_normal() for mean, sd in (numbers["wedge_degrees"], numbers["waist"])
    )
    return Body(
        rim=_outline(numbers["posterior_dent"], width, depth, angle, rng),
        spur=_spur(numbers["osteophyte_mm"], person.osteophyte, angle, rng),
        half_height=height / 2,
        wedge=np.tan(np.deg2rad(slope)) / 2,
        waist=waist,
        dip_upper=upper,
        dip_lower=lower,
        rounding=_EDGE_MM,
    )


def _outline(
    dent: float, width: float, depth: float, angle: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Radius of the end plate's outline by angle: a rounded kidney, uneven by a per cent."""
    across, deep = np.abs(np.cos(angle)) / (width / 2), np.abs(np.sin(angle)) / (depth / (2 - dent))
    rim = (across**_ROUNDNESS + deep**_ROUNDNESS) ** (-1 / _ROUNDNESS)
    rim *= 1 - dent * np.exp(-((_turn(angle, np.pi / 2) / 0.5) ** 2))
    for order in (2, 3, 4, 5):
        size, phase = 0.012 / np.sqrt(order) * rng.standard_normal(), rng.uniform(0, 2 * np.pi)
        rim *= 1 + size * np.cos(order * angle + phase)
    return rim


def _spur(
    length_mm: tuple[float, float], has: bool, angle: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """What osteophytes add to the rim: two beaks on the anterior half."""
    where, length = rng.uniform(-np.pi, 0, 2), rng.uniform(*length_mm, 2)
    beaks = length[:, None] * np.exp(-((_turn(angle, where[:, None]) / 0.35) ** 2))
    return has * beaks.sum(axis=0)


def _turn(angle: np.ndarray, origin: np.ndarray | float) -> np.ndarray:
    """Angle from ``origin``, between -pi and pi."""
    return np.angle(np.exp(1j * (angle - origin)))


def _on_grid(level: str, grid: Grid, frame: Frame, body: Body, noise: np.ndarray) -> Vertebra:
    reach, top = float((body.rim + body.spur).max()) + 1.5, body.half_height + 3.0
    box = shapes.box_around(grid, frame, [-reach, -reach, -top], [reach, reach, top])
    distance, plate = shapes.body_distances(grid, box, frame, body, noise)
    local = shapes.local_coordinates(grid, box, frame)
    vein = shapes.vein_share(local, body.rim[ANGLES // 4])
    return Vertebra(level, frame, body, box, distance, plate, local, vein)
