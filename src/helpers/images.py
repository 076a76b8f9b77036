"""The one door through which CT images and masks come in: DICOM, NIfTI/NRRD/MHA, or simulated.

Whatever the kind, a :class:`Scan` comes out: whole Hounsfield units and a label map of the six layers on
the same grid. Nothing behind this module knows where a patient came from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import SimpleITK as sitk

from helpers import privacy
from helpers.dicom import read_dicom
from helpers.errors import StudyError
from helpers.masks import layer_map, match_grid
from helpers.study import Run, Site

if TYPE_CHECKING:
    from helpers.virtual import VirtualSite

_HU_RANGE = (-32768, 32767)


@dataclass(frozen=True)
class Scan:
    """One patient's CT and regions.

    Attributes
    ----------
    image : sitk.Image
        HU, 16-bit signed.
    mask : sitk.Image
        8-bit labels on the same grid: 0 outside, 1 to 6 as in ``helpers.masks.LAYERS``.
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
        labels = None if self.site.labels == "layers" else self.site.labels
        return Scan(whole_hu(image, patient_id), layer_map(mask, labels, place), facts)

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
