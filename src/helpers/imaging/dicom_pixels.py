"""Pixels of CT slices as Hounsfield units, compressed or not."""

from __future__ import annotations

import warnings
from collections import defaultdict

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from helpers.errors import StudyError
from helpers.imaging.dicom_headers import PIXEL_TAGS, rescaling

_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
_PIXEL_DATA = b"\xe0\x7f\x10\x00"  # the tag as files hold it, the low byte first


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
    hu, pixels = None, _plain_pixels(header, shape)
    pixels = _decoded_by_pydicom(header) if pixels is None else pixels
    if pixels is not None:
        hu = _scaled(pixels, *rescaling(header))
    elif header.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian) not in _PLAIN:
        hu = _decoded_by_gdcm(header)
    if hu is None or hu.shape != shape:
        return None
    return np.clip(hu, -32768, 32767).astype(np.int16)


def _scaled(pixels: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Whole HU."""
    if slope == 1 and intercept == round(intercept) and abs(intercept) < 2**30 and pixels.dtype.itemsize == 2:
        return pixels.astype(np.int32) + np.int32(intercept)
    return np.rint(pixels * slope + intercept)


def _plain_pixels(header: Dataset, shape: tuple[int, int]) -> np.ndarray | None:
    """Ordinary pixels of 16 bits, straight from the file; None for all others, which pydicom knows."""
    bits, signed = header.get("BitsStored", 0), header.get("PixelRepresentation")
    syntax = header.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
    ordinary = header.get("SamplesPerPixel", 1) == 1 and header.get("BitsAllocated") == 16
    if not ordinary or syntax not in _PLAIN[:2] or signed not in (0, 1) or header.get("HighBit") != bits - 1:
        return None
    with open(header.filename, "rb") as file:
        file.seek(header.pixels_at)
        head = file.read(12)
        if head[4:6] not in (b"OW", b"OB"):  # no type is stated, and the length comes at once
            head = head[:4] + bytes(4) + head[4:8]
            file.seek(header.pixels_at + 8)
        if head[:4] != _PIXEL_DATA or int.from_bytes(head[8:], "little") != 2 * shape[0] * shape[1]:
            return None
        pixels = np.fromfile(file, "<i2" if signed else "<u2", shape[0] * shape[1])
    # Bits beyond those that count may hold anything.
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if pixels.size < shape[0] * shape[1] or pixels.min() < lowest or pixels.max() > highest:
        return None
    return pixels.reshape(shape)


def _decoded_by_pydicom(header: Dataset) -> np.ndarray | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # they quote the header
            pixels = pydicom.dcmread(header.filename, force=True, specific_tags=[*PIXEL_TAGS, "PixelData"])
            # Files without meta header hold plain pixels, the low byte first.
            pixels.file_meta.setdefault("TransferSyntaxUID", ImplicitVRLittleEndian)
            return pixels.pixel_array
    except Exception:  # each plug-in has its own errors
        return None


def _decoded_by_gdcm(header: Dataset) -> np.ndarray | None:
    """HU by SimpleITK, which knows lossless JPEG too."""
    sitk.ProcessObject.GlobalWarningDisplayOff()  # ITK's warnings hold the path
    try:
        return np.squeeze(sitk.GetArrayFromImage(sitk.ReadImage(str(header.filename))), axis=0)
    except (RuntimeError, ValueError):
        return None
