"""Organs, muscles, fat and vessels around the spine, discs and canal, calcifications."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.virtual import shapes
from helpers.virtual.shapes import ANGLES, Frame
from helpers.virtual.vertebrae import LEVELS, Anatomy

_POSTERIOR_WALL_MM = 15.0  # from the centre of the L1 body for which the organs' table is drawn
_RIB_SECTION = 0.65  # width over height of a rib
_STREAK_HU = -80.0  # of fat between muscle fibres
_NOISE_SD = 0.55  # of the interpolated noise cube


def paint_organs(numbers: dict, person: pd.Series, anatomy: Anatomy) -> np.ndarray:
    """HU of everything but bone, float32 of shape (z, y, x)."""
    grid = anatomy.grid
    volume = np.full((grid.nz, grid.ny, grid.nx), numbers["fat_hu"], np.float32)
    fatter = numbers["streaks_per_year"] * max(person.age - 50, 0)
    for number, organ in enumerate(numbers["organs"]):
        streaks = organ["streaks"] + fatter if "streaks" in organ else 0.0
        shapes.paint_tube(
            volume,
            grid,
            _tube(anatomy, organ),
            float(organ["hu"]),
            organ.get("square", False),
            organ["rough"],
            streaks,
            _STREAK_HU,
            float(organ.get("vessels", 0)),
            anatomy.noise,
            float(number),
        )
    for upper, lower in zip(LEVELS[:-1], LEVELS[1:], strict=True):
        _paint_disc(volume, numbers["discs"], anatomy, upper, lower)
    return volume


def paint_calcifications(volume: np.ndarray, numbers: dict, person: pd.Series, anatomy: Anatomy) -> None:
    """Calcify the aortic wall by the patient's share, and the anterior ligament if the patient's is."""
    hu = float(numbers["calcification_hu"])
    if person.aortic_calcification > 0:
        aorta = next(organ for organ in numbers["organs"] if organ["name"] == "aorta")
        threshold = _NOISE_SD * norm.ppf(1 - 0.5 * person.aortic_calcification)
        shapes.paint_wall(volume, anatomy.grid, _tube(anatomy, aorta), hu, 1.4, threshold, anatomy.noise)
    if person.ligament_calcification:
        _paint_ligament(volume, anatomy, hu)


def paint_ribs(volume: np.ndarray, numbers: dict, anatomy: Anatomy, marrow_hu: float) -> None:
    """Ribs 11 and 12, each from its vertebra outward."""
    for level, rods in numbers["ribs"].items():
        vertebra = anatomy.vertebrae[level]
        box = shapes.box_around(anatomy.grid, vertebra.frame, [-80, -20, -45], [80, 60, 15])
        left = np.array([[*rod, _RIB_SECTION] for rod in rods])
        both = np.concatenate([left, left * [-1, 1, 1, 1, -1, 1, 1, 1, 1]])
        distance = shapes.rod_distances(anatomy.grid, box, vertebra.frame, both, 2.0, anatomy.noise)
        cortex, every = numbers["cortex"], distance.shape
        shapes.paint_bone(
            volume,
            anatomy.grid,
            box,
            distance,
            np.full(every, marrow_hu, np.float32),
            np.full(every, numbers["arch"]["grain_hu"], np.float32),
            np.full(every, cortex["arch_mm"], np.float32),
            float(cortex["hu"]),
            np.array(cortex["uneven"]),
            anatomy.noise,
        )


def _paint_disc(volume: np.ndarray, numbers: dict, anatomy: Anatomy, upper: str, lower: str) -> None:
    above, below = anatomy.vertebrae[upper], anatomy.vertebrae[lower]
    floor = above.frame.centre - above.body.half_height * above.frame.axes[2]
    roof = below.frame.centre + below.body.half_height * below.frame.axes[2]
    frame = Frame((floor + roof) / 2, above.frame.axes)
    reach = float(above.body.rim.max()) + 2
    box = shapes.box_around(anatomy.grid, frame, [-reach, -reach, -12], [reach, reach, 12])
    half_gap = float(np.linalg.norm(floor - roof)) / 2
    dip = max(above.body.dip_lower, below.body.dip_upper) + 1.0
    shapes.paint_disc(
        volume, anatomy.grid, box, frame, above.body.rim, half_gap, dip, *numbers["core_and_ring_hu"]
    )


def _paint_ligament(volume: np.ndarray, anatomy: Anatomy, hu: float) -> None:
    """A calcified strip of the anterior longitudinal ligament before the disc between T12 and L1."""
    vertebra = anatomy.vertebrae["T12"]
    front, floor = -float(vertebra.body.rim[3 * ANGLES // 4]) - 0.8, -vertebra.body.half_height
    strip = np.array([[3.0, front, floor + 4, 0.7, 0.0, front - 0.8, floor - 10, 1.2, 0.7]])
    box = shapes.box_around(
        anatomy.grid, vertebra.frame, [-8, front - 8, floor - 18], [12, front + 8, floor + 12]
    )
    distance = shapes.rod_distances(anatomy.grid, box, vertebra.frame, strip, 1.0, anatomy.noise)
    shapes.paint_solid(volume, box, distance, hu)


def _tube(anatomy: Anatomy, organ: dict) -> np.ndarray:
    """Centre, half axes and turn of an organ by slice, following the spine; shape (slices, 5)."""
    grid, spine = anatomy.grid, list(anatomy.vertebrae.values())[::-1]
    centres = np.array([vertebra.frame.centre for vertebra in spine])
    size = spine[1].posterior_wall / _POSTERIOR_WALL_MM
    z = grid.z0 + grid.dz * np.arange(grid.nz)
    rise = (z - centres[1, 2]) / (centres[2, 2] - centres[1, 2])
    rise = 0.5 + 0.8 * np.tanh(1.4 * (rise - 0.5))  # levels off above T12 and below L1
    tube = np.array(organ["l1"], float) + np.outer(rise, np.subtract(organ["t12"], organ["l1"]))
    tube[:, :4] *= size
    tube[:, 0] += np.interp(z, centres[:, 2], centres[:, 0])
    tube[:, 1] += np.interp(z, centres[:, 2], centres[:, 1])
    tube[:, 4] = np.deg2rad(tube[:, 4])
    return tube
