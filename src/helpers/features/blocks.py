"""A case becomes a block: image and region at 1 mm around the region (paper 2.3)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import yaml
from pykwalify.errors import PyKwalifyException
from radiomics.featureextractor import RadiomicsFeatureExtractor

from helpers.errors import StudyError
from helpers.features.engine.region_grid import resample_around_region
from helpers.features.engine.resampling import resample_roi
from helpers.imaging.boxes import roi_box
from helpers.imaging.sources import Scan
from helpers.study.content_hash import content_hash

# Our own key of the extraction settings: what the resampled grid is laid down by. The first is PyRadiomics'.
GRID_KEY = "resampling_grid"
GRIDS = ("volume", "region")


def read_settings(path: Path) -> dict:
    """Read a PyRadiomics parameter file, which may state ``resampling_grid`` beside PyRadiomics' keys.

    Returns
    -------
    dict
        With the keys ``setting``, ``imageType``, ``featureClass`` and ``resampling_grid`` (of ``GRIDS``).

    Raises
    ------
    StudyError
        When the file is missing, breaks PyRadiomics' own schema, or asks for what this project cannot do.
    """
    if not path.is_file():
        raise StudyError(
            f"There are no extraction settings '{path.name}' (key 'extraction' of the study).", "setting"
        )
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        settings = {GRID_KEY: GRIDS[0]} | settings
        RadiomicsFeatureExtractor(of_pyradiomics(settings))
    except (yaml.YAMLError, PyKwalifyException, TypeError) as error:
        raise StudyError(
            f"'{path.name}' is no valid PyRadiomics parameter file: {' '.join(str(error).split())}",
            "setting",
        ) from None
    lacking = {"resampledPixelSpacing", "interpolator", "padDistance"} - set(settings.get("setting") or {})
    if lacking:
        raise StudyError(f"'{path.name}' must state {', '.join(sorted(lacking))} under 'setting'.", "setting")
    if settings["setting"].get("normalize"):
        raise StudyError(
            f"'{path.name}' asks to normalise, which would undo the meaning of HU: remove it.", "setting"
        )
    _check_grid(settings, path.name)
    return settings


def _check_grid(settings: dict, name: str) -> None:
    grid, interpolator = settings[GRID_KEY], settings["setting"]["interpolator"]
    if grid not in GRIDS:
        raise StudyError(
            f"'{name}': {GRID_KEY} is '{grid}'. Write {' or '.join(GRIDS)}, or leave it out for {GRIDS[0]}.",
            "setting",
        )
    if grid == "region" and interpolator != "sitkBSpline":
        raise StudyError(
            f"'{name}': {GRID_KEY}: region works with the interpolator sitkBSpline, not {interpolator}.",
            "setting",
        )


def of_pyradiomics(settings: dict) -> dict:
    """Settings without our own key, as PyRadiomics takes them."""
    return {key: value for key, value in settings.items() if key != GRID_KEY}


@dataclass(frozen=True)
class Block:
    """The resampled box around a patient's regions.

    Attributes
    ----------
    image : sitk.Image
        HU, 16-bit signed, at the settings' spacing (mm).
    layers : sitk.Image
        8-bit labels on the same grid, as in ``LAYERS``.
    """

    image: sitk.Image
    layers: sitk.Image

    @property
    def mask(self) -> sitk.Image:
        """All layers merged to one region with the label 1, as in the paper (one row a patient)."""
        return self.layers > 0

    def fingerprint(self) -> str:
        """SHA-256 of voxels and grid."""
        voxels = [sitk.GetArrayViewFromImage(volume).tobytes() for volume in (self.image, self.layers)]
        return content_hash(json.dumps(geometry(self.image)), *voxels)


def preprocess(scan: Scan, settings: dict) -> Block:
    """Resample the box around the regions: cubic B-spline for HU, nearest neighbour for labels.

    With ``resampling_grid: volume`` equal, bit by bit, to ``radiomics.imageoperations.resampleImage`` on the
    whole scan; with ``region`` equal for every part of the scan and every order of its axes.
    """
    setting = settings["setting"]
    box, pad = roi_box(scan.mask), setting["padDistance"]
    spacing = np.array(setting["resampledPixelSpacing"], dtype=float)
    if settings[GRID_KEY] == "region":
        return Block(*resample_around_region(scan.image, scan.mask, box, spacing, pad))
    interpolator = getattr(sitk, setting["interpolator"])
    return Block(*resample_roi(scan.image, scan.mask, box, spacing, interpolator, pad))


def geometry(image: sitk.Image) -> list[tuple[float, ...]]:
    """Spacing (mm), origin (mm) and direction of an image."""
    return [image.GetSpacing(), image.GetOrigin(), image.GetDirection()]
