"""PyRadiomics' features, many times faster: its formulas, its settings, its values.

PyRadiomics bins each derived image six times and walks through it once per texture class. Here the region is
looked at once for all images, each image is binned once and counted in compiled passes, and compiled formulas
on shared sums make features of the counts. The Laplacian of Gaussian, wavelets and the shape's diameters, the
next largest costs, are compiled too. Whatever is not covered (other settings, NaN, ROIs of a few voxels or of
one value) is left to PyRadiomics itself, so that the features never depend on which way was taken.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
import SimpleITK as sitk
from radiomics import getFeatureClasses, imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor

from helpers.features.engine import counts, first_order, formulas
from helpers.features.engine.counts import Region
from helpers.features.engine.derived import derived_images
from helpers.features.engine.gradient import gradient_images
from helpers.features.engine.laplacian import log_images
from helpers.features.engine.mesh import Shape
from helpers.features.engine.wavelet import wavelet_images

# What the compiled passes compute; any other value sends the image to PyRadiomics' own classes.
COVERED = {
    "distances": [1],
    "force2D": False,
    "gldm_a": 0,
    "symmetricalGLCM": True,
    "voxelBased": False,
    "weightingNorm": None,
}
# Filters that are computed in the region's window alone.
_WINDOW_FILTERS = {"Gradient": gradient_images, "LoG": log_images, "Wavelet": wavelet_images}


@dataclass
class BinnedROI:
    """One derived image inside the ROI, binned once for all feature classes; a method makes each class.

    Attributes
    ----------
    region : Region
    values : (n,) float64
        Intensities of the ROI's voxels.
    levels : (levels,) float64
        Grey levels present, ascending.
    frequency : (levels,) int64
        How many voxels have each.
    ranks : (voxels of the region's larger box,) uint32
        Rank of each voxel's grey level, from 1; 0 outside the ROI.
    shift : float
        PyRadiomics' ``voxelArrayShift``.
    """

    region: Region
    values: np.ndarray
    levels: np.ndarray
    frequency: np.ndarray
    ranks: np.ndarray
    shift: float

    @classmethod
    def of(cls, image: np.ndarray, region: Region, settings: dict) -> BinnedROI | None:
        """Bin an image (z, y, x; cut to the region's window) with PyRadiomics' bin edges.

        None where the passes and formulas do not cover what PyRadiomics does.
        """
        if any(settings.get(key, value) != value for key, value in COVERED.items()):
            return None
        values = region.values(image)
        low, high = values.min(), values.max()
        # The moments of a flat region are rounding noise, and the noise is PyRadiomics' own.
        if np.isnan(low) or low == high:
            return None
        # Edges of fixed width depend on the extremes alone, and PyRadiomics finds those in a Python loop.
        ends = values if settings.get("binCount") else np.array([low, high])
        edges = np.asarray(imageoperations.getBinEdges(ends, **settings), float)
        values = values.astype(float)
        bins, frequency = counts.bin_values(values, edges)
        levels = np.flatnonzero(frequency)
        ranks = region.box(np.cumsum(frequency > 0, dtype=np.uint32)[bins])
        shift = settings.get("voxelArrayShift", 0)
        roi = cls(region, values, levels.astype(float), frequency[levels], ranks, float(shift))
        # PyRadiomics drops angles along which no two voxels lie: ROIs so small that it is quick itself.
        return roi if roi._pairs_and_runs[0].any((1, 2)).all() else None

    @cached_property
    def _pairs_and_runs(self) -> tuple[np.ndarray, np.ndarray]:
        longest = max(self.region.shape) - 2
        pairs, runs = counts.count_pairs_and_runs(
            self.ranks, self.region.voxels, self.region.steps, self.levels.size, longest
        )
        return pairs[:, 1:, 1:], runs[:, 1:, 1:]

    def firstorder(self) -> np.ndarray:
        """As named in ``first_order.FIRSTORDER``."""
        voxel_mm3 = float(np.prod(self.region.spacing))
        return first_order.first_order(self.values, self.frequency, voxel_mm3, self.shift)

    def glcm(self) -> np.ndarray:
        """As named in ``formulas.GLCM``."""
        return formulas.glcm(self._pairs_and_runs[0], self.levels)

    def glrlm(self) -> np.ndarray:
        """As named in ``formulas.GLRLM``."""
        return formulas.glrlm(self._pairs_and_runs[1], self.levels)

    def glszm(self) -> np.ndarray:
        """As named in ``formulas.GLSZM``."""
        zones = counts.find_zones(self.ranks, self.region.voxels, self.region.steps)
        zones, sizes = counts.count_zones(*zones, self.levels.size)
        return formulas.glszm(zones, self.levels, sizes)

    def gldm(self) -> np.ndarray:
        """As named in ``formulas.GLDM``."""
        voxels, rows, steps = self.region.voxels, self.region.rows, self.region.steps
        dependences = counts.count_dependences(self.ranks, voxels, rows, steps, self.levels.size)
        return formulas.gldm(dependences[1:], self.levels)

    def ngtdm(self) -> np.ndarray:
        """As named in ``formulas.NGTDM``."""
        levels, region = np.append(0.0, self.levels), self.region
        sums = counts.neighbourhood_sums(levels[self.ranks].reshape(region.shape)).ravel()
        differences = counts.sum_differences(self.ranks, region.voxels, levels, sums, region.neighbours)
        return formulas.ngtdm(self.frequency, differences[1:], self.levels)


# The features of each class, as its method in BinnedROI orders them.
FEATURES = {
    "firstorder": first_order.FIRSTORDER,
    "glcm": formulas.GLCM,
    "glrlm": formulas.GLRLM,
    "glszm": formulas.GLSZM,
    "gldm": formulas.GLDM,
    "ngtdm": formulas.NGTDM,
}


@cache
def _default_features(feature_class: str) -> list[str]:
    """What PyRadiomics computes of a class when nothing is chosen, in its order."""
    names = getFeatureClasses()[feature_class].getFeatureNames()
    return [name for name, deprecated in names.items() if not deprecated]


class FastExtractor(RadiomicsFeatureExtractor):
    """PyRadiomics' extractor, faster: the same settings, features, names and order.

    Settings that the compiled passes do not cover are computed by PyRadiomics' own classes, not refused: then
    every settings file of PyRadiomics works and gives PyRadiomics' values, only slower.
    """

    def execute(self, imageFilepath, maskFilepath, label=None, label_channel=None, voxelBased=False):
        """Extract all enabled features, see PyRadiomics."""
        settings = self.settings
        if voxelBased or settings.get("additionalInfo") or settings.get("resegmentRange") is not None:
            return super().execute(imageFilepath, maskFilepath, label, label_channel, voxelBased)
        self._setTolerance()
        settings = settings | {"label": settings.get("label", 1) if label is None else label}
        settings |= {} if label_channel is None else {"label_channel": label_channel}
        image, mask = self.loadImage(imageFilepath, maskFilepath, None, **settings)
        box, mask = _checked(image, mask, settings)
        features = self.computeShape(image, mask, box, **settings)
        window = tuple(slice(a, b + 1) for a, b in zip(box[::2], box[1::2], strict=True))[::-1]
        roi = mask[window[::-1]]
        region = _region(roi, window, settings["label"])
        for kind, custom in self.enabledImagetypes.items():
            for derived, name, own in _derived(kind, image, mask, window, settings | custom):
                found = self._compiled(derived, region, name, own)
                if found is None:
                    found = super().computeFeatures(_like(derived, roi), roi, name, **own)
                features.update(found)
        return features

    def computeShape(self, image, mask, boundingBox, **settings):
        """Compute the shape features, see PyRadiomics."""
        if "shape" not in self.enabledFeatures or mask.GetDimension() != 3 or settings.get("force2D"):
            return super().computeShape(image, mask, boundingBox, **settings)
        calculator = Shape(*imageoperations.cropToTumorMask(image, mask, boundingBox), **settings)
        for feature in self.enabledFeatures["shape"] or []:
            calculator.enableFeatureByName(feature)
        return OrderedDict((f"original_shape_{name}", value) for name, value in calculator.execute().items())

    def computeFeatures(self, image, mask, imageTypeName, **settings):
        """Compute the features of one derived image, see PyRadiomics."""
        region = _region(mask, (slice(None),) * mask.GetDimension(), settings.get("label", 1))
        found = self._compiled(sitk.GetArrayViewFromImage(image), region, imageTypeName, settings)
        return super().computeFeatures(image, mask, imageTypeName, **settings) if found is None else found

    def _compiled(
        self, image: np.ndarray, region: Region | None, image_type: str, settings: dict
    ) -> OrderedDict | None:
        """Features of an image (z, y, x; cut to the region's window); None where PyRadiomics must do it."""
        wanted = {
            name: chosen or _default_features(name)
            for name, chosen in self.enabledFeatures.items()
            if name in FEATURES
        }
        if region is None or any(set(chosen) - set(FEATURES[name]) for name, chosen in wanted.items()):
            return None
        roi = BinnedROI.of(image, region, settings)
        if roi is None:
            return None
        features = OrderedDict()
        for name, chosen in wanted.items():
            values = dict(zip(FEATURES[name], getattr(roi, name)().tolist(), strict=True))
            features.update((f"{image_type}_{name}_{feature}", values[feature]) for feature in chosen)
        return features


def _checked(image: sitk.Image, mask: sitk.Image, settings: dict) -> tuple[np.ndarray, sitk.Image]:
    """The ROI's box as PyRadiomics' checkMask gives it, and the mask, which it may have put right.

    A plain mask on the very grid of its image is looked at here, in a tenth of the time. Of all others
    PyRadiomics says in its own words what is wrong.
    """
    alike = all(
        getattr(image, of)() == getattr(mask, of)()
        for of in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")
    )
    if alike and image.GetDimension() == 3 and settings.get("minimumROISize") is None:
        inside = sitk.GetArrayViewFromImage(mask) == settings["label"]
        occupied = [np.flatnonzero(inside.any(axes)) for axes in ((0, 1), (0, 2), (1, 2))]
        if sum(places.size > 1 for places in occupied) >= max(settings.get("minimumROIDimensions", 2), 1):
            return np.array([end for places in occupied for end in (places[0], places[-1])]), mask
    box, corrected = imageoperations.checkMask(image, mask, **settings)
    return box, mask if corrected is None else corrected


def _region(roi: sitk.Image, window: tuple[slice, ...], label: int) -> Region | None:
    """The ROI of a mask that is cut to its box ``window`` (z, y, x); None of a flat picture's."""
    if roi.GetDimension() != 3:
        return None
    return Region.of(sitk.GetArrayViewFromImage(roi) == label, window, roi.GetSpacing())


def _derived(
    kind: str, image: sitk.Image, mask: sitk.Image, window: tuple[slice, ...], settings: dict
) -> Iterator[tuple[np.ndarray, str, dict]]:
    """Images that PyRadiomics derives, cut to ``window`` (z, y, x), with their names and settings."""
    derive = _WINDOW_FILTERS.get(kind, partial(derived_images, kind))
    return derive(image, mask, window, **settings)


def _like(derived: np.ndarray, roi: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(derived)
    image.CopyInformation(roi)
    return image
