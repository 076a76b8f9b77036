"""DICOM folders: the one CT series in them, checked slice by slice, and what its headers say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.multival import MultiValue

from helpers.errors import StudyError

# Slice steps may differ by this much, and slices may be shifted sideways by this much per millimetre.
STEP_TOLERANCE_MM = 0.05
TILT_TOLERANCE = 0.005
_TAGS = {"kvp": "KVP", "kernel": "ConvolutionKernel"}


def read_dicom(folder: Path, place: str) -> tuple[sitk.Image, dict[str, str | float]]:
    """Read the one CT series in ``folder``.

    Returns
    -------
    image : sitk.Image
        HU (rescale slope and intercept applied).
    facts : dict
        ``scanner``, ``kvp``, ``kernel`` as far as the headers state them.

    Raises
    ------
    StudyError
        When there is no series or more than one, or when slices are missing, doubled, irregularly
        spaced or tilted.
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise StudyError(
            f"{place}: {len(series)} DICOM series found, exactly one is needed. Leave only the thin-slice "
            "plain chest CT in the folder (no localizers, no dose reports)."
        )
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    headers = [_header(file, place) for file in files]
    check_slices(headers, place)
    try:
        image = sitk.ReadImage(files)
    except RuntimeError:
        raise StudyError(
            f"{place}: the pixel data cannot be decoded. Export the series again, uncompressed."
        ) from None
    return image, _facts(headers[0])


def _header(file: str, place: str) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(file, stop_before_pixels=True)
    except Exception:  # a damaged file can raise nearly anything
        raise StudyError(f"{place}: a DICOM header cannot be read. Export the series again.") from None


def check_slices(headers: list[pydicom.Dataset], place: str) -> None:
    """Refuse a series that is not a stack of equally spaced, parallel, untilted CT slices."""
    if any(header.get("Modality") != "CT" for header in headers):
        raise StudyError(f"{place}: the series is not CT (modality {headers[0].get('Modality', 'unknown')}).")
    if any("ImagePositionPatient" not in h or "ImageOrientationPatient" not in h for h in headers):
        raise StudyError(f"{place}: slices without position or orientation do not make a volume.")
    if len(headers) < 2:
        raise StudyError(f"{place}: only one slice; a volume is needed.")
    orientations = np.array([header.ImageOrientationPatient for header in headers], dtype=float)
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise StudyError(f"{place}: the slices have different orientations; leave only the axial series.")
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    positions = np.array([header.ImagePositionPatient for header in headers], dtype=float)
    positions = positions[np.argsort(positions @ normal)]
    _check_steps(np.diff(positions, axis=0), normal, place)


def _check_steps(steps: np.ndarray, normal: np.ndarray, place: str) -> None:
    along = steps @ normal
    step = np.median(along)
    if along.min() < STEP_TOLERANCE_MM:
        raise StudyError(f"{place}: two slices lie at the same place. Remove the doubled slices.")
    if np.abs(along - step).max() > STEP_TOLERANCE_MM:
        gaps = int((along > 1.5 * step).sum())
        what = f"{gaps} gap(s) where slices are missing" if gaps else "irregular slice spacing"
        raise StudyError(
            f"{place}: {what} (steps of {along.min():.2f} to {along.max():.2f} mm). Export the complete "
            "series from the archive."
        )
    sideways = np.linalg.norm(steps - np.outer(along, normal), axis=1) / along
    if sideways.max() > TILT_TOLERANCE:
        raise StudyError(
            f"{place}: the gantry was tilted by {np.degrees(np.arctan(sideways.max())):.1f} degrees; the "
            "slices do not stack into a box. Use an untilted reconstruction."
        )


def _facts(header: pydicom.Dataset) -> dict[str, str | float]:
    names = [str(header.get(tag, "")).strip() for tag in ("Manufacturer", "ManufacturerModelName")]
    facts = {"scanner": " ".join(filter(None, names))}
    for fact, tag in _TAGS.items():
        value = header.get(tag)
        several = value if isinstance(value, MultiValue) else [value]
        facts[fact] = "/".join(str(part) for part in several if part is not None)
    facts = {fact: value for fact, value in facts.items() if value}
    if "kvp" in facts:
        facts["kvp"] = float(facts["kvp"])
    return facts
