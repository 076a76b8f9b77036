"""PyRadiomics' features, several times faster: its formulas, its settings, its values.

PyRadiomics bins each derived image six times and walks through it once per texture class. Here an image is
binned once, one compiled pass counts GLCM, GLRLM, GLDM and NGTDM together and a second one finds the zones of
GLSZM; the counts go through PyRadiomics' own formulas. The Laplacian of Gaussian and the shape's diameters,
the next largest costs, are compiled too. Whatever is not covered (other settings, NaN, ROIs of a few voxels)
is left to PyRadiomics itself, so that the features never depend on which way was taken.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
import SimpleITK as sitk
from numba import njit
from radiomics import cShape, imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor
from radiomics.firstorder import RadiomicsFirstOrder
from radiomics.glcm import RadiomicsGLCM
from radiomics.gldm import RadiomicsGLDM
from radiomics.glrlm import RadiomicsGLRLM
from radiomics.glszm import RadiomicsGLSZM
from radiomics.ngtdm import RadiomicsNGTDM
from radiomics.shape import RadiomicsShape

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


@njit(cache=True, nogil=True)
def _filter_row(lines, out, row, tap, step, weights, feedback):
    """Next row of a recursive filter: four inputs from `tap` backwards, the four outputs before `row`."""
    w0, w1, w2, w3 = weights
    d1, d2, d3, d4 = feedback
    for k in range(lines.shape[1]):
        seen = lines[tap, k] * w0 + lines[tap - step, k] * w1
        seen = seen + lines[tap - 2 * step, k] * w2 + lines[tap - 3 * step, k] * w3
        past = out[row - step, k] * d1 + out[row - 2 * step, k] * d2
        past = past + out[row - 3 * step, k] * d3 + out[row - 4 * step, k] * d4
        out[row, k] = seen - past


@njit(cache=True, nogil=True)
def recursive_gaussian(image, ahead, back, feedback):
    """Filter along the middle axis, forwards and backwards, 32 lines at a time.

    Parameters
    ----------
    image : (outer, length, inner) array
    ahead, back : (4,) float64
        Weights of the voxel and the three before it, and of the four behind it.
    feedback : (4,) float64
        Weights of the four outputs before.

    Returns
    -------
    (outer, length, inner) float32
        Rounded after each axis as ITK does: a voxel near a bin's edge must fall on the same side.
    """
    outer, length, inner = image.shape
    # Before its first and behind its last voxel a line goes on unchanged: the filter has settled there.
    settled = ahead.sum() / (1 + feedback.sum()), back.sum() / (1 + feedback.sum())
    lines, causal, anticausal = (
        np.zeros((length + 8, 32)),
        np.zeros((length + 8, 32)),
        np.zeros((length + 8, 32)),
    )
    result = np.empty(image.shape, np.float32)
    for plane in range(outer):
        for first in range(0, inner, 32):
            width = min(32, inner - first)
            for row in range(length + 8):
                for k in range(width):
                    lines[row, k] = image[plane, min(max(row - 4, 0), length - 1), first + k]
                    causal[row, k], anticausal[row, k] = (
                        lines[row, k] * settled[0],
                        lines[row, k] * settled[1],
                    )
            for row in range(4, length + 4):
                _filter_row(lines, causal, row, row, 1, ahead, feedback)
            for row in range(length + 3, 3, -1):
                _filter_row(lines, anticausal, row, row + 1, -1, back, feedback)
            for row in range(length):
                for k in range(width):
                    result[plane, row, first + k] = causal[row + 4, k] + anticausal[row + 4, k]
    return result


def gaussian_weights(sigma, spacing, derivative):
    """Weights of `recursive_gaussian` for a Gaussian or its second derivative.

    Two damped cosines approximate the Gaussian (Deriche 1993; constants of Farneback and Westin, 2006,
    "Improving Deriche-style recursive Gaussian filters", doi:10.1007/s10851-006-8464-z, as in ITK).

    Parameters
    ----------
    sigma, spacing : float
        mm.
    derivative : bool
        Second derivative, times sigma squared.

    Returns
    -------
    ahead, back, feedback : (4,) float64
    """
    poles = np.exp((np.array([-1.3932, -1.3732]) + 1j * np.array([0.6681, 2.0787])) * spacing / sigma)
    feedback = np.poly([*poles, *poles.conj()]).real
    k = np.arange(5)

    def numerator(amplitudes):
        response = (poles ** k[:4, None] * amplitudes).sum(1).real
        return np.convolve(response, feedback)[:4]

    def moments(weights):
        return weights.sum(), k[: weights.size] @ weights, k[: weights.size] ** 2 @ weights

    ahead = numerator([1.3530 - 1.8151j, -0.3531 - 0.0902j])
    d0, d1, d2 = moments(feedback)
    if derivative:
        second = numerator([-1.3563 - 5.2318j, 0.3446 + 2.2355j])
        ahead = second - (2 * second.sum() - d0 * second[0]) / (2 * ahead.sum() - d0 * ahead[0]) * ahead
        n0, n1, n2 = moments(ahead)
        ahead *= sigma**2 / ((n2 * d0**2 - d2 * n0 * d0 - 2 * n1 * d1 * d0 + 2 * d1**2 * n0) / d0**3)
    else:
        ahead /= 2 * ahead.sum() / d0 - ahead[0]
    back = np.append(ahead[1:], 0) - feedback[1:] * ahead[0]
    return ahead, back, feedback[1:]


def laplacian_of_gaussian(image, sigma):
    """Equal ITK's LaplacianRecursiveGaussian (normalised across scale) bit for bit.

    Parameters
    ----------
    image : SimpleITK image
        3D, at least 4 voxels along each axis.
    sigma : float
        mm.

    Returns
    -------
    SimpleITK image
        float32.
    """
    spacing = image.GetSpacing()
    smooth = [gaussian_weights(sigma, step, derivative=False) for step in spacing]
    curve = [gaussian_weights(sigma, step, derivative=True) for step in spacing]

    def along_first(volume, weights):
        return recursive_gaussian(volume.reshape(1, volume.shape[0], -1), *weights).reshape(volume.shape)

    def turn(volume):
        return np.ascontiguousarray(volume.transpose(2, 1, 0))

    zyx = sitk.GetArrayFromImage(image).astype(float)
    xyz = turn(zyx)
    # The filter works across the fastest axis, so x and z change places; ITK's order of the axes is kept.
    in_x = along_first(turn(recursive_gaussian(along_first(xyz, curve[0]), *smooth[1])), smooth[2])
    in_y = along_first(turn(along_first(recursive_gaussian(xyz, *curve[1]), smooth[0])), smooth[2])
    in_z = turn(recursive_gaussian(along_first(turn(along_first(zyx, curve[2])), smooth[0]), *smooth[1]))
    total = np.zeros(zyx.shape, np.float32)
    for part, step in zip((in_x, in_y, in_z), spacing, strict=True):
        total = (total + part.astype(float) * (1 / step**2)).astype(np.float32)
    result = sitk.GetImageFromArray(total)
    result.CopyInformation(image)
    return result


def log_images(image, mask, **settings):
    """Derive PyRadiomics' LoG images.

    Parameters
    ----------
    image, mask : SimpleITK image
    **settings
        PyRadiomics' settings; `sigma` is a list in mm.

    Yields
    ------
    (SimpleITK image, str, dict)
        Image, its name as PyRadiomics writes it, settings.
    """
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    # The Laplacian of a flat image is rounding noise, and the noise is ITK's own.
    covered = size.size == 3 and size.min() >= 4 and np.ptp(sitk.GetArrayViewFromImage(image)) > 0
    for sigma in settings.get("sigma", []):
        if covered and sigma > 0 and np.all(size >= np.ceil(sigma / spacing) + 1):
            name = f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
            yield laplacian_of_gaussian(image, sigma), name, settings
        else:  # PyRadiomics computes it, or says why not
            yield from imageoperations.getLoGImage(image, mask, **settings | {"sigma": [sigma]})


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


@njit(cache=True, nogil=True)
def widest(points, reach, plane):
    """Find the largest distance between two points of the same plane.

    Parameters
    ----------
    points : (n, 3) float64
        Plane by plane, those farthest from the centre first; mm.
    reach : (n,) float64
        Distance of each point to the centre, mm.
    plane : (n,) int64

    Returns
    -------
    float
        mm.
    """
    best, start = 0.0, 0
    for i in range(len(plane)):
        if plane[i] != plane[start]:
            start = i
        for j in range(start, i):
            if reach[i] + reach[j] <= best:
                break  # nor can any later one be far enough
            z, y, x = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1], points[i, 2] - points[j, 2]
            best = max(best, np.sqrt(z * z + y * y + x * x))
    return best


@lru_cache(maxsize=4)
def mesh_pieces(spacing):
    """Ask PyRadiomics what each of the 256 kinds of 2 x 2 x 2 voxels adds to area and volume of the mesh.

    Returns
    -------
    area, volume : (256,) float64
        mm2, and mm3 of the tetrahedra between the piece of mesh and the first voxel.
    shift : (256, 3) float64
        What `volume` gains for each voxel that the piece lies further along z, y, x.
    """

    def measure(*parts, axis=0):
        return np.array(cShape.calculate_coefficients(np.concatenate(parts, axis), np.array(spacing))[:2])

    area, volume, shift = np.zeros(256), np.zeros(256), np.zeros((256, 3))
    for kind in range(256):
        cube = np.array([kind >> bit & 1 for bit in range(8)], bool).reshape(2, 2, 2)
        area[kind], volume[kind] = measure(cube)
        for axis in range(3):
            before = cube.take([0], axis)  # a second cube before this one moves it by a voxel
            moved = measure(before, cube, axis=axis) - measure(before, before, axis=axis)
            shift[kind, axis] = moved[1] - volume[kind]
    return area, volume, shift


class Shape(RadiomicsShape):
    """Shape with the mesh summed from its pieces and the diameters found without comparing all vertices."""

    def _initSegmentBasedCalculation(self):
        self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
        self.maskArray = np.pad(sitk.GetArrayViewFromImage(self.inputMask) == self.label, 1)
        self.labelledVoxelCoordinates = np.nonzero(self.maskArray)
        self._measure_mesh()
        self._measure_diameters()
        positions = np.stack(self.labelledVoxelCoordinates, 1) * self.pixelSpacing
        positions -= positions.mean(0)
        eigenvalues = np.linalg.eigvalsh(positions.T @ positions / len(positions))
        # Flat ROIs: rounding may leave a tiny negative number.
        self.eigenValues = np.where((eigenvalues < 0) & (eigenvalues > -1e-10), 0, eigenvalues)

    def _measure_mesh(self):
        kind = np.zeros(np.subtract(self.maskArray.shape, 1), np.uint8)
        for bit, (z, y, x) in enumerate(np.ndindex(2, 2, 2)):
            corner = self.maskArray[z:, y:, x:][: kind.shape[0], : kind.shape[1], : kind.shape[2]]
            kind |= corner.view(np.uint8) << np.uint8(bit)
        area, volume, shift = mesh_pieces(tuple(self.pixelSpacing))
        where = np.argwhere(area[kind] > 0)
        kinds = kind[tuple(where.T)]
        self.SurfaceArea = area[kinds].sum()
        self.Volume = volume[kinds].sum() + (where * shift[kinds]).sum()

    def _measure_diameters(self):
        vertices = []  # of the mesh: between a voxel of the ROI and a face neighbour outside; in half voxels
        for axis in range(3):
            faces = 2 * np.argwhere(np.diff(self.maskArray, axis=axis))
            faces[:, axis] += 1
            vertices.append(faces)
        vertices = np.concatenate(vertices)
        self.diameters = [self._diameter(vertices, axis) for axis in (0, 1, 2, None)]

    def _diameter(self, vertices, axis):
        points = (vertices - vertices.mean(0)) * (self.pixelSpacing / 2)
        plane = np.zeros(len(vertices), int)
        if axis is not None:
            points[:, axis], plane = 0, vertices[:, axis]
        reach = np.linalg.norm(points, axis=1)
        order = np.lexsort((-reach, plane))
        return widest(points[order], reach[order], plane[order])


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
