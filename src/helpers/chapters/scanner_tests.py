"""Physics of the virtual scanners: noise, edges, voltage, and the same patient scanned again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk
from scipy.optimize import curve_fit
from scipy.special import erf
from scipy.stats import ttest_1samp

from helpers.chapters.virtual_evidence import included
from helpers.features.blocks import preprocess
from helpers.features.extraction import extract
from helpers.imaging.sources import Scan
from helpers.study.parallel import on_cores
from helpers.virtual import VirtualSite

_PHANTOM = (48, 128, 128)  # voxels: z, y, x


class Physics(NamedTuple):
    """A scanner as a physicist would test it.

    Attributes
    ----------
    noise : DataFrame
        ``frequency`` (cycles/mm) and ``power`` (1 at its peak), round averages.
    edge : DataFrame
        ``distance`` (mm from the edge) and ``hu`` of a 1000 HU step.
    fwhm_mm : float
        Of the point spread, from the edge; the pixel is part of it.
    mtf50 : float
        Frequency at which half of the contrast is left (cycles/mm).
    """

    noise: pd.DataFrame
    edge: pd.DataFrame
    fwhm_mm: float
    mtf50: float


def scanner_physics(site: VirtualSite, patient_id: str) -> Physics:
    """Test the scanner of one patient with a uniform phantom and a slanted edge."""
    pixel = site.scanner(patient_id)["spacing"][0]
    edge = edge_spread(site, patient_id, pixel)
    (_, _, sigma), _ = curve_fit(_edge_curve, edge["distance"], edge["hu"], p0=[1000, 0, 0.5])
    fwhm = 2.3548 * abs(sigma)
    return Physics(noise_spectrum(site, patient_id, pixel), edge, fwhm, 0.4413 / fwhm)


def _edge_curve(x: np.ndarray, height: float, place: float, sigma: float) -> np.ndarray:
    return height / 2 * (1 + erf((x - place) / (np.sqrt(2) * sigma)))


def noise_spectrum(site: VirtualSite, patient_id: str, pixel: float) -> pd.DataFrame:
    """Noise power in the plane by frequency, from a uniform phantom of 40 HU."""
    noise = sitk.GetArrayFromImage(site.scan_phantom(patient_id, np.full(_PHANTOM, 40.0))).astype(float)
    # The mean slice holds the cupping, which is no noise.
    power = (np.abs(np.fft.fft2(noise - noise.mean(axis=0))) ** 2).mean(axis=0)
    radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n, pixel) for n in power.shape], indexing="ij"))
    bins = np.arange(0.0125, 0.5 / pixel, 0.025)
    which = np.digitize(radius.ravel(), bins)
    means = [power.ravel()[which == number].mean() for number in range(1, len(bins))]
    return pd.DataFrame({"frequency": (bins[:-1] + bins[1:]) / 2, "power": np.array(means) / max(means)})


def edge_spread(site: VirtualSite, patient_id: str, pixel: float) -> pd.DataFrame:
    """HU across a straight edge, tilted against the pixels so that it is seen finer than they are."""
    y, x = np.meshgrid(*[pixel * (np.arange(n) - n / 2 + 0.5) for n in _PHANTOM[1:]], indexing="ij")
    distance = x * np.cos(0.07) + y * np.sin(0.07)
    phantom = np.broadcast_to(1000 * np.clip(0.5 + distance / pixel, 0, 1), _PHANTOM)
    seen = sitk.GetArrayFromImage(site.scan_phantom(patient_id, phantom)).mean(axis=0)
    bins = np.arange(-4, 4.01, 0.1)
    inner = np.abs(y) < 0.3 * pixel * _PHANTOM[1]
    place = np.digitize(distance[inner], bins)
    hu = [seen[inner][place == number].mean() for number in range(1, len(bins))]
    return pd.DataFrame({"distance": (bins[:-1] + bins[1:]) / 2, "hu": hu})


def voltage_effect(site: VirtualSite, patient_id: str) -> dict[str, float]:
    """Mean HU of bone phantoms at other tube voltages, by the keys of published.csv."""
    seen = {
        "kvp_100": site.scan_phantom(patient_id, np.full(_PHANTOM, 137.0), kvp=100),
        "kvp_140": site.scan_phantom(patient_id, np.full(_PHANTOM, 138.0), kvp=140),
    }
    calibration = sitk.GetArrayFromImage(site.scan_phantom(patient_id, np.full(_PHANTOM, 0.0))).mean()
    return {key: sitk.GetArrayFromImage(image).mean() - calibration for key, image in seen.items()}


def physics_laws(tested: dict[str, Physics]) -> dict[str, float]:
    """Numbers of the scanners' tests, by the keys of published.csv; noise from the first hospital's."""
    noise = next(iter(tested.values())).noise
    return {
        "nps_low": noise.loc[(noise["frequency"] - 0.05).abs().idxmin(), "power"],
        "nps_peak": noise.loc[noise["power"].idxmax(), "frequency"],
        **{f"fwhm_{role}": physics.fwhm_mm for role, physics in tested.items()},
    }


def same_pixel_pairs(home: VirtualSite, away: VirtualSite, n: int) -> list[tuple[str, str]]:
    """Up to ``n`` patients of one hospital, each with one of the other whose scan has the same pixels."""
    hosts = {away.scanner(host)["spacing"][0]: host for host in reversed(included(away))}
    pixels = {patient: home.scanner(patient)["spacing"][0] for patient in included(home)}
    return [(patient, hosts[pixel]) for patient, pixel in pixels.items() if pixel in hosts][:n]


def rescan(
    home: VirtualSite, away: VirtualSite, patient_id: str, host: str, settings: dict
) -> tuple[dict[str, float], ...]:
    """Features of one patient scanned at home, again at home, and on the scanner of ``host``; same outline.

    On the other scanner the outline is that of the nearest slice at home.
    """
    image, mask = home.acquire(patient_id)
    tissue, apart = sitk.GetArrayFromImage(home.truth(patient_id).noise_free), image.GetSpacing()[2]
    scans = [
        image,
        home.scan_phantom(patient_id, tissue, apart_mm=apart),
        away.scan_phantom(host, tissue, apart_mm=apart),
    ]
    for scan in scans[1:]:
        scan.SetOrigin(image.GetOrigin())
    masks = [sitk.Resample(mask, scan, sitk.Transform(), sitk.sitkNearestNeighbor) for scan in scans]
    pairs = zip(scans, masks, strict=True)
    return tuple(extract(preprocess(Scan(scan, drawn), settings), settings) for scan, drawn in pairs)


def rescans(
    home: VirtualSite, away: VirtualSite, pairs: list[tuple[str, str]], settings: dict, workers: int
) -> list[tuple[dict[str, float], ...]]:
    """`rescan` for every pair of patient and host; ``workers`` 0 for all cores."""
    return list(on_cores(lambda pair: rescan(home, away, *pair, settings), pairs, workers))


def scanner_shift(scans: list[tuple[dict[str, float], ...]]) -> pd.DataFrame:
    """Shift of each feature on rescanning, in SDs between patients.

    Returns
    -------
    DataFrame
        Index feature; ``same`` and ``other`` (mean shift on the same and on the other hospital's scanner)
        and ``p_value`` (paired t-test of the other against home).
    """
    first, again, away = (pd.DataFrame(list(rows)) for rows in zip(*scans, strict=True))
    spread = first.std(ddof=1)
    varying = spread[spread > 1e-9 * first.abs().max()].index
    moved = (away - first)[varying]
    moving = moved.std(ddof=1) > 0
    p_value = pd.Series(np.nan, index=varying)
    p_value[moving] = ttest_1samp(moved.loc[:, moving], 0).pvalue
    shifts = {
        "same": (again - first)[varying].mean() / spread[varying],
        "other": moved.mean() / spread[varying],
    }
    return pd.DataFrame({**shifts, "p_value": p_value})
