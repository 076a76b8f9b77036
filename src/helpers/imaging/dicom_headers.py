"""Headers of the DICOM files in a folder: read, and what they say of place and scale."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from helpers.errors import StudyError
from helpers.study.one_line import one_line

# Slice steps may differ by this much.
STEP_TOLERANCE_MM = 0.05
GEOMETRY_TAGS = ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "GantryDetectorTilt"]
PIXEL_TAGS = [
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
]
CONTRAST_AMOUNTS = ["ContrastBolusVolume", "ContrastBolusTotalDose"]
# Sides of the matrices that scanners reconstruct.
_MATRICES = frozenset({256, 512, 768, 1024})
_FACT_TAGS = [
    "Manufacturer",
    "ManufacturerModelName",
    "KVP",
    "ConvolutionKernel",
    "SliceThickness",
    "XRayTubeCurrent",
    "ContrastBolusAgent",
    "ReconstructionDiameter",
    *CONTRAST_AMOUNTS,
]
_HEADER_NAMES = [
    "SOPClassUID",
    "Modality",
    "ImageType",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "AcquisitionNumber",
    "PatientID",
    "RescaleType",
    "LossyImageCompression",
    *GEOMETRY_TAGS,
    *PIXEL_TAGS,
    *_FACT_TAGS,
]
_HEADER_TAGS = [Tag(name) for name in _HEADER_NAMES]  # looked up once, not for each slice


def is_dicom_place(path: Path) -> bool:
    """Whether DICOM files lie there: a folder, or a text file that lists them."""
    return path.is_dir() or path.suffix.lower() == ".txt"


def files_at(place: Path) -> list[Path]:
    """The files of a folder and below, or those that a text file lists, a line a path from where it lies.

    Raises
    ------
    StudyError
        When listed files are not there.
    """
    if place.is_dir():
        return [path for path in sorted(place.rglob("*")) if path.is_file()]
    lines = place.read_text(encoding="utf-8").splitlines()
    listed = [place.parent / line for line in lines if line.strip()]
    gone = sum(not path.is_file() for path in listed)
    if gone:
        raise StudyError(
            f"{gone} of the {len(listed)} listed files are not there. Put them back, or have radbook init "
            "look through the folder again.",
            "missing file",
        )
    return listed


def read_headers(place: Path) -> tuple[list[Dataset], int]:
    """Headers of all DICOM files at a place (`files_at`), and the number of those that cannot be read."""
    files = [path for path in files_at(place) if is_dicom(path)]
    known: dict[tuple, DataElement] = {}
    headers = [read_header(path, known) for path in files]
    whole = [header for header in headers if header]
    return whole, len(headers) - len(whole)


def is_dicom(path: Path) -> bool:
    """Whether a file is, or should be by its name, DICOM; the index DICOMDIR and hidden files are not."""
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return False
    with path.open("rb") as file:
        head = file.read(132)
    bare = head[:2] in (b"\x08\x00", b"\x02\x00", b"\x00\x08")  # group numbers, for files without preamble
    return head[128:] == b"DICM" or bare or path.suffix.lower() == ".dcm"


def read_header(path: Path, known: dict[tuple, DataElement], more: tuple[str, ...] = ()) -> Dataset | None:
    """What this project needs of a header, without values that make no sense; None when nothing can be read.

    Its attribute ``pixels_at`` is the place in the file where the pixels begin, if there are any.

    Parameters
    ----------
    path : Path
    known : dict
        Values of other slices: the same bytes mean the same, and are made sense of once a series.
    more : tuple of str
        Further tags that are wanted.
    """
    with warnings.catch_warnings(action="ignore"):  # they quote the header
        try:
            with path.open("rb") as file:
                header = pydicom.dcmread(
                    file, force=True, stop_before_pixels=True, specific_tags=[*_HEADER_TAGS, *more]
                )
                header.pixels_at = file.tell()
        except Exception:  # a damaged file can raise nearly anything
            return None
        header.filename = str(path)
        for tag in list(header.keys()):
            try:
                _make_sense_of(header, tag, known)
            except Exception:  # as above
                del header[tag]
    return header


def _make_sense_of(header: Dataset, tag: BaseTag, known: dict[tuple, DataElement]) -> None:
    raw, letters = header.get_item(tag), header.get_item("SpecificCharacterSet")
    if isinstance(raw, RawDataElement):
        kind = raw.tag, raw.VR, raw.is_implicit_VR, raw.is_little_endian
        key = (*kind, raw.value, str(letters.value) if letters else "")
        header[tag] = known[key] if key in known else known.setdefault(key, header[tag])


def texts_of(header: Dataset, tag: str) -> list[str]:
    """The values of a tag as texts; none where the header lacks it."""
    value = header.get(tag)
    several = value if isinstance(value, MultiValue) else [value]
    return [one_line(str(part)) for part in several if part is not None]


def numbers_of(header: Dataset, tag: str) -> np.ndarray:
    """The values of a tag as numbers, shape (values,); none where the header lacks it."""
    return np.array(header.get(tag) if header.get(tag) is not None else [], dtype=float).reshape(-1)


def slice_normal(header: Dataset) -> np.ndarray | None:
    """Unit vector across the slice; None when position or orientation are missing or impossible."""
    position, axes = (numbers_of(header, tag) for tag in GEOMETRY_TAGS[:2])
    if position.size != 3 or axes.size != 6 or not np.isfinite(position).all():
        return None
    axes = axes.reshape(2, 3)
    return np.cross(*axes) if np.allclose(axes @ axes.T, np.eye(2), atol=1e-3) else None


def slice_corners(stack: list[Dataset]) -> np.ndarray:
    """Corners of the slices, mm, shape (slices, 3)."""
    return np.array([header.ImagePositionPatient for header in stack], dtype=float)


def slice_heights(stack: list[Dataset]) -> np.ndarray:
    """Places of the slices along the normal of the first, mm."""
    return slice_corners(stack) @ slice_normal(stack[0])


def slice_steps(stack: list[Dataset]) -> np.ndarray:
    """Distances between the distinct places of a stack's slices, mm."""
    steps = np.diff(np.sort(slice_heights(stack)))
    return steps[steps > STEP_TOLERANCE_MM]


def rescaling(header: Dataset) -> tuple[float, float]:
    """Rescale slope and intercept; NaN when not stated."""
    slope, intercept = (numbers_of(header, tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    return (float(slope[0]), float(intercept[0])) if slope.size and intercept.size else (np.nan, np.nan)


def pixel_scale(header: Dataset) -> float | None:
    """Pixel spacing over that which follows from the diameter of the reconstruction; None: nothing to say.

    Of a matrix that an export has cut, the diameter remains that of the whole one. What is no original
    (a reformat, a resampled copy) may carry a diameter that is not its own.
    """
    diameter, spacing = (numbers_of(header, tag) for tag in ("ReconstructionDiameter", "PixelSpacing"))
    is_original = texts_of(header, "ImageType")[:1] == ["ORIGINAL"]
    if not is_original or diameter.size != 1 or not diameter[0] > 0 or not spacing[0] > 0:
        return None
    sides = {int(header.Rows), int(header.Columns)}
    if not sides & _MATRICES:
        sides |= {side for side in _MATRICES if side > max(sides)}
    scales = [side * float(spacing[0] / diameter[0]) for side in sides]
    return min(scales, key=lambda scale: abs(np.log(scale)))
