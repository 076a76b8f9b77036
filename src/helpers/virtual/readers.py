"""Two readers who outline cancellous bone slice by slice: T12 and L1, upper, middle and lower third.

Numbers come from the key ``readers`` of the protocol.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from helpers.virtual.bone import cancellous
from helpers.virtual.vertebrae import Anatomy, Vertebra

_ANGLES = 64  # round the outline
_MIDDLE_MM = 12.0  # within this distance from the middle all angles come together
FIRST_LAYER = {"T12": 1, "L1": 4}


def true_mask(anatomy: Anatomy, depth_mm: float) -> np.ndarray:
    """Cancellous bone deeper than ``depth_mm`` below the surface, layers 1 to 6, uint8 (z, y, x)."""
    mask = _empty(anatomy)
    for level, first in FIRST_LAYER.items():
        vertebra = anatomy.vertebrae[level]
        _fill(mask, vertebra, cancellous(vertebra, depth_mm), first, np.array([-1 / 6, 1 / 6]))
    return mask


def draw_mask(numbers: dict, anatomy: Anatomy, reader: int, rng: np.random.Generator) -> np.ndarray:
    """One reader's layers 1 to 6.

    Parameters
    ----------
    numbers : dict
        Key ``readers`` of the protocol.
    anatomy : Anatomy
    reader : int
        1 or 2; each has a habit of drawing a little wider or tighter.
    rng : Generator
        The stream of this patient and reader.

    Returns
    -------
    ndarray of shape (z, y, x)
        uint8, 0 outside.
    """
    mask = _empty(anatomy)
    usual = np.array(numbers["inside_mm"]) + numbers["habit_mm"][reader]
    side, face = usual + np.array(numbers["day_sd_mm"]) * rng.standard_normal(2)
    for level, first in FIRST_LAYER.items():
        vertebra = anatomy.vertebrae[level]
        depth = np.where(vertebra.plate, np.float32(face), np.float32(side)) + _hand(numbers, vertebra, rng)
        inside = cancellous(vertebra, np.maximum(depth, numbers["least_mm"]))
        cuts = np.array([-1 / 6, 1 / 6]) + numbers["cut_sd"] * rng.standard_normal(2)
        _fill(mask, vertebra, inside, first, cuts)
    return mask


def _empty(anatomy: Anatomy) -> np.ndarray:
    grid = anatomy.grid
    return np.zeros((grid.nz, grid.ny, grid.nx), np.uint8)


def _hand(numbers: dict, vertebra: Vertebra, rng: np.random.Generator) -> np.ndarray:
    """How far the hand strays inward (mm), smooth round the outline and from slice to slice."""
    slices = vertebra.distance.shape[0]
    wander = rng.standard_normal((slices, _ANGLES))
    wander = gaussian_filter1d(wander, numbers["smooth_slices"], axis=0, mode="wrap")
    wander = gaussian_filter1d(wander, numbers["smooth_degrees"] / 360 * _ANGLES, axis=1, mode="wrap")
    wander *= numbers["hand_sd_mm"] / wander.std()
    u, v, _ = vertebra.local
    turn = (np.arctan2(v, u) / (2 * np.pi) * _ANGLES).astype(np.int16) % _ANGLES
    strayed = np.take_along_axis(wander.astype(np.float32), turn.reshape(slices, -1), axis=1)
    return strayed.reshape(turn.shape) * np.minimum(np.hypot(u, v) / _MIDDLE_MM, 1)


def _fill(mask: np.ndarray, vertebra: Vertebra, inside: np.ndarray, first: int, cuts: np.ndarray) -> None:
    """Write three layers along the vertebra's axis, the upper first; ``cuts`` are shares of its height."""
    box = vertebra.box
    w = vertebra.local[2] / np.float32(2 * vertebra.body.half_height)
    layer = first + (w < cuts[1]).astype(np.uint8) + (w < cuts[0])
    part = mask[box.k : box.k + box.nk, box.j : box.j + box.nj, box.i : box.i + box.ni]
    part[inside] = layer[inside]
