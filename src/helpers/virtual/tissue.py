"""The volume before it is scanned: every tissue of one patient painted on the grid, in HU at 120 kV."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.virtual import bone, shapes, surroundings
from helpers.virtual.shapes import Box
from helpers.virtual.vertebrae import Anatomy, Vertebra

_BLEND_MM = 3.0  # of the rods of an arch, and of arch and body, into each other


def paint_tissue(protocol: dict, person: pd.Series, anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """HU of every voxel at 120 kV, without blur and noise.

    Parameters
    ----------
    protocol : dict
        The protocol file as read; its keys ``anatomy`` and ``bone``.
    person : Series
        One patient with the latent columns (patients.LATENT_COLUMNS) and age.
    anatomy : Anatomy
    rng : Generator
        The patient's own stream for tissue.

    Returns
    -------
    ndarray of shape (z, y, x)
        float32.
    """
    numbers = protocol["anatomy"]
    volume = surroundings.paint_organs(numbers, person, anatomy)
    surroundings.paint_ribs(volume, numbers, anatomy, person.hu_t12 + numbers["arch"]["denser_hu"])
    law = numbers["cortex"]["log_share"]
    thickness = np.exp(
        law["per_micro_structure"] * person.micro_structure + law["sd"] * rng.standard_normal()
    )
    state = bone.texture_state(protocol["bone"], person, rng)
    for level, vertebra in anatomy.vertebrae.items():
        mean_hu = person.hu_t12 if level in ("T11", "T12") else person.hu_l1
        marrow = bone.trabecular_hu(protocol["bone"], mean_hu, state, vertebra, anatomy.grid, rng)
        rods = _rods(numbers["arch"], vertebra, rng)
        _paint_vertebra(volume, numbers, anatomy, vertebra, rods, marrow, mean_hu, thickness)
    surroundings.paint_calcifications(volume, numbers, person, anatomy)
    return volume


def _paint_vertebra(
    volume: np.ndarray,
    numbers: dict,
    anatomy: Anatomy,
    vertebra: Vertebra,
    rods: np.ndarray,
    marrow: np.ndarray,
    mean_hu: float,
    thickness: float,
) -> None:
    """Body and arch as one bone: the cortex follows their union, so that the pedicles stay open inside."""
    cortex, arch = numbers["cortex"], numbers["arch"]
    around = shapes.box_around(anatomy.grid, vertebra.frame, [-44, -8, -34], [44, 64, 24])
    box = _joint(vertebra.box, around)
    distance = shapes.rod_distances(anatomy.grid, box, vertebra.frame, rods, _BLEND_MM, anatomy.noise)
    shell = np.full(distance.shape, cortex["arch_mm"] * thickness, np.float32)
    filling = np.full(distance.shape, mean_hu + arch["denser_hu"], np.float32)
    inner = _within(vertebra.box, box)
    body_shell = np.where(vertebra.plate, cortex["plate_mm"], cortex["wall_mm"]) * (1 - vertebra.vein)
    shell[inner] = np.where(vertebra.distance < distance[inner], thickness * body_shell, shell[inner])
    grain = np.full(distance.shape, arch["grain_hu"], np.float32)
    body = np.clip(0.5 - vertebra.distance / 2, 0, 1)
    filling[inner] += body * (marrow - filling[inner])
    grain[inner] *= 1 - body
    distance[inner] = _smooth_union(distance[inner], vertebra.distance)
    uneven = np.array(cortex["uneven"])
    shapes.paint_bone(
        volume,
        anatomy.grid,
        box,
        distance,
        filling,
        grain,
        shell,
        float(cortex["hu"]),
        uneven,
        anatomy.noise,
    )


def _rods(arch: dict, vertebra: Vertebra, rng: np.random.Generator) -> np.ndarray:
    """The arch's rods in the vertebra's frame, shape (rods, 9); the sides are a little unlike each other."""
    size = vertebra.posterior_wall / arch["of_posterior_wall_mm"]
    rods = []
    for start, end, section in [*arch["all"].values(), *arch[vertebra.level].values()]:
        for side in (1, -1) if start[0] or end[0] else (1,):
            rod = np.array([*start, *end], float) * size
            rod[[1, 5]] += vertebra.posterior_wall
            rod[[0, 4]] *= side
            rod[[0, 1, 2, 4, 5, 6]] += np.repeat(arch["stray_mm"], 3) * rng.standard_normal(6)
            rod[[3, 7]] *= np.exp(arch["radius_sd"] * rng.standard_normal(2))
            rods.append([*rod, section])
    return np.array(rods)


def _joint(a: Box, b: Box) -> Box:
    """The smallest box that holds both."""
    first = np.minimum(a[:3], b[:3])
    last = np.maximum(np.add(a[:3], a[3:]), np.add(b[:3], b[3:]))
    return Box(*map(int, first), *map(int, last - first))


def _within(inner: Box, outer: Box) -> tuple[slice, ...]:
    """Slices of the inner box in an array of the outer one."""
    starts = np.subtract(inner[:3], outer[:3])
    return tuple(slice(start, start + n) for start, n in zip(starts, inner[3:], strict=True))


def _smooth_union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    overlap = np.maximum(_BLEND_MM - np.abs(a - b), 0) / _BLEND_MM
    return np.minimum(a, b) - 0.25 * _BLEND_MM * overlap * overlap
