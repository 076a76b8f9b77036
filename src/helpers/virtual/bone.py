"""Trabecular bone: mean density and a texture below the voxel, by the state of the bone.

Trabeculae (0.13 mm thick, 1 mm apart) are smaller than a CT voxel, so that they are drawn as a random field
with a power-law spectrum (PMC6762028): a share of struts along the spine and a share of plates across it,
which osteoporosis takes first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import fft

from helpers.virtual.shapes import ANGLES, Grid
from helpers.virtual.vertebrae import Vertebra

_FLAT_BELOW = 0.1  # cycles per mm below which the spectrum is flat
_STRETCH = 2.2  # of struts along the spine, and of plates across it
SIGMA = 1 / 2.3548  # of a Gaussian of unit full width at half maximum


@dataclass(frozen=True)
class TextureState:
    """What one patient's trabeculae look like.

    Attributes
    ----------
    contrast_hu : float
        SD of the texture at the reference density, seen at the protocol's resolution (HU).
    slope : float
        Exponent of the power spectrum: steeper is coarser.
    plates : float
        Share of horizontal plates, 0 to 1; the rest are struts along the spine.
    """

    contrast_hu: float
    slope: float
    plates: float


def texture_state(numbers: dict, person: pd.Series, rng: np.random.Generator) -> TextureState:
    """Texture of one patient: set by the bone's micro-structure, blurred by what is merely individual."""
    state, own = person.micro_structure, (person.texture_individuality, *rng.standard_normal(2))
    contrast, slope, plates = (
        law["mean"] + law["per_micro_structure"] * state + law["individual"] * z
        for law, z in zip(
            (numbers["log_contrast"], numbers["slope"], numbers["logit_plates"]), own, strict=True
        )
    )
    return TextureState(float(np.exp(contrast)), float(slope), float(1 / (1 + np.exp(-plates))))


def trabecular_hu(
    numbers: dict,
    mean_hu: float,
    state: TextureState,
    vertebra: Vertebra,
    grid: Grid,
    rng: np.random.Generator,
) -> np.ndarray:
    """HU of cancellous bone in a vertebral body's box, float32 of shape (z, y, x).

    Over cancellous bone at least ``numbers['measured_depth_mm']`` below the surface, the mean is ``mean_hu``.
    Contrast goes with the share of bone: the variance of sparse grains goes with their share times their
    volume, and trabeculae are the thicker the more of them there are.
    """
    share = max(mean_hu - numbers["marrow_hu"], 20) / (numbers["reference_hu"] - numbers["marrow_hu"])
    hu = texture(vertebra.distance.shape, grid, vertebra.frame.axes[2], state, numbers["resolution_mm"], rng)
    hu *= np.float32(state.contrast_hu * share)
    hu += regional_hu(numbers["regional"], mean_hu, vertebra, rng)
    hu += vertebra.vein * (np.float32(numbers["vein_hu"] - mean_hu) - hu)
    inside = cancellous(vertebra, numbers["measured_depth_mm"])
    return hu + np.float32(mean_hu - (hu[inside].mean() if inside.any() else 0))


def regional_hu(numbers: dict, mean_hu: float, vertebra: Vertebra, rng: np.random.Generator) -> np.ndarray:
    """By how much each part of a body is denser than another (HU), float32 of shape (z, y, x).

    Slopes from side to side, front to back and bottom to top (shares of the mean from the middle to the
    surface) are the usual ones plus the body's own; towards the end plates and close below the surface bone
    is denser.
    """
    width, depth = vertebra.body.rim[[0, ANGLES // 4]]
    halves = np.array([width, depth, vertebra.body.half_height])
    slopes = mean_hu * (np.array(numbers["slope"]) + numbers["slope_sd"] * rng.standard_normal(3)) / halves
    u, v, w = vertebra.local
    hu = np.float32(slopes[0]) * u + np.float32(slopes[1]) * v + np.float32(slopes[2]) * w
    level = w / np.float32(halves[2])
    hu += np.float32(numbers["end_plates"] * mean_hu) * np.clip(level * level, 0, 1)
    rim = numbers["rim"]
    below = np.maximum(-vertebra.distance, np.float32(1)) - np.float32(1)
    share = rim["share"] * np.exp(rim["sd"] * rng.standard_normal())
    return hu + np.float32(share * mean_hu) * np.exp(below / np.float32(-rim["mm"]))


def cancellous(vertebra: Vertebra, depth_mm: float | np.ndarray) -> np.ndarray:
    """Where a body is cancellous bone ``depth_mm`` or more below the surface, off the basivertebral vein."""
    u, v, w = vertebra.local
    around_vein = (u / 6) ** 2 + ((vertebra.posterior_wall - v) / 9) ** 2 + (w / 5) ** 2 < 1
    return (vertebra.distance < -depth_mm) & ~around_vein


def texture(
    shape: tuple,
    grid: Grid,
    axis: np.ndarray,
    state: TextureState,
    resolution_mm: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """A random field, float32: mean 0, and variance 1 when seen with a Gaussian of ``resolution_mm`` FWHM.

    Its power falls with frequency as struts stretched along ``axis`` and plates across it.
    """
    if 0 in shape:
        return np.zeros(shape, np.float32)
    size = tuple(fft.next_fast_len(n, real=True) for n in shape)
    fz = fft.fftfreq(size[0], grid.dz).astype(np.float32)[:, None, None]
    fy = fft.fftfreq(size[1], grid.dy).astype(np.float32)[None, :, None]
    fx = fft.rfftfreq(size[2], grid.dx).astype(np.float32)[None, None, :]
    whole = fx**2 + fy**2 + fz**2
    along = (np.float32(axis[0]) * fx + np.float32(axis[1]) * fy + np.float32(axis[2]) * fz) ** 2
    across, exponent = whole - along, np.float32(-state.slope / 2)
    struts = (_FLAT_BELOW**2 + across + _STRETCH**2 * along) ** exponent
    plates = (_FLAT_BELOW**2 + _STRETCH**2 * across + along) ** exponent
    seen = np.exp(-np.float32((2 * np.pi * resolution_mm * SIGMA) ** 2) * whole)
    power = (1 - state.plates) / (struts * seen).mean() * struts
    power += state.plates / (plates * seen).mean() * plates
    white = fft.rfftn(rng.standard_normal(size, dtype=np.float32))
    white *= np.sqrt(power, out=power)
    return fft.irfftn(white, size, overwrite_x=True)[tuple(slice(n) for n in shape)]
