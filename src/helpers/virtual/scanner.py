"""The CT scanner: field of view, tube voltage, blur of kernel and slice, noise, small errors of calibration.

Numbers come from the key ``scanner`` of the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit
from scipy import fft

from helpers.errors import StudyError
from helpers.virtual.bone import SIGMA
from helpers.virtual.shapes import Grid

_SLICES = 16  # of noise made at a time: small enough for the processor's cache


@dataclass(frozen=True)
class Scanner:
    """How one patient was scanned.

    Attributes
    ----------
    name, manufacturer, model, kernel : str
    kvp : float
        Tube voltage, kV.
    ma : float
        Tube current, mA, as the automatic control chose it.
    pixel_mm, slice_mm : float
        Voxel spacing in the plane and along the table.
    fwhm_mm, slice_fwhm_mm : float
        Full width at half maximum of the point spread in the plane and along the table.
    noise_hu : float
        Noise SD in soft tissue.
    bias_hu, cupping_hu : float
        Error of calibration, and what beam hardening takes off in the middle.
    """

    name: str
    manufacturer: str
    model: str
    kernel: str
    kvp: float
    ma: float
    pixel_mm: float
    slice_mm: float
    fwhm_mm: float
    slice_fwhm_mm: float
    noise_hu: float
    bias_hu: float
    cupping_hu: float


def draw_scanner(protocol: dict, role: str, person: pd.Series, rng: np.random.Generator) -> Scanner:
    """The scan protocol of one patient: the scanner that the patient's row names, set for the patient's size."""
    numbers = protocol["scanner"]
    if person.scanner not in numbers["models"]:
        raise StudyError(f"The protocol's key scanner.models does not know the scanner '{person.scanner}'.")
    site, model = numbers["sites"][role], numbers["models"][person.scanner]
    size = np.sqrt(person.weight_kg / person.height_cm) / np.sqrt(numbers["mean_kg_per_cm"]) - 1
    field = np.interp(size, [-0.2, 0.3], protocol["anatomy"]["grid"]["field_of_view_mm"]) + 12 * rng.standard_normal()
    field = 5 * round(np.clip(field, *protocol["anatomy"]["grid"]["field_of_view_mm"]) / 5)
    noise = site["noise_hu"] * model["noise"] * np.exp(numbers["noise_per_size"] * size + 0.04 * rng.standard_normal())
    return Scanner(
        name=person.scanner,
        manufacturer=model["manufacturer"],
        model=model["model"],
        kernel=model["kernel"],
        kvp=float(model.get("kvp", numbers["kvp"])),
        ma=float(np.round(numbers["ma"] * np.exp(numbers["ma_per_size"] * size))),
        pixel_mm=field / 512,
        slice_mm=protocol["anatomy"]["grid"]["slice_mm"],
        fwhm_mm=site["fwhm_mm"] * model["fwhm"],
        slice_fwhm_mm=numbers["slice_fwhm_mm"],
        noise_hu=float(noise),
        bias_hu=float(model["bias_hu"] + numbers["bias_sd_hu"] * rng.standard_normal()),
        cupping_hu=float(numbers["cupping_hu"]),
    )


def scan(volume: np.ndarray, scanner: Scanner, grid: Grid, numbers: dict, rng: np.random.Generator) -> np.ndarray:
    """What the scanner makes of HU at 120 kV: whole HU, int16 of shape (z, y, x)."""
    blurred = blur(volume, scanner, grid)
    return _digitise(blurred, noise(blurred.shape, scanner, grid, numbers, rng), scanner.bias_hu, scanner.cupping_hu)


def blur(volume: np.ndarray, scanner: Scanner, grid: Grid) -> np.ndarray:
    """Point spread of kernel and slice: Gaussian (Nickoloff 1985)."""
    in_plane = _kernel(scanner.fwhm_mm * SIGMA / grid.dx)
    return _convolve(volume, in_plane, _kernel(scanner.slice_fwhm_mm * SIGMA / grid.dz))


def noise(shape: tuple, scanner: Scanner, grid: Grid, numbers: dict, rng: np.random.Generator) -> np.ndarray:
    """Noise of SD ``scanner.noise_hu`` and the spectrum of filtered back-projection, float32 (z, y, x).

    In the plane the power rises with frequency (ramp) and falls with the kernel; neighbouring slices
    share some of it.
    """
    nz, ny, nx = shape
    fy, fx = fft.fftfreq(ny, grid.dy)[:, None], fft.rfftfreq(nx, grid.dx)[None, :]
    f2 = fx**2 + fy**2
    sigma = numbers["noise_blur_share"] * scanner.fwhm_mm * SIGMA
    power = (np.sqrt(f2) + numbers["noise_floor"]) * np.exp(-((2 * np.pi * sigma) ** 2) * f2)
    power *= 1 + numbers["noise_streaks"] * (fy**2 - fx**2) / np.maximum(f2, 1e-9)
    power[0, 0] = 0
    weight = np.full(power.shape, 2.0)
    weight[:, [0, -1] if nx % 2 == 0 else [0]] = 1
    amplitude = np.sqrt(power / (power * weight).sum()) * nx * ny
    amplitude[:, weight[0] == 2] *= np.sqrt(0.5)
    amplitude = (scanner.noise_hu * amplitude).astype(np.float32)
    slices = np.empty(shape, np.float32)
    for first in range(0, nz, _SLICES):
        part = slices[first : first + _SLICES]
        draws = rng.standard_normal((len(part), ny, nx // 2 + 1, 2), dtype=np.float32).view(np.complex64)[..., 0]
        draws *= amplitude
        part[:] = fft.irfft2(draws, (ny, nx), overwrite_x=True)
    neighbours = np.array([numbers["noise_neighbour"], 1.0, numbers["noise_neighbour"]])
    return _smooth_slices(slices, (neighbours / np.linalg.norm(neighbours)).astype(np.float32))


def _kernel(sigma: float) -> np.ndarray:
    reach = int(np.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


@njit(cache=True)
def _convolve(volume, plane, along):
    """Separable convolution, the edge repeated."""
    nz, ny, nx = volume.shape
    r, s = plane.size // 2, along.size // 2
    flat = np.empty_like(volume)
    padded = np.empty((ny + 2 * r, nx), np.float32)
    row = np.empty(nx + 2 * r, np.float32)
    for k in range(nz):
        for j in range(ny):
            row[r : r + nx] = volume[k, j]
            row[:r] = volume[k, j, 0]
            row[r + nx :] = volume[k, j, nx - 1]
            out = padded[j + r]
            out[:] = 0
            for t in range(2 * r + 1):
                for i in range(nx):
                    out[i] += plane[t] * row[i + t]
        for t in range(r):
            padded[t] = padded[r]
            padded[ny + r + t] = padded[ny + r - 1]
        for j in range(ny):
            out = flat[k, j]
            out[:] = 0
            for t in range(2 * r + 1):
                for i in range(nx):
                    out[i] += plane[t] * padded[j + t, i]
    result = np.zeros_like(volume)
    for k in range(nz):
        for t in range(-s, s + 1):
            source = flat[min(max(k + t, 0), nz - 1)]
            for j in range(ny):
                for i in range(nx):
                    result[k, j, i] += along[t + s] * source[j, i]
    return result


@njit(cache=True)
def _smooth_slices(volume, taps):
    """Weighted sum of each slice with its neighbours (wrapping round)."""
    nz, ny, nx = volume.shape
    result = np.empty_like(volume)
    for k in range(nz):
        a, b, c = volume[k - 1], volume[k], volume[(k + 1) % nz]
        for j in range(ny):
            for i in range(nx):
                result[k, j, i] = taps[0] * a[j, i] + taps[1] * b[j, i] + taps[2] * c[j, i]
    return result


@njit(cache=True)
def _digitise(volume, noise, bias, cupping):
    """Add noise, calibration error and cupping; round to whole HU in the range of CT."""
    nz, ny, nx = volume.shape
    result = np.empty(volume.shape, np.int16)
    for k in range(nz):
        for j in range(ny):
            across = (j / ny - 0.45) ** 2
            for i in range(nx):
                middle = 1 - 4 * ((i / nx - 0.5) ** 2 + across)
                value = volume[k, j, i] + noise[k, j, i] + bias - cupping * max(middle, 0.0)
                result[k, j, i] = np.int16(np.rint(min(max(value, -1024.0), 3071.0)))
    return result
