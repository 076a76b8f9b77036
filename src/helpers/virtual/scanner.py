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
        Error of calibration, and the fall from the edge to the middle by beam hardening.
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
    """How a patient is scanned: by the scanner that the patient's row names, set for the patient's size.

    Raises
    ------
    StudyError
        When the protocol does not describe that scanner.
    """
    numbers, grid = protocol["scanner"], protocol["anatomy"]["grid"]
    if person.scanner not in numbers["models"]:
        raise StudyError(f"The protocol's key scanner.models does not know the scanner '{person.scanner}'.")
    site = numbers["sites"][role]
    model = numbers["models"][person.scanner] | site.get("reconstructs", {}).get(person.scanner, {})
    size = np.sqrt(person.weight_kg / person.height_cm / numbers["mean_kg_per_cm"]) - 1
    field, noise, bias = numbers["field_sd_mm"], numbers["noise_sd"], numbers["bias_sd_hu"]
    field, noise, bias = np.array([field, noise, bias]) * rng.standard_normal(3)
    field += np.interp(size, numbers["sizes_of_field"], grid["field_of_view_mm"])
    return Scanner(
        name=person.scanner,
        manufacturer=model["manufacturer"],
        model=model["model"],
        kernel=model["kernel"],
        kvp=float(model.get("kvp", numbers["kvp"])),
        ma=float(np.round(numbers["ma"] * np.exp(numbers["ma_per_size"] * size))),
        pixel_mm=5 * round(np.clip(field, *grid["field_of_view_mm"]) / 5) / 512,
        slice_mm=float(model.get("slice_mm", grid["slice_mm"])),
        fwhm_mm=site["fwhm_mm"] * model["fwhm"],
        slice_fwhm_mm=float(model.get("slice_fwhm_mm", numbers["slice_fwhm_mm"])),
        noise_hu=float(site["noise_hu"] * model["noise"] * np.exp(numbers["noise_per_size"] * size + noise)),
        bias_hu=float(model["bias_hu"] + bias),
        cupping_hu=float(numbers["cupping_hu"]),
    )


def scan(
    volume: np.ndarray, scanner: Scanner, grid: Grid, numbers: dict, rng: np.random.Generator
) -> np.ndarray:
    """What the scanner makes of tissue.

    Parameters
    ----------
    volume : ndarray of shape (z, y, x)
        HU at 120 kV, float32; it is used up (blurred in place, to save memory).
    scanner : Scanner
    grid : Grid
        Of the tissue: as fine as the scan in the plane, as fine or finer along the table.
    numbers : dict
        Key ``scanner`` of the protocol.
    rng : Generator
        The patient's own stream for noise.

    Returns
    -------
    ndarray of shape (z, y, x)
        Whole HU, int16; slices of ``scanner.slice_mm``, the first where the tissue's first is.
    """
    at_voltage(volume, scanner.kvp, numbers)
    blurred = pick_slices(blur(volume, scanner, grid), grid.dz, scanner.slice_mm)
    return expose(blurred, scanner, grid, numbers, rng)


def pick_slices(volume: np.ndarray, apart_mm: float, slice_mm: float) -> np.ndarray:
    """Slices ``slice_mm`` apart of a volume whose own are ``apart_mm`` apart; between two they are mixed."""
    last = len(volume) - 1
    place = np.arange(int(last * apart_mm / slice_mm + 1e-6) + 1) * (slice_mm / apart_mm)
    below = np.minimum(np.floor(place + 1e-6).astype(int), last)
    above, part = np.minimum(below + 1, last), np.clip(place - below, 0, 1)
    if (part < 1e-6).all():
        return volume[below] if len(below) < len(volume) else volume
    part = part.astype(np.float32)[:, None, None]
    return volume[below] + part * (volume[above] - volume[below])


def expose(
    blurred: np.ndarray, scanner: Scanner, grid: Grid, numbers: dict, rng: np.random.Generator
) -> np.ndarray:
    """Noise, error of calibration and cupping on a `blur`red volume; whole HU, int16. See `scan`."""
    slices = plane_noise(blurred.shape, scanner, grid, numbers, rng)
    neighbours = np.array([numbers["noise_neighbour"], 1.0, numbers["noise_neighbour"]])
    taps = (neighbours / np.linalg.norm(neighbours)).astype(np.float32)
    return _digitise(blurred, slices, taps, scanner.bias_hu, scanner.cupping_hu)


def at_voltage(volume: np.ndarray, kvp: float, numbers: dict) -> None:
    """Change HU at 120 kV to those at ``kvp`` (kV), in place: mineral is brighter at low voltage."""
    voltages, factors = zip(*sorted(numbers["mineral_by_kvp"].items()), strict=True)
    factor = np.interp(kvp, voltages, factors)
    if factor != 1:
        mineral = volume > numbers["soft_tissue_hu"]
        volume[mineral] = numbers["soft_tissue_hu"] + factor * (volume[mineral] - numbers["soft_tissue_hu"])


def blur(volume: np.ndarray, scanner: Scanner, grid: Grid) -> np.ndarray:
    """Point spread of kernel and slice: Gaussian (Nickoloff 1985). Uses up ``volume``."""
    _blur_plane(volume, _kernel(scanner.fwhm_mm * SIGMA / grid.dx))
    return _blur_slices(volume, _kernel(scanner.slice_fwhm_mm * SIGMA / grid.dz))


def plane_noise(
    shape: tuple[int, int, int], scanner: Scanner, grid: Grid, numbers: dict, rng: np.random.Generator
) -> np.ndarray:
    """Noise of SD ``scanner.noise_hu``, independent from slice to slice, float32 (z, y, x).

    Drawn in Fourier space with `noise_power`; of the transform's two halves only one is drawn.
    """
    nz, ny, nx = shape
    fy, fx = fft.fftfreq(ny, grid.dy)[:, None], fft.rfftfreq(nx, grid.dx)[None, :]
    power = noise_power(fx, fy, scanner.fwhm_mm, numbers)
    twice = np.full(fx.shape, 2.0)
    twice[:, [0, -1] if nx % 2 == 0 else [0]] = 1
    # A drawn frequency also stands for its mirror image, but for the first and last column.
    amplitude = scanner.noise_hu * nx * ny * np.sqrt(power / twice / (power * twice).sum())
    amplitude = amplitude.astype(np.float32)
    slices = np.empty(shape, np.float32)
    for first in range(0, nz, _SLICES):
        part = slices[first : first + _SLICES]
        draws = rng.standard_normal((len(part), ny, nx // 2 + 1, 2), dtype=np.float32).view(np.complex64)[
            ..., 0
        ]
        draws *= amplitude
        part[:] = fft.irfft2(draws, (ny, nx), overwrite_x=True)
    return slices


def noise_power(fx: np.ndarray, fy: np.ndarray, fwhm_mm: float, numbers: dict) -> np.ndarray:
    """Relative noise power of filtered back-projection at frequencies in the plane (cycles per mm).

    It rises with frequency (ramp) and falls with the kernel; the body is wider than deep, so that there is
    more of it across than along.
    """
    square = fx**2 + fy**2
    sigma = numbers["noise_blur_share"] * fwhm_mm * SIGMA
    power = (np.sqrt(square) + numbers["noise_floor"]) * np.exp(-((2 * np.pi * sigma) ** 2) * square)
    power *= 1 + numbers["noise_streaks"] * (fy**2 - fx**2) / np.maximum(square, 1e-9)
    return np.where(square == 0, 0, power)


def _kernel(sigma: float) -> np.ndarray:
    reach = int(np.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


@njit(cache=True)
def _blur_plane(volume, taps):
    """Convolve every slice with ``taps`` along x and y, in place; the edge is repeated."""
    nz, ny, nx = volume.shape
    r = taps.size // 2
    padded = np.empty((ny + 2 * r, nx), np.float32)
    row = np.empty(nx + 2 * r, np.float32)
    for k in range(nz):
        for j in range(ny):
            row[r : r + nx] = volume[k, j]
            row[:r] = volume[k, j, 0]
            row[r + nx :] = volume[k, j, nx - 1]
            padded[j + r] = 0
            for t in range(taps.size):
                for i in range(nx):
                    padded[j + r, i] += taps[t] * row[i + t]
        for t in range(r):
            padded[t] = padded[r]
            padded[ny + r + t] = padded[ny + r - 1]
        for j in range(ny):
            volume[k, j] = 0
            for t in range(taps.size):
                for i in range(nx):
                    volume[k, j, i] += taps[t] * padded[j + t, i]


@njit(cache=True)
def _blur_slices(volume, taps):
    """Convolve along z; the edge is repeated."""
    nz, ny, nx = volume.shape
    s = taps.size // 2
    result = np.zeros_like(volume)
    for k in range(nz):
        for t in range(taps.size):
            source = volume[min(max(k + t - s, 0), nz - 1)]
            for j in range(ny):
                for i in range(nx):
                    result[k, j, i] += taps[t] * source[j, i]
    return result


@njit(cache=True)
def _digitise(volume, noise, taps, bias, cupping):
    """Add noise (shared with the neighbouring slices by ``taps``), calibration error and cupping; round."""
    nz, ny, nx = volume.shape
    result = np.empty(volume.shape, np.int16)
    for k in range(nz):
        before, here, after = noise[k - 1], noise[k], noise[(k + 1) % nz]
        for j in range(ny):
            across = (j / ny - 0.45) ** 2
            for i in range(nx):
                middle = max(1 - 4 * ((i / nx - 0.5) ** 2 + across), 0.0)
                value = taps[0] * before[j, i] + taps[1] * here[j, i] + taps[2] * after[j, i]
                value += volume[k, j, i] + bias + cupping * (0.5 - middle)
                result[k, j, i] = np.int16(np.rint(min(max(value, -1024.0), 3071.0)))
    return result
