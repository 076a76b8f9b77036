"""Two readers who outline cancellous bone slice by slice: T12 and L1, upper, middle and lower third.

Numbers come from the key ``readers`` of the protocol.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from helpers.virtual.bone import cancellous

FIRST_LAYER = {"T12": 1, "L1": 4}


def true_mask(anatomy, depth_mm: float) -> np.ndarray:
    """Cancellous bone deeper than ``depth_mm`` below the surface, layers 1 to 6, uint8 (z, y, x)."""
    mask = _empty(anatomy)
    for level, first in FIRST_LAYER.items():
        vertebra = anatomy.vertebrae[level]
        _fill(mask, vertebra, cancellous(vertebra, depth_mm), first, np.array([-1 / 6, 1 / 6]))
    return mask


def draw_mask(numbers: dict, anatomy, rng: np.random.Generator) -> np.ndarray:
    """One reader's layers 1 to 6, uint8 of shape (z, y, x)."""
    mask = _empty(anatomy)
    habit = numbers["habit_sd_mm"] * rng.standard_normal(2)
    for level, first in FIRST_LAYER.items():
        vertebra = anatomy.vertebrae[level]
        side = numbers["inside_mm"] + habit[0] + _hand(numbers, vertebra, rng)
        inside = cancellous(vertebra, side)
        inside &= ~vertebra.plate | (vertebra.distance < -(numbers["inside_mm"] + habit[1]))
        cuts = np.array([-1 / 6, 1 / 6]) + numbers["cut_sd"] * rng.standard_normal(2)
        _fill(mask, vertebra, inside, first, cuts)
    return mask


def _empty(anatomy) -> np.ndarray:
    grid = anatomy.grid
    return np.zeros((grid.nz, grid.ny, grid.nx), np.uint8)


def _hand(numbers: dict, vertebra, rng: np.random.Generator) -> np.ndarray:
    """How far the hand strays inward (mm): smooth round the outline and from slice to slice."""
    slices, angles = vertebra.distance.shape[0], 64
    wander = rng.standard_normal((slices, angles))
    wander = gaussian_filter1d(wander, numbers["smooth_slices"], axis=0, mode="wrap")
    wander = gaussian_filter1d(wander, numbers["smooth_degrees"] / 360 * angles, axis=1, mode="wrap")
    wander *= numbers["hand_sd_mm"] / wander.std()
    u, v, _ = vertebra.local
    turn = ((np.arctan2(v, u) / (2 * np.pi)) % 1 * angles).astype(int) % angles
    return np.take_along_axis(wander[:, None, :], turn.reshape(slices, 1, -1), axis=2).reshape(turn.shape).astype(np.float32)


def _fill(mask: np.ndarray, vertebra, inside: np.ndarray, first: int, cuts: np.ndarray) -> None:
    """Write three layers along the vertebra's axis, the upper first; ``cuts`` are shares of its height."""
    box = vertebra.box
    w = vertebra.local[2] / np.float32(2 * vertebra.body.half_height)
    layer = first + (w < cuts[1]).astype(np.uint8) + (w < cuts[0])
    part = mask[box.k : box.k + box.nk, box.j : box.j + box.nj, box.i : box.i + box.ni]
    part[inside] = layer[inside]
