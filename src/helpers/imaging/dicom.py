"""DICOM folders as hospitals hand them over: the one CT volume in them, checked, as Hounsfield units.

Headers decide: what is no axial CT slice (localizers, dose pages, reports, reformats) is left aside, slices
are put in order by their positions, and a stack that is not a box of Hounsfield units is refused.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
)

from helpers.errors import StudyError

# Slice steps may differ by this much, and slices may be shifted sideways by this much per millimetre.
STEP_TOLERANCE_MM = 0.05
TILT_TOLERANCE = 0.005
# A header may state a gantry tilt of up to this many degrees that its positions do not show.
STATED_TILT_DEGREES = 1.0
# Of several series, those with steps above this are left aside when there is a finer one.
THIN_MM = 3.0
_GEOMETRY_TAGS = ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "GantryDetectorTilt"]
_PIXEL_TAGS = [
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
_CONTRAST_AMOUNTS = ["ContrastBolusVolume", "ContrastBolusTotalDose"]
_FACT_TAGS = [
    "Manufacturer",
    "ManufacturerModelName",
    "KVP",
    "ConvolutionKernel",
    "SliceThickness",
    "XRayTubeCurrent",
    "ContrastBolusAgent",
    *_CONTRAST_AMOUNTS,
]
_HEADER_TAGS = [
    "SOPClassUID",
    "Modality",
    "ImageType",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "AcquisitionNumber",
    "RescaleType",
    "LossyImageCompression",
    *_GEOMETRY_TAGS,
    *_PIXEL_TAGS,
    *_FACT_TAGS,
]
_PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
_ENHANCED = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
_PICTURES = {"MIP", "CSA MIP", "MAX_IP", "MIN_IP", "MINIP", "PROJECTION IMAGE", "VRT", "VOLUME_RENDER"}
_PICTURES |= {"SURFACE_RENDER", "CURVED_MPR", "SCREEN SAVE", "SCREENSAVE"}
# What scanners and technicians write when nothing was injected; contrast that was drunk leaves bone alone.
_NO_CONTRAST = {"", "0", "-", "N", "NO", "NON", "NONE", "NIL", "N/A", "NA", "NULL", "PLAIN", "NATIVE"}
_NO_CONTRAST |= {"NATIV", "WITHOUT", "WITHOUT CONTRAST", "NO CONTRAST", "NON CONTRAST", "NON-CONTRAST"}
_NO_CONTRAST |= {"UNENHANCED", "ORAL", "无", "平扫"}


def read_dicom(folder: Path, series: str | None = None) -> tuple[sitk.Image, dict[str, str | float]]:
    """Read the one axial CT volume in ``folder`` and its sub-folders.

    Without ``series`` the volume must be the only one: localizers, dose pages, reports, reformats, other
    modalities and single slices are left aside, and thick slices (steps above 3 mm) when there is a finer
    series. Copies of a slice count once.

    Parameters
    ----------
    folder : Path
        Slices in any order, under any name, compressed or not, beside anything else.
    series : str, optional
        Part of the wanted series' description, kernel or series UID; capitals do not matter.

    Returns
    -------
    image : sitk.Image
        Rounded HU, 16-bit signed; rescale slope and intercept are applied slice by slice.
    facts : dict
        As far as the headers state them: ``scanner``, ``kvp`` (kV), ``kernel``, ``slice_thickness`` (mm),
        ``tube_current`` (mA, median of the slices), ``contrast`` (agent, or the amount that was injected).

    Raises
    ------
    StudyError
        When there is no volume or more than one, or when its slices do not make a box of HU. The sentence
        holds no text of a header but the kernel: descriptions may name a patient.
    """
    headers, damaged = _read_headers(folder)
    stack = _choose(_axial_slices(headers, damaged), series)
    _refuse(_slice_faults(stack))
    stack, voxels = _decode([stack[number] for number in np.argsort(_heights(stack), kind="stable")])
    _refuse(_position_faults(stack, damaged))
    return _image(stack, voxels), _facts(stack)


def _refuse(faults: list[str]) -> None:
    if faults:
        raise StudyError(" ".join(faults))


def _read_headers(folder: Path) -> tuple[list[Dataset], int]:
    """Headers of all DICOM files in the folder, and the number of those that cannot be read."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_dicom(path)]
    headers = [_read(path, _HEADER_TAGS, stop_before_pixels=True) for path in files]
    whole = [header for header in headers if header]
    return whole, len(headers) - len(whole)


def _is_dicom(path: Path) -> bool:
    """Whether a file is, or should be by its name, DICOM; the index DICOMDIR and hidden files are not."""
    if path.name.startswith(".") or path.name.upper() == "DICOMDIR":
        return False
    with path.open("rb") as file:
        head = file.read(132)
    bare = head[:2] in (b"\x08\x00", b"\x02\x00", b"\x00\x08")  # group numbers, for files without preamble
    return head[128:] == b"DICM" or bare or path.suffix.lower() == ".dcm"


def _read(path: Path, tags: list[str], stop_before_pixels: bool = False) -> Dataset | None:
    """The given tags of a file, without those whose value makes no sense; None when nothing can be read."""
    with warnings.catch_warnings(action="ignore"):  # they quote the header
        try:
            header = pydicom.dcmread(
                path, stop_before_pixels=stop_before_pixels, specific_tags=tags, force=True
            )
        except Exception:  # a damaged file can raise nearly anything
            return None
        for tag in list(header.keys()):
            try:
                header[tag]
            except Exception:  # as above
                del header[tag]
    return header


def _axial_slices(headers: list[Dataset], damaged: int) -> list[Dataset]:
    kinds = [_other_kind(header) for header in headers]
    slices = [header for header, kind in zip(headers, kinds, strict=True) if not kind]
    if slices:
        return slices
    counts = Counter(kinds) + Counter({"damaged": damaged})
    if not counts:
        raise StudyError("no DICOM files in the folder. Put the thin-slice axial CT there.")
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    raise StudyError(
        f"no axial CT slice among the DICOM files (found: {found}). Export the thin-slice axial CT "
        "as classic DICOM, one file a slice, and put it there."
    )


def _other_kind(header: Dataset) -> str:
    """What a file is instead of an axial CT slice; empty for an axial CT slice."""
    modality, storage = str(header.get("Modality", "")), header.get("SOPClassUID", "")
    words = {word.strip().upper() for word in _values(header, "ImageType")}
    if modality != "CT":
        # A code of capitals by the standard; anything else could be a text about the patient.
        return f"of modality {modality}" if modality.isupper() and modality.isalpha() else "without modality"
    if storage in _ENHANCED:
        return "enhanced multi-frame CT"
    if words & {"LOCALIZER", "SCOUT", "TOPOGRAM"}:
        return "localizer"
    if storage not in ("", CTImageStorage) or words & _PICTURES:
        return "picture of a screen or projection"
    normal = _normal(header)
    if normal is None:
        return "CT without valid position and orientation"
    return "" if abs(normal[2]) > 0.7 else "coronal or sagittal"


def _values(header: Dataset, tag: str) -> list[str]:
    value = header.get(tag)
    several = value if isinstance(value, MultiValue) else [value]
    return [str(part) for part in several if part is not None]


def _numbers(header: Dataset, tag: str) -> np.ndarray:
    return np.array(header.get(tag) if header.get(tag) is not None else [], dtype=float).reshape(-1)


def _normal(header: Dataset) -> np.ndarray | None:
    """Unit vector across the slice; None when position or orientation are missing or impossible."""
    position, axes = (_numbers(header, tag) for tag in _GEOMETRY_TAGS[:2])
    if position.size != 3 or axes.size != 6 or not np.isfinite(position).all():
        return None
    axes = axes.reshape(2, 3)
    return np.cross(*axes) if np.allclose(axes @ axes.T, np.eye(2), atol=1e-3) else None


def _positions(stack: list[Dataset]) -> np.ndarray:
    """Corners of the slices, mm, shape (slices, 3)."""
    return np.array([header.ImagePositionPatient for header in stack], dtype=float)


def _heights(stack: list[Dataset]) -> np.ndarray:
    """Places of the slices along the normal of the first, mm."""
    return _positions(stack) @ _normal(stack[0])


def _steps(stack: list[Dataset]) -> np.ndarray:
    """Distances between the distinct places of a stack's slices, mm."""
    steps = np.diff(np.sort(_heights(stack)))
    return steps[steps > STEP_TOLERANCE_MM]


def _choose(slices: list[Dataset], wanted: str | None) -> list[Dataset]:
    """The one series that makes a volume, of those that match ``wanted``."""
    stacks = defaultdict(list)
    for header in slices:
        stacks[str(header.get("SeriesInstanceUID")), str(header.get("SeriesNumber"))].append(header)
    matching = [stack for stack in stacks.values() if _matches(stack[0], wanted)]
    if not matching:
        raise StudyError(
            f"no axial CT series has '{wanted}' (key 'series' of the site) in its description, "
            f"kernel or UID. There are: {_listing(stacks.values())}."
        )
    volumes = [stack for stack in matching if _steps(stack).size] or matching
    if len(volumes) > 1:
        volumes = [stack for stack in volumes if np.median(_steps(stack)) <= THIN_MM] or volumes
    if len(volumes) > 1:
        raise StudyError(
            f"{len(volumes)} axial CT series fit, exactly one is needed: {_listing(volumes)}. "
            "Write into the site's key 'series' what only the wanted one has in its description, kernel or "
            "UID, or leave only that one in the folder."
        )
    return volumes[0]


def _matches(header: Dataset, wanted: str | None) -> bool:
    texts = [*_values(header, "SeriesDescription"), *_values(header, "SeriesInstanceUID"), _kernel(header)]
    return wanted is None or any(wanted.casefold() in text.casefold() for text in texts)


def _listing(stacks: list[list[Dataset]]) -> str:
    """Series as a radiologist tells them apart, without their descriptions, which may hold names."""
    described = []
    for stack in stacks:
        parts = [f"{len(stack)} slice(s)"]
        parts += [f"every {np.median(_steps(stack)):.4g} mm"] if _steps(stack).size else []
        parts += [f"{size:.4g} mm thick" for size in _numbers(stack[0], "SliceThickness")]
        parts += [f"kernel {_kernel(stack[0])}"] if _kernel(stack[0]) else []
        described.append(", ".join(parts))
    return "; ".join(sorted(described))


def _kernel(header: Dataset) -> str:
    return "/".join(_values(header, "ConvolutionKernel"))


def _slice_faults(stack: list[Dataset]) -> list[str]:
    """What keeps slices, each by itself and side by side, from being a stack of Hounsfield units."""
    faults = []
    axes = np.array([header.ImageOrientationPatient for header in stack], dtype=float)
    if np.abs(axes - axes[0]).max() > 1e-3:
        faults.append("The slices have different orientations. Leave only one axial series in the folder.")
    if len({(h.get("Rows"), h.get("Columns"), *_numbers(h, "PixelSpacing").round(6)) for h in stack}) > 1:
        faults.append("The slices differ in size or pixel spacing. Leave only one reconstruction.")
    if any("Rows" not in h or "Columns" not in h or not _has_pixel_spacing(h) for h in stack):
        faults.append("Size or pixel spacing is missing. Export the original series from the archive.")
    scale = np.array([_scale(header) for header in stack])
    types = {str(header.get("RescaleType") or "HU").upper() for header in stack}
    if not np.isfinite(scale).all() or (scale[:, 0] == 0).any() or types - {"HU", "US"}:
        faults.append(
            "The values are no Hounsfield units (rescale slope or intercept is missing, or they are an "
            "iodine or other material map). Export the original CT."
        )
    if any(_is_picture(header) for header in stack):
        faults.append("The slices are 8-bit or colour pictures, not the CT itself. Export the original CT.")
    if any(header.get("LossyImageCompression") == "01" for header in stack):
        faults.append("The slices were compressed with loss, which changes texture. Export the original.")
    return faults


def _has_pixel_spacing(header: Dataset) -> bool:
    spacing = _numbers(header, "PixelSpacing")
    return spacing.size == 2 and bool((spacing > 0).all())


def _scale(header: Dataset) -> tuple[float, float]:
    """Rescale slope and intercept; NaN when not stated."""
    slope, intercept = (_numbers(header, tag) for tag in ("RescaleSlope", "RescaleIntercept"))
    return (float(slope[0]), float(intercept[0])) if slope.size and intercept.size else (np.nan, np.nan)


def _is_picture(header: Dataset) -> bool:
    kind = str(header.get("PhotometricInterpretation", "MONOCHROME2")).strip()
    return header.get("BitsStored", 16) <= 8 or kind != "MONOCHROME2"


def _decode(stack: list[Dataset]) -> tuple[list[Dataset], np.ndarray]:
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
    pixels = _read(header.filename, [*_PIXEL_TAGS, "PixelData"])
    if pixels is None:
        return None
    # Files without meta header hold plain pixels, the low byte first.
    pixels.file_meta.setdefault("TransferSyntaxUID", ImplicitVRLittleEndian)
    slope, intercept = _scale(header)
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


def _position_faults(stack: list[Dataset], damaged: int) -> list[str]:
    """What keeps ordered slices from lying in a box; ``damaged`` files may be the missing slices."""
    normal = _normal(stack[0])
    steps = np.diff(_positions(stack), axis=0)
    along = steps @ normal
    apart = along > STEP_TOLERANCE_MM
    if len(stack) == 1:
        return ["There is only one slice. Put the complete thin-slice series there."]
    if not apart.any():
        return [
            f"All {len(stack)} slices lie at the same place: a bolus-timing or perfusion series, not a "
            "volume. Put the thin-slice chest CT there."
        ]
    faults = [] if apart.all() else [_doubled(stack, int((~apart).sum()))]
    return faults + _uneven(along[apart], damaged) + _tilted(stack[0], steps[apart], along[apart])


def _doubled(stack: list[Dataset], count: int) -> str:
    acquisitions = len({str(header.get("AcquisitionNumber")) for header in stack})
    return (
        f"{count} slice(s) lie at the same place as another one but differ from it ({acquisitions} "
        "acquisition number(s)): several phases, acquisitions or reconstructions in one series. Leave only "
        "one of them in the folder."
    )


def _uneven(along: np.ndarray, damaged: int) -> list[str]:
    """Faults of the distances (mm) between neighbours."""
    step = np.median(along)
    if np.abs(along - step).max() <= STEP_TOLERANCE_MM:
        return []
    times = along / step
    whole = np.abs(along - step * np.round(times)) <= STEP_TOLERANCE_MM * np.round(times)
    spread = f"(steps of {along.min():.2f} to {along.max():.2f} mm)"
    if not whole.all():
        return [f"The slice spacing is irregular {spread}. Use one reconstruction with even spacing."]
    cause = f"; {damaged} damaged file(s) in the folder may be among them" if damaged else ""
    return [
        f"{int((np.round(times) - 1).sum())} slice(s) are missing in {int((times > 1.5).sum())} gap(s) "
        f"{spread}{cause}. Export the complete series from the archive."
    ]


def _tilted(header: Dataset, steps: np.ndarray, along: np.ndarray) -> list[str]:
    """Faults of the direction in which slices follow each other, seen or stated."""
    normal = _normal(header)
    sideways = np.linalg.norm(steps - np.outer(along, normal), axis=1) / along
    if sideways.max() > TILT_TOLERANCE:
        return [
            f"The gantry was tilted by {np.degrees(np.arctan(sideways.max())):.1f} degrees, so the slices "
            "do not stack into a box. Use an untilted reconstruction."
        ]
    stated = np.abs(_numbers(header, "GantryDetectorTilt")).max(initial=0)
    shown = np.degrees(np.arccos(min(1.0, abs(normal[2]))))
    if stated - shown > STATED_TILT_DEGREES:
        return [
            f"The headers state a gantry tilt of {stated:.1f} degrees, but the slice positions do not show "
            "it: one of the two is wrong. Use an untilted reconstruction, or export the original headers."
        ]
    return []


def _image(stack: list[Dataset], voxels: np.ndarray) -> sitk.Image:
    """Volume of ``voxels`` (slices, rows, columns) with the geometry of the ordered headers."""
    image = sitk.GetImageFromArray(voxels)
    axes = _numbers(stack[0], "ImageOrientationPatient").reshape(2, 3)
    between_rows, between_columns = _numbers(stack[0], "PixelSpacing")
    step = np.ptp(_heights(stack)) / (len(stack) - 1)
    image.SetSpacing([between_columns, between_rows, step])
    image.SetOrigin(_numbers(stack[0], "ImagePositionPatient").tolist())
    image.SetDirection(np.column_stack([*axes, _normal(stack[0])]).ravel().tolist())
    return image


def _facts(stack: list[Dataset]) -> dict[str, str | float]:
    first = stack[0]
    names = [str(first.get(tag, "")).strip() for tag in ("Manufacturer", "ManufacturerModelName")]
    texts = {"scanner": " ".join(filter(None, names)), "kernel": _kernel(first), "contrast": _contrast(first)}
    currents = np.concatenate([_numbers(header, "XRayTubeCurrent") for header in stack])
    numbers = {
        "kvp": _numbers(first, "KVP"),
        "slice_thickness": _numbers(first, "SliceThickness"),
        "tube_current": currents,
    }
    facts = {name: text for name, text in texts.items() if text}
    return facts | {name: float(np.median(values)) for name, values in numbers.items() if values.size}


def _contrast(header: Dataset) -> str:
    """Contrast agent, or the amount that was injected; empty when the header shows no sign of contrast."""
    agent = " ".join(str(header.get("ContrastBolusAgent") or "").split())
    if agent.upper() not in _NO_CONTRAST:
        return agent
    amounts = np.concatenate([_numbers(header, tag) for tag in _CONTRAST_AMOUNTS])
    return f"{amounts.max():.4g} ml, agent not named" if (amounts > 0).any() else ""
