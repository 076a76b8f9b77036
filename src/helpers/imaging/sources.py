"""The one door through which CT images and masks come in: DICOM, NIfTI/NRRD/MHA, or simulated.

Whatever the kind, a :class:`Scan` comes out: whole Hounsfield units and a label map of the six layers on
the same grid. Nothing behind this module knows where a patient came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import SimpleITK as sitk

from helpers.errors import StudyError, naming
from helpers.imaging import pointed, segmenters
from helpers.imaging.archives import has_archive_beside
from helpers.imaging.bodies import layers_around
from helpers.imaging.clicked import read_clicked
from helpers.imaging.dicom import read_dicom
from helpers.imaging.dicom_headers import files_at, is_dicom_place
from helpers.imaging.fields import is_whole
from helpers.imaging.mask_files import MaskFiles, read_bodies, read_codes
from helpers.imaging.points import Mark, marks_of_patient, places, read_marks
from helpers.imaging.regions import check_regions, six_layers
from helpers.imaging.segmenters import TOOLS
from helpers.imaging.volumes import read_volume
from helpers.study import pseudonyms
from helpers.study.content_hash import content_hash
from helpers.study.patterns import patient_path
from helpers.study.run_folder import Run
from helpers.study.sites import CLICK, Site

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
        8-bit labels on the same grid: 0 outside, 1 to 6 as in ``regions.LAYERS``. A vertebra may be
        missing as a whole.
    facts : dict
        What is known of the acquisition: ``scanner``, ``kvp`` (kV), ``kvp_calibrated`` (the voltage
        whose HU these are made to be), ``kernel``, ``contrast``; and
        ``header_patient``, the keyed hash of the patient number in the headers. Unknown ones are absent.
    notes : tuple of str
        What was done to the mask.
    lost_percent : float
        Of a whole vertebra's mask, how much was left out, as it lies apart from the body.
    whole : bool
        Nothing tells that the image was cut out of a larger one.
    """

    image: sitk.Image
    mask: sitk.Image
    facts: dict[str, str | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    lost_percent: float = 0.0
    whole: bool = True


class ImageSource(Protocol):
    """Where a site's scans come from."""

    def load(self, patient_id: str, reader: int = 1) -> Scan:
        """Read one patient's scan with the regions of one reader (1 or 2), and check it."""

    def drawn(self, patient_id: str, reader: int = 1) -> Scan:
        """As :meth:`load`, wherever the regions lie: for looking at them."""

    def checked(self, patient_id: str, scan: Scan, reader: int = 1) -> Scan:
        """What :meth:`load` makes of :meth:`drawn`."""

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
    return FileImages(run, site, pseudonyms.raw_ids(run))


def image_sources(run: Run) -> dict[str, ImageSource]:
    """Door to the images of every site, by the site's name."""
    return {site.name: image_source(run, site) for site in run.study.sites}


@dataclass(frozen=True)
class VirtualImages:
    """Scans of simulated patients, made in memory."""

    hospital: VirtualSite

    def load(self, patient_id: str, reader: int = 1) -> Scan:
        """Simulate one patient's scan."""
        return self.drawn(patient_id, reader)

    def drawn(self, patient_id: str, reader: int = 1) -> Scan:
        """The same: regions of a simulation lie where they belong."""
        image, mask = self.hospital.acquire(patient_id, reader=reader)
        scanner = self.hospital.scanner(patient_id)
        facts = {"scanner": scanner["name"], "kvp": float(scanner["kVp"]), "kernel": scanner["kernel"]}
        return Scan(image, mask, facts)

    def checked(self, patient_id: str, scan: Scan, reader: int = 1) -> Scan:
        """The scan as it is."""
        return scan

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
        """Read image and regions, and check that they belong together.

        Raises
        ------
        StudyError
            Saying what is wrong with which file, as the study file names it, and the remedy; its kind
            says what that file is.
        """
        return self.checked(patient_id, self.drawn(patient_id, reader), reader)

    def drawn(self, patient_id: str, reader: int = 1) -> Scan:
        """Image and regions as they were handed over, wherever the regions lie."""
        masks = self._masks(patient_id, reader)
        image, facts, calibrated = _calibrated(*self._image(patient_id), self.site)
        codes, moved = read_codes(masks, image, patient_id)
        bodies = read_bodies(masks, image, patient_id)
        with naming(f"{patient_id}, mask '{next(iter(masks.names.values()))}'", "mask"):
            layers, cut, lost = six_layers(codes, bodies, masks.erode_mm)
        whole = is_whole(image, self.run.study.simulated)
        return Scan(image, layers, facts, (*calibrated, *moved, *cut), lost, whole)

    def checked(self, patient_id: str, scan: Scan, reader: int = 1) -> Scan:
        """The scan, when its regions lie where they can lie."""
        names = self._masks(patient_id, reader).names
        with naming(f"{patient_id}, mask '{next(iter(names.values()))}'", "mask"):
            check_regions(scan.mask, scan.image)
        return scan

    def fingerprint(self, patient_id: str, reader: int = 1) -> str:
        """Hash of the masks' bytes and of the image files' names, sizes and times of change.

        Masks are what people edit; hashing every image would read the whole archive on each run.
        """
        masks = self._masks(patient_id, reader)
        parts = [self._image_state(patient_id), self.site.series, self.run.study.simulated]
        parts += [self.site.kvp_calibration]
        parts += [masks.labels, masks.bodies_name, masks.erode_mm]
        parts += [content_hash(file) for file in masks.paths]
        return _hash(*parts, *masks.files)

    def image(self, patient_id: str) -> sitk.Image:
        """The image alone, as :meth:`load` gives it.

        Raises
        ------
        StudyError
            As :meth:`load`.
        """
        return _calibrated(*self._image(patient_id), self.site)[0]

    def _image(self, patient_id: str) -> tuple[sitk.Image, dict[str, str | float]]:
        path = self._path(self.site.images, patient_id)
        what = "folder" if is_dicom_place(path) else "image"
        with naming(f"{patient_id}, {what} '{self.site.images}'", "image"):
            if is_dicom_place(path):
                image, facts = read_dicom(path, self.site.series, self._secret)
            else:
                image, facts = read_volume(path), {}
        with naming(patient_id, "image"):
            return whole_hu(image), facts

    def _secret(self, number: str) -> str:
        return pseudonyms.secret_numbers(self.run, [number])[0]

    def _image_state(self, patient_id: str) -> str:
        path = self._path(self.site.images, patient_id)
        files = files_at(path) if is_dicom_place(path) else [path]
        return _hash(*(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files))

    def _masks(self, patient_id: str, reader: int) -> MaskFiles:
        """The mask files of one reader; drawn first where the site leaves that to a tool."""
        site = self.site
        patterns = site.masks if reader == 1 else site.second_reader
        if reader == 1 and site.points is not None and not self._has_mask(patient_id):
            return self._pointed(patient_id)
        if reader == 1 and patterns is None:
            return self._segmented(patient_id)
        if patterns is None:
            raise StudyError(f"Site '{site.name}' names no masks of a second reader (second_reader).", "mask")
        patterns = patterns if isinstance(patterns, dict) else {"": patterns}
        files = {name: self._path(pattern, patient_id, False) for name, pattern in patterns.items()}
        there = {name: path for name, path in files.items() if path.exists()}
        if not there:
            for name, path in files.items():
                if has_archive_beside(path):
                    raise self._packed(patient_id, patterns[name])
            raise self._absent(patient_id, " or ".join(f"'{pattern}'" for pattern in patterns.values()))
        bodies = self._path(site.bodies, patient_id) if site.bodies else None
        masks = MaskFiles(there, patterns, site.labels, bodies, site.bodies or "", site.erode_mm)
        return masks.unpacked(patient_id)

    def origin(self, patient_id: str) -> Literal["mask", "corrected", "points", ""]:
        """What the first reader's region is made from at a site with points; empty where there is nothing."""
        if self._has_mask(patient_id):
            return "mask"
        if pointed.is_corrected(self.run.region(patient_id)):
            return "corrected"
        try:
            return "points" if self._marks(patient_id) else ""
        except StudyError:
            return ""

    def _has_mask(self, patient_id: str) -> bool:
        masks = self.site.masks if isinstance(self.site.masks, dict) else {"": self.site.masks}
        return any(one and self._path(one, patient_id, False).exists() for one in masks.values())

    def _pointed(self, patient_id: str) -> MaskFiles:
        """The region drawn from the patient's points, or what a reader has made of it."""
        file = self.run.region(patient_id)
        if not pointed.is_corrected(file):
            marks = self._marks(patient_id)
            state = [marks, self._margin_mm(patient_id), self._image_state(patient_id)]
            inputs = repr([*state, self.site.series, self.site.kvp_calibration])
            pointed.keep_drawn(file, inputs, partial(self._around_points, patient_id, marks))
        return MaskFiles({"": file}, {"": "private/regions/{patient_id}.nii.gz"}, "layers")

    def _around_points(self, patient_id: str, marks: list[Mark]) -> sitk.Image:
        image = self.image(patient_id)
        is_folder = is_dicom_place(self._path(self.site.images, patient_id))
        with naming(f"{patient_id}, points '{self._points_name}'", "mask"):
            return layers_around(image, places(marks, image, is_folder), self._margin_mm(patient_id))

    def _margin_mm(self, patient_id: str) -> float:
        own = read_clicked(self.run.click(patient_id)).margin_mm if self.site.points == CLICK else None
        return self.site.margin_mm if own is None else own

    def _marks(self, patient_id: str) -> list[Mark]:
        given = self.site.points
        if given == CLICK:
            with naming(f"{patient_id}, points '{CLICK}'", "mask"):
                return read_clicked(self.run.click(patient_id)).marks()
        file = self._path(given, patient_id) if isinstance(given, str) else self.run.study.path(given.path)
        with naming(f"{patient_id}, points '{self._points_name}'", "mask"):
            if isinstance(given, str):
                return read_marks(file)
            if not file.is_file():
                raise StudyError(
                    "there is no such table. Correct its path in the study file.", "missing file"
                )
            found = marks_of_patient(file, given.patient_id, self.raw_ids[patient_id])
            if not found:
                raise StudyError("the table has no row of this patient. Add the points.", "missing file")
            return found

    @property
    def _points_name(self) -> str:
        given = self.site.points
        return given if isinstance(given, str) else str(given.path)

    def _segmented(self, patient_id: str) -> MaskFiles:
        tool = TOOLS[self.site.segmenter]
        folder = self.run.segmentation(
            patient_id, f"{self.site.segmenter}-{self._image_state(patient_id)[:16]}"
        )
        if not folder.is_dir():
            image, _ = self._image(patient_id)
            with naming(patient_id):
                segmenters.draw(tool, image, folder)
        return tool.masks(folder, self.site.erode_mm)

    def _path(self, pattern: str, patient_id: str, needed: bool = True) -> Path:
        path = patient_path(self.run.study, self.site, pattern, self.raw_ids[patient_id])
        if needed and not path.exists():
            raise (
                self._packed(patient_id, pattern)
                if has_archive_beside(path)
                else self._absent(patient_id, f"'{pattern}'")
            )
        return path

    def _packed(self, patient_id: str, pattern: str) -> StudyError:
        return StudyError(
            f"{patient_id}: an archive (a zip file or its like) lies in place of '{pattern}'. Unpack it.",
            "missing file",
        )

    def _absent(self, patient_id: str, name: str) -> StudyError:
        return StudyError(
            f"{patient_id}: there is no {name} for this patient. Add the file, or correct the path pattern "
            f"of site '{self.site.name}' in the study file.",
            "missing file",
        )


def _hash(*parts: object) -> str:
    return content_hash(*map(repr, parts))


def _calibrated(image: sitk.Image, facts: dict, site: Site) -> tuple[sitk.Image, dict, list[str]]:
    """The image as another tube voltage would have given it, where the site has a calibration of its own."""
    way = site.kvp_calibration.get(facts.get("kvp"))
    if way is None:
        return image, facts, []
    scaled = sitk.Cast(image, sitk.sitkFloat64) * way.slope + way.intercept
    note = f"{facts['kvp']:g} kV calibrated to {way.to:g} kV: HU x {way.slope:g} {way.intercept:+g}"
    return whole_hu(scaled), facts | {"kvp_calibrated": way.to}, [note]


def whole_hu(image: sitk.Image) -> sitk.Image:
    """Image as 16-bit HU, rounded.

    PyRadiomics rounds resampled values to the image's own type: one type for all files makes the values
    independent of how an image was stored.
    """
    if image.GetPixelID() in (sitk.sitkUInt8, sitk.sitkInt8):
        raise StudyError(
            "the image has 8 bits a voxel, a windowed picture instead of Hounsfield units. "
            "Export the original CT."
        )
    if image.GetPixelID() == sitk.sitkInt16:
        return image
    if image.GetPixelID() in (sitk.sitkFloat32, sitk.sitkFloat64):
        image = sitk.Round(image)
    return sitk.Cast(sitk.Clamp(image, lowerBound=_HU_RANGE[0], upperBound=_HU_RANGE[1]), sitk.sitkInt16)
