"""Trabecular bone: mean density and a texture below the voxel, by the state of the bone.

Trabeculae (0.13 mm thick, 1 mm apart) are smaller than a CT voxel, so that they are drawn as a random field
with a power-law spectrum (PMC6762028): a share of struts along the spine and a share of plates across it,
which osteoporosis takes first.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import fft

from helpers.virtual.shapes import Grid

SIGMA = 1 / 2.3548  # of a Gaussian of unit full width at half maximum


def trabecular_hu(numbers: dict, person: pd.Series, vertebra, grid: Grid, rng: np.random.Generator) -> np.ndarray:
    """HU of cancellous bone in a vertebral body's box, float32 of shape (z, y, x).

    Over cancellous bone at least ``numbers['measured_depth_mm']`` below the surface, the mean is the
    patient's hu_t12 (T11, T12) or hu_l1 (L1, L2).
    """
    mean = person.hu_t12 if vertebra.level in ("T11", "T12") else person.hu_l1
    state = texture_state(numbers, person, rng)
    hu = state["contrast"] * texture(vertebra.distance.shape, grid, vertebra.frame.axes[2], state, rng)
    level = vertebra.local[2] / np.float32(vertebra.body.half_height)
    hu += np.float32(numbers["denser_at_end_plates"] * mean) * np.clip(level * level, 0, 1)
    inside = cancellous(vertebra, numbers["measured_depth_mm"])
    hu += np.float32(mean) - (hu[inside].mean() if inside.any() else 0)
    return hu + vertebra.vein * (np.float32(numbers["vein_hu"]) - hu)


def cancellous(vertebra, depth_mm: float) -> np.ndarray:
    """Where a body is cancellous bone at least ``depth_mm`` below the surface, without the basivertebral vein."""
    u, v, w = vertebra.local
    around_vein = (u / 6) ** 2 + ((vertebra.posterior_wall - v) / 9) ** 2 + (w / 5) ** 2 < 1
    return (vertebra.distance < -depth_mm) & ~around_vein


def texture_state(numbers: dict, person: pd.Series, rng: np.random.Generator) -> dict[str, float]:
    """Contrast (HU), spectral slope and share of horizontal plates of one patient's bone."""
    state, own = person.micro_structure, person.texture_individuality
    contrast, slope, plates = numbers["contrast"], numbers["slope"], numbers["plates"]
    return {
        "resolution_mm": contrast["resolution_mm"],
        "contrast": contrast["hu"] * np.exp(contrast["per_micro_structure"] * state + contrast["individual"] * own),
        "slope": slope["mean"] + slope["per_micro_structure"] * state,
        "plates": 1 / (1 + np.exp(-(plates["logit"] + plates["per_micro_structure"] * state))),
    }


def texture(shape: tuple, grid: Grid, axis: np.ndarray, state: dict, rng: np.random.Generator) -> np.ndarray:
    """A random field with the spectrum of ``state``, of mean 0 and, seen at its resolution, variance 1."""
    size = tuple(fft.next_fast_len(n, real=True) for n in shape)
    if 0 in shape:
        return np.zeros(shape, np.float32)
    fz = fft.fftfreq(size[0], grid.dz).astype(np.float32)[:, None, None]
    fy = fft.fftfreq(size[1], grid.dy).astype(np.float32)[None, :, None]
    fx = fft.rfftfreq(size[2], grid.dx).astype(np.float32)[None, None, :]
    whole = fx**2 + fy**2 + fz**2
    along = (np.float32(axis[0]) * fx + np.float32(axis[1]) * fy + np.float32(axis[2]) * fz) ** 2
    exponent = np.float32(-state["slope"] / 2)
    struts = (0.01 + (whole - along) + 6 * along) ** exponent
    plates = (0.01 + 4 * (whole - along) + along) ** exponent
    struts[0, 0, 0] = plates[0, 0, 0] = 0
    seen = np.exp(-np.float32((2 * np.pi * state["resolution_mm"] * SIGMA) ** 2) * whole)
    power = (1 - state["plates"]) / (struts * seen).mean() * struts
    power += state["plates"] / (plates * seen).mean() * plates
    white = fft.rfftn(rng.standard_normal(size, dtype=np.float32))
    white *= np.sqrt(power, out=power)
    return fft.irfftn(white, size)[tuple(slice(n) for n in shape)]
