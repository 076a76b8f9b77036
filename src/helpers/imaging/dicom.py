"""DICOM folders as hospitals hand them over: the one CT volume in them, checked, as Hounsfield units.

Headers decide: what is no axial CT slice (localizers, dose pages, reports, reformats) is left aside, slices
are put in order by their positions, and a stack that is not a box of Hounsfield units is refused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from helpers.errors import StudyError
from helpers.imaging.archives import is_archive
from helpers.imaging.dicom_headers import (
    CONTRAST_AMOUNTS,
    STEP_TOLERANCE_MM,
    files_at,
    numbers_of,
    pixel_scale,
    read_headers,
    rescaling,
    slice_corners,
    slice_heights,
    slice_normal,
    slice_steps,
    texts_of,
)
from helpers.imaging.dicom_pixels import decode
from helpers.study.pseudonyms import same_number

# Slices may be shifted sideways by this much per millimetre.
TILT_TOLERANCE = 0.005
# A header may state a gantry tilt of up to this many degrees that its positions do not show.
STATED_TILT_DEGREES = 1.0
# Of several series, those with steps above this are left aside when there is a finer one.
THIN_MM = 3.0
# A CT whose pixels cannot hold less than this (HU) has lost its scale: air is -1000, fat -100.
LEAST_LOWEST_HU = -500
# The median HU of neighbouring slices is nearly the same.
LARGEST_JUMP_HU = 100
_ENHANCED = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
_PICTURES = {"MIP", "CSA MIP", "MAX_IP", "MIN_IP", "MINIP", "PROJECTION IMAGE", "VRT", "VOLUME_RENDER"}
_PICTURES |= {"SURFACE_RENDER", "CURVED_MPR", "SCREEN SAVE", "SCREENSAVE"}
# What scanners and technicians write when nothing was injected; contrast that was drunk leaves bone alone.
_NO_CONTRAST = {"", "0", "-", "N", "NO", "NON", "NONE", "NIL", "N/A", "NA", "NULL", "PLAIN", "NATIVE"}
_NO_CONTRAST |= {"NATIV", "WITHOUT", "WITHOUT CONTRAST", "NO CONTRAST", "NON CONTRAST", "NON-CONTRAST"}
_NO_CONTRAST |= {"UNENHANCED", "ORAL", "无", "平扫"}


def read_dicom(
    folder: Path, series: str | list[str] | None = None, secret: Callable[[str], str] | None = None
) -> tuple[sitk.Image, dict[str, str | float]]:
    """Read the one axial CT volume in ``folder`` and its sub-folders, or of the files that it lists.

    Without ``series`` the volume must be the only one: localizers, dose pages, reports, reformats, other
    modalities and single slices are left aside, and thick slices (steps above 3 mm) when there is a finer
    series. Copies of a slice count once.

    Parameters
    ----------
    folder : Path
        Slices in any order, under any name, compressed or not, beside anything else.
    series : str or list of str, optional
        Part of the wanted series' description, kernel or series UID, or several parts of which it has any;
        capitals do not matter.
    secret : callable, optional
        Makes of the patient number in the headers what may be compared and kept.

    Returns
    -------
    image : sitk.Image
        Rounded HU, 16-bit signed; rescale slope and intercept are applied slice by slice.
    facts : dict
        As far as the headers state them: ``scanner``, ``kvp`` (kV), ``kernel``, ``slice_thickness`` (mm),
        ``tube_current`` (mA, median of the slices), ``contrast`` (agent, or the amount that was injected),
        ``pixel_scale`` (pixel spacing over that which follows from the reconstruction's diameter); and, with
        ``secret``, ``header_patient``.

    Raises
    ------
    StudyError
        When there is no volume or more than one, or when its slices do not make a box of HU. The sentence
        holds no text of a header but the kernel: descriptions may name a patient.
    """
    headers, damaged = read_headers(folder)
    if not headers and not damaged and any(map(is_archive, files_at(folder))):
        raise StudyError(
            "the folder holds an archive (a zip file or its like), no DICOM files. Unpack it there."
        )
    number = _patient_number(headers)
    stack = _choose(_axial_slices(headers, damaged), series)
    _refuse(_slice_faults(stack))
    stack, voxels = decode([stack[number] for number in np.argsort(slice_heights(stack), kind="stable")])
    _refuse(_position_faults(stack, damaged) + _jumps(stack, voxels))
    facts = _facts(stack)
    if secret and number:
        facts["header_patient"] = secret(number)
    return _image(stack, voxels), facts


def _patient_number(headers: list[Dataset]) -> str:
    """The one patient number in all headers, empty when none has one; of a report or a localizer too."""
    stated = [text.strip() for header in headers for text in texts_of(header, "PatientID")]
    several = {same_number(text): text for text in stated if text}
    if len(several) > 1:
        raise StudyError(
            f"the DICOM files carry {len(several)} different patient numbers: files of several patients lie "
            "together. Leave only this patient's files in the folder."
        )
    return next(iter(several.values()), "")


def _refuse(faults: list[str]) -> None:
    if faults:
        raise StudyError(" ".join(faults))


def _axial_slices(headers: list[Dataset], damaged: int) -> list[Dataset]:
    kinds = [other_kind(header) for header in headers]
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


def other_kind(header: Dataset) -> str:
    """What a file is instead of an axial CT slice; empty for an axial CT slice."""
    modality, storage = str(header.get("Modality", "")), header.get("SOPClassUID", "")
    words = {word.strip().upper() for word in texts_of(header, "ImageType")}
    if modality != "CT":
        # A code of capitals by the standard; anything else could be a text about the patient.
        return f"of modality {modality}" if modality.isupper() and modality.isalpha() else "without modality"
    if storage in _ENHANCED:
        return "enhanced multi-frame CT"
    if words & {"LOCALIZER", "SCOUT", "TOPOGRAM"}:
        return "localizer"
    if storage not in ("", CTImageStorage) or words & _PICTURES:
        return "picture of a screen or projection"
    normal = slice_normal(header)
    if normal is None:
        return "CT without valid position and orientation"
    return "" if abs(normal[2]) > 0.7 else "coronal or sagittal"


def _choose(slices: list[Dataset], wanted: str | list[str] | None) -> list[Dataset]:
    """The one series that makes a volume, of those that match ``wanted``."""
    stacks = defaultdict(list)
    for header in slices:
        stacks[str(header.get("SeriesInstanceUID")), str(header.get("SeriesNumber"))].append(header)
    matching = [stack for stack in stacks.values() if _matches(stack[0], wanted)]
    if not matching:
        told = wanted if isinstance(wanted, str) else "' or '".join(wanted)
        raise StudyError(
            f"no axial CT series has '{told}' (key 'series' of the site) in its description, "
            f"kernel or UID. There are: {_listing(stacks.values())}."
        )
    volumes = [stack for stack in matching if slice_steps(stack).size] or matching
    if len(volumes) > 1:
        volumes = [stack for stack in volumes if np.median(slice_steps(stack)) <= THIN_MM] or volumes
    if len(volumes) > 1:
        raise StudyError(
            f"{len(volumes)} axial CT series fit, exactly one is needed: {_listing(volumes)}. "
            "Write into the site's key 'series' what only the wanted one has in its description, kernel or "
            "UID, or leave only that one in the folder."
        )
    return volumes[0]


def _matches(header: Dataset, wanted: str | list[str] | None) -> bool:
    texts = [*texts_of(header, "SeriesDescription"), *texts_of(header, "SeriesInstanceUID"), kernel(header)]
    parts = [wanted] if isinstance(wanted, str) else wanted
    return parts is None or any(part.casefold() in text.casefold() for part in parts for text in texts)


def _listing(stacks: list[list[Dataset]]) -> str:
    """Series as a radiologist tells them apart, without their descriptions, which may hold names."""
    described = []
    for stack in stacks:
        parts = [f"{len(stack)} slice(s)"]
        parts += [f"every {np.median(slice_steps(stack)):.4g} mm"] if slice_steps(stack).size else []
        parts += [f"{size:.4g} mm thick" for size in numbers_of(stack[0], "SliceThickness")]
        parts += [f"kernel {kernel(stack[0])}"] if kernel(stack[0]) else []
        described.append(", ".join(parts))
    return "; ".join(sorted(described))


def kernel(header: Dataset) -> str:
    """The reconstruction kernel; empty where the header does not say."""
    return "/".join(texts_of(header, "ConvolutionKernel"))


def _slice_faults(stack: list[Dataset]) -> list[str]:
    """What keeps slices, each by itself and side by side, from being a stack of Hounsfield units."""
    faults = []
    axes = np.array([header.ImageOrientationPatient for header in stack], dtype=float)
    if np.abs(axes - axes[0]).max() > 1e-3:
        faults.append("The slices have different orientations. Leave only one axial series in the folder.")
    if len({(h.get("Rows"), h.get("Columns"), *numbers_of(h, "PixelSpacing").round(6)) for h in stack}) > 1:
        faults.append("The slices differ in size or pixel spacing. Leave only one reconstruction.")
    if any("Rows" not in h or "Columns" not in h or not _has_pixel_spacing(h) for h in stack):
        faults.append("Size or pixel spacing is missing. Export the original series from the archive.")
    faults += _mixed(stack)
    scale = np.array([rescaling(header) for header in stack])
    types = {str(header.get("RescaleType") or "HU").upper() for header in stack}
    if not np.isfinite(scale).all() or (scale[:, 0] == 0).any() or types - {"HU", "US"}:
        faults.append(
            "The values are no Hounsfield units (rescale slope or intercept is missing, or they are an "
            "iodine or other material map). Export the original CT."
        )
    elif any(_without_air(header) for header in stack):
        faults.append(
            f"The headers allow no value below {LEAST_LOWEST_HU} HU, so air and fat cannot be in the image: "
            "its rescale intercept is wrong, or the values were shifted. Export the original CT."
        )
    if any(_is_picture(header) for header in stack):
        faults.append("The slices are 8-bit or colour pictures, not the CT itself. Export the original CT.")
    if any(header.get("LossyImageCompression") == "01" for header in stack):
        faults.append("The slices were compressed with loss, which changes texture. Export the original.")
    return faults


def _mixed(stack: list[Dataset]) -> list[str]:
    """Signs in the headers that slices of several series were given one number."""
    kernels = sorted({kernel(header) for header in stack} - {""})
    voltages = sorted({float(value) for header in stack for value in numbers_of(header, "KVP")})
    faults = []
    if len(kernels) > 1:
        faults.append(f"Slices of {len(kernels)} kernels ({', '.join(kernels)}) lie in one series.")
    if len(voltages) > 1:
        told = ", ".join(f"{value:g}" for value in voltages)
        faults.append(f"Slices of {len(voltages)} tube voltages ({told} kV) lie in one series.")
    if faults:
        faults[-1] += " Export one reconstruction of one scan from the archive."
    return faults


def _without_air(header: Dataset) -> bool:
    """Whether the lowest value that the pixels can hold is far above air: unsigned ones without intercept."""
    slope, intercept = rescaling(header)
    return header.get("PixelRepresentation") == 0 and slope > 0 and intercept > LEAST_LOWEST_HU


def _has_pixel_spacing(header: Dataset) -> bool:
    spacing = numbers_of(header, "PixelSpacing")
    return spacing.size == 2 and bool((spacing > 0).all())


def _is_picture(header: Dataset) -> bool:
    kind = str(header.get("PhotometricInterpretation", "MONOCHROME2")).strip()
    return header.get("BitsStored", 16) <= 8 or kind != "MONOCHROME2"


def _position_faults(stack: list[Dataset], damaged: int) -> list[str]:
    """What keeps ordered slices from lying in a box; ``damaged`` files may be the missing slices."""
    normal = slice_normal(stack[0])
    steps = np.diff(slice_corners(stack), axis=0)
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


def _jumps(stack: list[Dataset], voxels: np.ndarray) -> list[str]:
    """Slices whose scale differs from their neighbour's, and whose HU differ as well: one scale is wrong.

    Scanners may give every slice a scale of its own; applied, it leaves no trace.
    """
    scale = np.array([rescaling(header) for header in stack])
    changes = np.flatnonzero((np.diff(scale, axis=0) != 0).any(axis=1))
    middles = {number: np.median(voxels[number]) for change in changes for number in (change, change + 1)}
    jumps = sum(abs(middles[change + 1] - middles[change]) > LARGEST_JUMP_HU for change in changes)
    if not jumps:
        return []
    return [
        f"Rescale slope or intercept change between slices, and the values jump there ({jumps} time(s)): the "
        "headers of some slices are wrong, or two scans were mixed. Export the original CT."
    ]


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
    normal = slice_normal(header)
    sideways = np.linalg.norm(steps - np.outer(along, normal), axis=1) / along
    if sideways.max() > TILT_TOLERANCE:
        return [
            f"The gantry was tilted by {np.degrees(np.arctan(sideways.max())):.1f} degrees, so the slices "
            "do not stack into a box. Use an untilted reconstruction."
        ]
    stated = np.abs(numbers_of(header, "GantryDetectorTilt")).max(initial=0)
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
    axes = numbers_of(stack[0], "ImageOrientationPatient").reshape(2, 3)
    between_rows, between_columns = numbers_of(stack[0], "PixelSpacing")
    step = np.ptp(slice_heights(stack)) / (len(stack) - 1)
    image.SetSpacing([between_columns, between_rows, step])
    image.SetOrigin(numbers_of(stack[0], "ImagePositionPatient").tolist())
    image.SetDirection(np.column_stack([*axes, slice_normal(stack[0])]).ravel().tolist())
    return image


def _facts(stack: list[Dataset]) -> dict[str, str | float]:
    first = stack[0]
    names = [" ".join(texts_of(first, tag)) for tag in ("Manufacturer", "ManufacturerModelName")]
    texts = {"scanner": " ".join(filter(None, names)), "kernel": kernel(first), "contrast": _contrast(first)}
    currents = np.concatenate([numbers_of(header, "XRayTubeCurrent") for header in stack])
    numbers = {
        "kvp": numbers_of(first, "KVP"),
        "slice_thickness": numbers_of(first, "SliceThickness"),
        "tube_current": currents,
        "pixel_scale": np.array([scale for scale in [pixel_scale(first)] if scale is not None]),
    }
    facts = {name: text for name, text in texts.items() if text}
    return facts | {name: float(np.median(values)) for name, values in numbers.items() if values.size}


def _contrast(header: Dataset) -> str:
    """Contrast agent, or the amount that was injected; empty when the header shows no sign of contrast."""
    agent = " ".join(" ".join(texts_of(header, "ContrastBolusAgent")).split())
    if agent.upper() not in _NO_CONTRAST:
        return agent
    amounts = np.concatenate([numbers_of(header, tag) for tag in CONTRAST_AMOUNTS])
    return f"{amounts.max():.4g} ml, agent not named" if (amounts > 0).any() else ""
