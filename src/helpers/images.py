"""The one door through which CT images and masks come in: DICOM, NIfTI/NRRD/MHA, or simulated.

Whatever the kind, a :class:`Scan` comes out: whole Hounsfield units and a label map of the six layers on
the same grid. Nothing behind this module knows where a patient came from.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.multival import MultiValue

from helpers import privacy
from helpers.errors import StudyError
from helpers.study import Run, Site

if TYPE_CHECKING:
    from helpers.virtual import VirtualSite

LAYERS = {
    1: "T12 upper",
    2: "T12 middle",
    3: "T12 lower",
    4: "L1 upper",
    5: "L1 middle",
    6: "L1 lower",
}
# File headers round positions (NIfTI to 32 bits); more than this is another grid, not rounding.
GRID_TOLERANCE_MM = 0.01
# Slice steps may differ by this much, and slices may be shifted sideways by this much per millimetre.
STEP_TOLERANCE_MM = 0.05
TILT_TOLERANCE = 0.005
_HU_RANGE = (-32768, 32767)
_TAGS = {"kvp": "KVP", "kernel": "ConvolutionKernel"}


@dataclass(frozen=True)
class Scan:
    """One patient's CT and regions.

    Attributes
    ----------
    image : sitk.Image
        HU, 16-bit signed.
    mask : sitk.Image
        8-bit labels on the same grid: 0 outside, 1 to 6 as in ``LAYERS``.
    facts : dict
        What is known of the acquisition: ``scanner``, ``kvp`` (kV), ``kernel``; unknown ones are absent.
    """

    image: sitk.Image
    mask: sitk.Image
    facts: dict[str, str | float] = field(default_factory=dict)


class ImageSource(Protocol):
    """Where a site's scans come from."""

    def load(self, patient_id: str, reader: int = 1) -> Scan:
        """Read one patient's scan with the regions of one reader (1 or 2)."""

    def fingerprint(self, patient_id: str, reader: int = 1) -> str:
        """Text that changes whenever :meth:`load` would give something else; quick to make."""


def image_source(run: Run, site: Site) -> ImageSource:
    """Door to the images of ``site``.

    Parameters
    ----------
    run : Run
        Knows the study file's folder and, through its private part, the raw patient numbers.
    site : Site
        One of ``run.study.sites``.
    """
    if site.virtual is not None:
        # Imported here: a hospital's own data need no simulator.
        from helpers.virtual import VirtualSite

        protocol = run.study.path(site.virtual.protocol)
        return VirtualImages(VirtualSite(protocol, site.role, site.virtual.patients, run.study.seed))
    return FileImages(run, site, privacy.raw_ids(run))


def image_sources(run: Run) -> dict[str, ImageSource]:
    """Door to the images of every site, by the site's name."""
    return {site.name: image_source(run, site) for site in run.study.sites}


@dataclass(frozen=True)
class VirtualImages:
    """Scans of simulated patients, made in memory."""

    hospital: VirtualSite

    def load(self, patient_id: str, reader: int = 1) -> Scan:
        """Simulate one patient's scan."""
        image, mask = self.hospital.acquire(patient_id, reader=reader)
        scanner = self.hospital.scanner(patient_id)
        facts = {"scanner": scanner["name"], "kvp": float(scanner["kVp"]), "kernel": scanner["kernel"]}
        return Scan(image, mask, facts)

    def fingerprint(self, patient_id: str, reader: int = 1) -> str:
        """Hash of what the simulation depends on."""
        return self.hospital.fingerprint(patient_id, reader=reader)


@dataclass(frozen=True)
class FileImages:
    """Scans in a hospital's files, found by the patterns of the study file."""

    run: Run
    site: Site
    raw_ids: dict[str, str] = field(repr=False)

    def load(self, patient_id: str, reader: int = 1) -> Scan:
        """Read image and mask, and check that they belong together.

        Raises
        ------
        StudyError
            Saying what is wrong with which file, as the study file names it, and the remedy.
        """
        image_path, mask_path = self._paths(patient_id, reader)
        image_name, mask_name = self._names(reader)
        if image_path.is_dir():
            image, facts = read_dicom(image_path, f"{patient_id}, folder '{image_name}'")
        else:
            image, facts = read_volume(image_path, f"{patient_id}, image '{image_name}'"), {}
        place = f"{patient_id}, mask '{mask_name}'"
        mask = match_grid(read_volume(mask_path, place), image, place)
        return Scan(whole_hu(image, patient_id), layer_map(mask, self.site.labels, place), facts)

    def fingerprint(self, patient_id: str, reader: int = 1) -> str:
        """Hash of the mask's bytes and of the image files' names, sizes and times of change.

        Masks are what people edit; hashing every image would read the whole archive on each run.
        """
        image_path, mask_path = self._paths(patient_id, reader)
        files = sorted(image_path.iterdir()) if image_path.is_dir() else [image_path]
        parts = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
        parts += [hashlib.sha256(mask_path.read_bytes()).hexdigest(), repr(self.site.labels)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _paths(self, patient_id: str, reader: int) -> tuple[Path, Path]:
        raw = self.raw_ids[patient_id]
        paths = [self.run.study.path(name.replace("{patient_id}", raw)) for name in self._names(reader)]
        for path, name in zip(paths, self._names(reader), strict=True):
            if not path.exists():
                raise StudyError(
                    f"{patient_id}: there is no '{name}' for this patient. Add the file, or correct the "
                    f"path pattern of site '{self.site.name}' in the study file."
                )
        return paths[0], paths[1]

    def _names(self, reader: int) -> tuple[str, str]:
        masks = self.site.masks if reader == 1 else self.site.second_reader
        if masks is None:
            raise StudyError(f"Site '{self.site.name}' names no masks of a second reader (second_reader).")
        return self.site.images, masks


def read_volume(path: Path, place: str) -> sitk.Image:
    """Read a three-dimensional NIfTI, NRRD or MHA file; ``place`` says in an error what it is."""
    try:
        volume = sitk.ReadImage(str(path))
    except RuntimeError:
        # ITK's own message holds the path, and with it the raw patient number.
        raise StudyError(
            f"{place}: the file cannot be read as NIfTI, NRRD or MHA. It may be damaged or of another "
            "kind: export it again."
        ) from None
    if volume.GetDimension() != 3 or volume.GetNumberOfComponentsPerPixel() != 1:
        raise StudyError(
            f"{place}: the file holds {volume.GetDimension()} dimensions and "
            f"{volume.GetNumberOfComponentsPerPixel()} values a voxel; one 3D volume is needed."
        )
    return volume


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


def whole_hu(image: sitk.Image, patient_id: str) -> sitk.Image:
    """Image as 16-bit HU, rounded.

    PyRadiomics rounds resampled values to the image's own type: one type for all files makes the values
    independent of how an image was stored.
    """
    if image.GetPixelID() in (sitk.sitkUInt8, sitk.sitkInt8):
        raise StudyError(
            f"{patient_id}: the image has 8 bits a voxel, a windowed picture instead of Hounsfield units. "
            "Export the original CT."
        )
    if image.GetPixelID() == sitk.sitkInt16:
        return image
    if image.GetPixelID() in (sitk.sitkFloat32, sitk.sitkFloat64):
        image = sitk.Round(image)
    return sitk.Cast(sitk.Clamp(image, lowerBound=_HU_RANGE[0], upperBound=_HU_RANGE[1]), sitk.sitkInt16)


def match_grid(mask: sitk.Image, image: sitk.Image, place: str) -> sitk.Image:
    """Mask with exactly the image's grid, when it lies there up to the rounding of file headers.

    Raises
    ------
    StudyError
        When size, spacing, origin or direction differ.
    """
    if mask.GetSize() != image.GetSize():
        raise _other_grid(place, f"its size is {mask.GetSize()}, the image's {image.GetSize()}")
    corners = list(itertools.product(*[(0, size - 1) for size in image.GetSize()]))
    shift = max(_distance(mask, image, corner) for corner in corners)
    if shift > GRID_TOLERANCE_MM:
        differing = [
            name
            for name in ("Spacing", "Origin", "Direction")
            if not np.allclose(getattr(mask, f"Get{name}")(), getattr(image, f"Get{name}")(), atol=1e-3)
        ]
        named = ", ".join(differing).lower() or "grid"
        raise _other_grid(place, f"its {named} differs by up to {shift:.2f} mm at the corners")
    mask.CopyInformation(image)
    return mask


def _distance(one: sitk.Image, other: sitk.Image, corner: tuple[int, ...]) -> float:
    points = [np.array(volume.TransformIndexToPhysicalPoint(corner)) for volume in (one, other)]
    return float(np.linalg.norm(points[0] - points[1]))


def _other_grid(place: str, difference: str) -> StudyError:
    return StudyError(
        f"{place}: the mask does not lie on the image's grid: {difference}. Draw or save the mask on this "
        "very image (in ITK-SNAP: open this image first, then save the segmentation)."
    )


def layer_map(mask: sitk.Image, labels: dict[int, int] | None, place: str) -> sitk.Image:
    """Label map of the layers 1 to 6.

    Parameters
    ----------
    mask : sitk.Image
        As drawn.
    labels : dict or None
        Mask label -> layer; other labels are left out. None: the labels are the layers already.
    place : str
        What the mask is, for errors.
    """
    drawn = sitk.GetArrayFromImage(mask)
    found = np.unique(drawn[drawn != 0])
    if found.size == 0:
        raise StudyError(f"{place}: the mask is empty. Draw the six layers, or leave the patient out.")
    if not np.array_equal(found, np.round(found)) or found.min() < 0:
        raise StudyError(
            f"{place}: the mask holds values such as {found[0]:.4g} instead of whole labels; it was "
            "rescaled when saved. Save it again as a label map."
        )
    translation = labels or {layer: layer for layer in LAYERS}
    _check_labels(set(found.astype(int).tolist()), translation, labels is not None, place)
    layers = np.zeros(drawn.shape, dtype=np.uint8)
    for label, layer in translation.items():
        layers[drawn == label] = layer
    translated = sitk.GetImageFromArray(layers)
    translated.CopyInformation(mask)
    return translated


def _check_labels(found: set[int], translation: dict[int, int], others_allowed: bool, place: str) -> None:
    if found == {255}:
        raise StudyError(
            f"{place}: the mask's only label is 255: it was saved as a black-and-white picture and the six "
            "layers are lost. Save the label map itself, with the labels 1 to 6."
        )
    others = sorted(found - set(translation))
    if others and not others_allowed:
        raise StudyError(
            f"{place}: label(s) {', '.join(map(str, others))} are not layers (1 to 6). Say in the study "
            "file's 'labels' which mask label is which layer, or correct the mask."
        )
    missing = sorted(set(LAYERS) - {translation[label] for label in found & set(translation)})
    if missing:
        names = ", ".join(LAYERS[layer] for layer in missing)
        raise StudyError(
            f"{place}: the mask lacks {names} (it has the labels {', '.join(map(str, sorted(found)))}). Draw "
            "all six layers, or leave the patient out."
        )
