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
from helpers.features.engine.resampling import resample_roi
from helpers.imaging.boxes import roi_box
from helpers.imaging.sources import Scan
from helpers.study.content_hash import content_hash


def read_settings(path: Path) -> dict:
    """Read a PyRadiomics parameter file.

    Returns
    -------
    dict
        With the keys ``setting``, ``imageType`` and ``featureClass``.

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
        RadiomicsFeatureExtractor(settings)
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
    return settings


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

    Equal, bit by bit, to ``radiomics.imageoperations.resampleImage`` on the whole scan.
    """
    setting = settings["setting"]
    image, layers = resample_roi(
        scan.image,
        scan.mask,
        roi_box(scan.mask),
        np.array(setting["resampledPixelSpacing"], dtype=float),
        getattr(sitk, setting["interpolator"]),
        setting["padDistance"],
    )
    return Block(image, layers)


def geometry(image: sitk.Image) -> list[tuple[float, ...]]:
    """Spacing (mm), origin (mm) and direction of an image."""
    return [image.GetSpacing(), image.GetOrigin(), image.GetDirection()]
