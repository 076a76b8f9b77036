"""Pixels of CT slices as Hounsfield units, compressed or not."""

from __future__ import annotations

import warnings
from collections import defaultdict

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from helpers.errors import StudyError
from helpers.imaging.dicom_headers import PIXEL_TAGS, read_tags, rescaling

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def decode(stack: list[Dataset]) -> tuple[list[Dataset], np.ndarray]:
    """Slices without copies, and their HU, shape (slices, rows, columns)."""
    shape = (stack[0].Rows, stack[0].Columns)
    voxels, kept = np.empty((len(stack), *shape), np.int16), []
    taken, lost = defaultdict(list), set()
    for header in stack:
        hu, position = _hounsfield(header, shape), tuple(header.ImagePositionPatient)
        if hu is None:
            lost.add(position)
        elif not any(np.array_equal(hu, voxels[number]) for number in taken[position]):
            taken[position].append(len(kept))
            voxels[len(kept)] = hu
            kept.append(header)
    if missing := lost - set(taken):
        raise StudyError(
            f"the pixels of {len(missing)} of {len(stack)} slices cannot be decoded: the files are "
            "damaged or compressed in an unknown way. Export the series again, uncompressed."
        )
    return kept, voxels[: len(kept)]


def _hounsfield(header: Dataset, shape: tuple[int, int]) -> np.ndarray | None:
    """Rounded HU of one slice; None when its pixels cannot be decoded."""
    hu = _decoded_by_pydicom(header)
    if hu is None and header.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian) not in _PLAIN:
        hu = _decoded_by_gdcm(header)
    if hu is None or hu.shape != shape:
        return None
    return np.rint(hu).clip(-32768, 32767).astype(np.int16)


def _decoded_by_pydicom(header: Dataset) -> np.ndarray | None:
    pixels = read_tags(header.filename, [*PIXEL_TAGS, "PixelData"])
    if pixels is None:
        return None
    # Files without meta header hold plain pixels, the low byte first.
    pixels.file_meta.setdefault("TransferSyntaxUID", ImplicitVRLittleEndian)
    slope, intercept = rescaling(header)
    try:
        with warnings.catch_warnings(action="ignore"):
            return pixels.pixel_array * slope + intercept
    except Exception:  # each plug-in has its own errors
        return None


def _decoded_by_gdcm(header: Dataset) -> np.ndarray | None:
    """HU by SimpleITK, which knows lossless JPEG too."""
    sitk.ProcessObject.GlobalWarningDisplayOff()  # ITK's warnings hold the path
    try:
        return np.squeeze(sitk.GetArrayFromImage(sitk.ReadImage(str(header.filename))), axis=0)
    except (RuntimeError, ValueError):
        return None
