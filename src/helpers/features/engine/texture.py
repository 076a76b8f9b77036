"""PyRadiomics' features, several times faster: its formulas, its settings, its values.

PyRadiomics bins each derived image six times and walks through it once per texture class. Here an image is
binned once, one compiled pass counts GLCM, GLRLM, GLDM and NGTDM together and a second one finds the zones of
GLSZM; the counts go through PyRadiomics' own formulas. The Laplacian of Gaussian and the shape's diameters,
the next largest costs, are compiled too. Whatever is not covered (other settings, NaN, ROIs of a few voxels)
is left to PyRadiomics itself, so that the features never depend on which way was taken.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import SimpleITK as sitk
from numba import njit
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor
from radiomics.firstorder import RadiomicsFirstOrder
from radiomics.glcm import RadiomicsGLCM
from radiomics.gldm import RadiomicsGLDM
from radiomics.glrlm import RadiomicsGLRLM
from radiomics.glszm import RadiomicsGLSZM
from radiomics.ngtdm import RadiomicsNGTDM

from helpers.features.engine.laplacian import log_images
from helpers.features.engine.mesh import Shape

# One of each two opposite neighbours (z, y, x): 13 angles.
ANGLES = np.array([(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)][14:])
# What the compiled passes compute; any other value sends the image to PyRadiomics' own classes.
COVERED = {
    "distances": [1],
    "force2D": False,
    "gldm_a": 0,
    "symmetricalGLCM": True,
    "voxelBased": False,
    "weightingNorm": None,
}


@njit(cache=True, nogil=True)
def count_neighbours(ranks, voxels, steps, levels, longest):
    """Count co-occurrences, runs, dependences and neighbourhood differences in one pass.

    Parameters
    ----------
    ranks : (voxels of the padded box,) int32
        Rank of each voxel's grey level among those present, from 1; 0 outside the ROI.
    voxels : (n,) int64
        Where the ROI is in `ranks`.
    steps : (13,) int64
        Distance in `ranks` to the next voxel along each angle.
    levels : (levels + 1,) float64
        Grey level of each rank.
    longest : int
        Longest possible run, voxels.

    Returns
    -------
    glcm : (13, levels + 1, levels + 1) int32
        Row and column 0 are pairs that leave the ROI.
    glrlm : (13, levels + 1, longest + 1) int32
    gldm : (levels + 1, 27) int32
    ngtdm : (levels + 1,) float64
        Sum of the differences of each grey level's voxels to the mean of their neighbours.
    """
    size = levels.size
    glcm = np.zeros((steps.size, size, size), np.int32)
    glrlm = np.zeros((steps.size, size, longest + 1), np.int32)
    gldm = np.zeros((size, 27), np.int32)
    ngtdm = np.zeros(size)
    run = np.zeros((steps.size, ranks.size), np.int16)  # length so far of the run that each voxel is in
    for voxel in voxels:
        rank = ranks[voxel]
        same, neighbours, total = 0, 0, 0.0
        for angle, step in enumerate(steps):
            after, before = ranks[voxel + step], ranks[voxel - step]
            glcm[angle, rank, after] += 1
            same += (after == rank) + (before == rank)
            neighbours += (after > 0) + (before > 0)
            total += levels[after] + levels[before]
            # Steps lead forward, so the voxel before is done; sums instead of branches are twice as fast.
            length = run[angle, voxel - step] * (before == rank) + 1
            run[angle, voxel] = length
            glrlm[angle, rank, length] += after != rank
        gldm[rank, same] += 1
        if neighbours > 0:
            ngtdm[rank] += abs(levels[rank] - total / neighbours)
    return glcm, glrlm, gldm, ngtdm


@njit(cache=True, nogil=True)
def find_zones(ranks, voxels, steps):
    """Find the 26-connected zones of equal grey level by flood fill.

    Parameters
    ----------
    ranks, voxels, steps
        As in `count_neighbours`.

    Returns
    -------
    rank, size : (zones,) int64
        Grey-level rank and number of voxels of each zone.
    """
    unseen = ranks.copy()
    stack = np.empty(voxels.size, np.int64)
    zone_rank = np.empty(voxels.size, np.int64)
    zone_size = np.empty(voxels.size, np.int64)
    zones = 0
    for seed in voxels:
        rank = unseen[seed]
        if rank == 0:
            continue
        unseen[seed], stack[0] = 0, seed
        waiting, size = 1, 0
        while waiting > 0:
            waiting -= 1
            voxel = stack[waiting]
            size += 1
            for step in steps:
                for other in (voxel + step, voxel - step):
                    if unseen[other] == rank:
                        unseen[other] = 0
                        stack[waiting] = other
                        waiting += 1
        zone_rank[zones], zone_size[zones] = rank, size
        zones += 1
    return zone_rank[:zones], zone_size[:zones]


@dataclass
class BinnedROI:
    """One derived image inside the ROI, binned once for all feature classes.

    Attributes
    ----------
    values : (n,) array
        Intensities of the ROI's voxels.
    inside : (z, y, x) bool array
        The ROI in its bounding box.
    spacing : tuple of float
        x, y, z, mm.
    grey_levels, frequency : (levels,) int array
        Grey levels present, ascending, and how many voxels have each.
    ranks : (n,) int array
        Index of each voxel's grey level in `grey_levels`.
    """

    values: np.ndarray
    inside: np.ndarray
    spacing: tuple
    grey_levels: np.ndarray
    frequency: np.ndarray
    ranks: np.ndarray

    @classmethod
    def of(cls, image, mask, settings):
        """Bin `image` inside `mask` (both cropped to the ROI) with PyRadiomics' bin edges.

        None where the counts below do not cover what PyRadiomics does.
        """
        covered = all(settings.get(key, value) == value for key, value in COVERED.items())
        if image.GetDimension() != 3 or not covered:
            return None
        inside = sitk.GetArrayViewFromImage(mask) == settings.get("label", 1)
        values = sitk.GetArrayViewFromImage(image)[inside]
        if np.isnan(values).any():
            return None
        # Edges of fixed width depend on the extremes alone, and PyRadiomics finds those in a Python loop.
        ends = values if settings.get("binCount") else np.array([values.min(), values.max()])
        binned = np.digitize(values, imageoperations.getBinEdges(ends, **settings))
        frequency = np.bincount(binned)
        levels = np.flatnonzero(frequency)
        ranks = (np.cumsum(frequency > 0) - 1)[binned]
        roi = cls(values, inside, image.GetSpacing(), levels, frequency[levels], ranks)
        # PyRadiomics drops angles along which no two voxels lie: ROIs so small that it is quick itself.
        return roi if roi.neighbour_counts[0][:, 1:, 1:].any((1, 2)).all() else None

    @cached_property
    def _flat(self):
        box = np.zeros(np.add(self.inside.shape, 2), np.int32)
        box[1:-1, 1:-1, 1:-1][self.inside] = self.ranks + 1
        return box.ravel(), np.flatnonzero(box), ANGLES @ (np.array(box.strides) // box.itemsize)

    @cached_property
    def neighbour_counts(self):
        """GLCM, GLRLM, GLDM and NGTDM, see `count_neighbours`."""
        return count_neighbours(*self._flat, np.append(0.0, self.grey_levels), max(self.inside.shape))

    @cached_property
    def zones(self):
        """Grey-level rank and size of each zone, see `find_zones`."""
        return find_zones(*self._flat)


class _FromROI:
    """A PyRadiomics feature class that is given a `BinnedROI` in place of image and mask."""

    def __init__(self, roi, **settings):
        self.roi, self.settings, self.logger = roi, settings, imageoperations.logger
        self.voxelBased, self.symmetricalGLCM = False, True
        self.coefficients = {"grayLevels": roi.grey_levels, "Ng": int(roi.grey_levels[-1])}
        self.enabledFeatures, self.featureValues = {}, {}
        self.featureNames = self.getFeatureNames()

    @classmethod
    @cache
    def getFeatureNames(cls):
        """Look the names up once for each class, not once for each image."""
        return super().getFeatureNames()


class GLCM(_FromROI, RadiomicsGLCM):
    """Co-occurrence of grey levels, symmetric, 13 angles."""

    def _calculateMatrix(self, voxelCoordinates=None):
        pairs = self.roi.neighbour_counts[0][:, 1:, 1:]
        pairs = np.ascontiguousarray((pairs + pairs.transpose(0, 2, 1)).transpose(1, 2, 0), float)[None]
        return pairs / pairs.sum((1, 2))

    def _cluster(self, power):
        """Moment of the sum of two grey levels: a sum over their sums, not over all pairs."""
        known = self.coefficients
        deviation = known["kValuesSum"][:, None] - (known["ux"] + known["uy"])[0, 0]
        return np.nanmean((known["pxAddy"] * deviation**power).sum(1), 1)

    def getClusterTendencyFeatureValue(self):
        """Variance of the sum of two neighbours' grey levels."""
        return self._cluster(2)

    def getClusterShadeFeatureValue(self):
        """Third moment of the sum of two neighbours' grey levels."""
        return self._cluster(3)

    def getClusterProminenceFeatureValue(self):
        """Fourth moment of the sum of two neighbours' grey levels."""
        return self._cluster(4)

    def getMCCFeatureValue(self):
        """Maximal correlation coefficient: PyRadiomics' Q by one product of matrices for each angle."""
        pairs, px, py = (
            a[0].transpose(2, 0, 1) for a in (self.P_glcm, *map(self.coefficients.get, ("px", "py")))
        )
        if pairs.shape[1] < 2:
            return 1  # flat region, as in PyRadiomics
        q = (pairs / (px * py + self.coefficients["eps"])) @ pairs.transpose(0, 2, 1)
        return np.nanmean(np.sqrt(np.sort(np.linalg.eigvals(q))[:, -2]), keepdims=True).real


class GLRLM(_FromROI, RadiomicsGLRLM):
    """Runs of equal grey level, 13 angles."""

    def _calculateMatrix(self, voxelCoordinates=None):
        runs = np.ascontiguousarray(self.roi.neighbour_counts[1][:, 1:, 1:].transpose(1, 2, 0), float)[None]
        self.coefficients["Nr"] = runs.sum((1, 2))
        return runs


class GLDM(_FromROI, RadiomicsGLDM):
    """Neighbours of equal grey level."""

    def _calculateMatrix(self, voxelCoordinates=None):
        counts = self.roi.neighbour_counts[2][1:].astype(float)[None]
        present = np.flatnonzero(counts.any((0, 1)))
        counts = counts[:, :, present]
        self.coefficients |= {"Nz": counts.sum((1, 2)), "pd": counts.sum(1), "pg": counts.sum(2)}
        self.coefficients |= {"ivector": self.roi.grey_levels.astype(float), "jvector": present + 1.0}
        return counts


class NGTDM(_FromROI, RadiomicsNGTDM):
    """Difference of each voxel to the mean of its neighbours."""

    def _calculateMatrix(self, voxelCoordinates=None):
        roi = self.roi
        columns = roi.frequency, roi.neighbour_counts[3][1:], roi.grey_levels
        return np.stack(columns, 1)[None].astype(float)


class GLSZM(_FromROI, RadiomicsGLSZM):
    """Zones of equal grey level."""

    def _initCalculation(self, voxelCoordinates=None):
        rank, size = self.roi.zones
        # Columns for the sizes present only: a zone may be thousands of voxels large.
        sizes, column = np.unique(size, return_inverse=True)
        shape = self.roi.grey_levels.size, sizes.size
        counts = np.bincount((rank - 1) * sizes.size + column, minlength=shape[0] * shape[1])
        self.P_glszm = counts.reshape(1, *shape).astype(float)
        self.coefficients |= {"Np": np.array([float(size.sum())]), "Nz": np.array([float(size.size)])}
        self.coefficients |= {"ps": self.P_glszm.sum(1), "pg": self.P_glszm.sum(2)}
        self.coefficients |= {"ivector": self.roi.grey_levels.astype(float), "jvector": sizes.astype(float)}


class FirstOrder(_FromROI, RadiomicsFirstOrder):
    """First-order statistics: percentiles found together, moments by multiplication."""

    def _initCalculation(self, voxelCoordinates=None):
        self.voxelArrayShift, self.pixelSpacing = self.settings.get("voxelArrayShift", 0), self.roi.spacing
        values = self.roi.values.astype(float)
        self.targetVoxelArray = values[None]
        self._p10, self._p25, self._p50, self._p75, self._p90 = np.percentile(values, [10, 25, 50, 75, 90])
        self.coefficients["p_i"] = self.roi.frequency[None] / values.size

    @staticmethod
    def _moment(a, moment=1):
        deviation = a - a.mean(1, keepdims=True)
        rest = {2: 1, 3: deviation, 4: deviation * deviation}[moment]
        return (deviation * deviation * rest).mean(1)

    def get10PercentileFeatureValue(self):
        """10th percentile."""
        return np.array([self._p10])

    def get90PercentileFeatureValue(self):
        """90th percentile."""
        return np.array([self._p90])

    def getMedianFeatureValue(self):
        """Median."""
        return np.array([self._p50])

    def getInterquartileRangeFeatureValue(self):
        """75th minus 25th percentile."""
        return np.array([self._p75 - self._p25])

    def getRobustMeanAbsoluteDeviationFeatureValue(self):
        """Mean absolute deviation of what lies between the 10th and 90th percentile."""
        values = self.targetVoxelArray[0]
        values = values[(values >= self._p10) & (values <= self._p90)]
        return np.array([np.abs(values - values.mean()).mean()])


FEATURE_CLASSES = {
    "firstorder": FirstOrder,
    "glcm": GLCM,
    "gldm": GLDM,
    "glrlm": GLRLM,
    "glszm": GLSZM,
    "ngtdm": NGTDM,
}


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
        box, corrected = imageoperations.checkMask(image, mask, **settings)
        mask = mask if corrected is None else corrected
        features = self.computeShape(image, mask, box, **settings)
        start, size = box[::2].tolist(), (box[1::2] - box[::2] + 1).tolist()
        roi = sitk.RegionOfInterest(mask, size, start)
        for kind, custom in self.enabledImagetypes.items():
            derive = log_images if kind == "LoG" else getattr(imageoperations, f"get{kind}Image")
            for derived, name, own in derive(image, mask, **settings | custom):
                cropped = sitk.RegionOfInterest(derived, size, start)
                features.update(self.computeFeatures(cropped, roi, name, **own))
        return features

    def computeShape(self, image, mask, boundingBox, **settings):
        """Compute the shape features, see PyRadiomics."""
        if "shape" not in self.enabledFeatures or mask.GetDimension() != 3 or settings.get("force2D"):
            return super().computeShape(image, mask, boundingBox, **settings)
        cropped = imageoperations.cropToTumorMask(image, mask, boundingBox)
        return self._values(Shape(*cropped, **settings), "original", "shape")

    def computeFeatures(self, image, mask, imageTypeName, **settings):
        """Compute the features of one derived image, see PyRadiomics."""
        roi = BinnedROI.of(image, mask, settings)
        if roi is None:
            return super().computeFeatures(image, mask, imageTypeName, **settings)
        features = OrderedDict()
        for name in self.enabledFeatures:
            if name in FEATURE_CLASSES:
                features.update(self._values(FEATURE_CLASSES[name](roi, **settings), imageTypeName, name))
        return features

    def _values(self, calculator, image_type, name):
        for feature in self.enabledFeatures[name] or []:
            calculator.enableFeatureByName(feature)
        values = calculator.execute()
        return OrderedDict((f"{image_type}_{name}_{key}", value) for key, value in values.items())
