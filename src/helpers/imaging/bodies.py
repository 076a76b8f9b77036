"""Whole bodies of T12 and L1 from a point in each, or a reason why not: never a guess that looks right."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from helpers.errors import StudyError, naming
from helpers.imaging.body_surface import BodySurface, find_surface
from helpers.imaging.regions import VERTEBRAE
from helpers.imaging.surroundings import LEAST_SHELL_HU
from helpers.study.sites import Vertebra

Points = dict[Vertebra, np.ndarray]
# Points of T12 and L1 lie this far apart (mm): centres do, 20 to 50, and each may be 5 off.
_APART_MM = (15.0, 60.0)
# HU around a point in cancellous bone, fatty or dense: median in a ball of that radius.
_BALL_MM, _BONE_HU = 4.0, (-60.0, 500.0)
# Share of the rays that end at a shell, but for the back, where pedicles and the vein open it. Right ones
# have 0.95 and more, points in discs, muscles, the canal or a pedicle 0.7 and less.
LEAST_CLOSED = 0.80
# Share of the rays that must end inside the image.
_LEAST_KNOWN = 0.98
# Half widths to the left and right, and before and behind the middle, differ by less than this share.
MOST_ASKEW = 0.25
# Width, depth, height of the cancellous part (mm): bodies of T12 and L1 less the shell (Panjabi 1991, 1992).
SIZES_MM = {"width": (24.0, 54.0), "depth": (18.0, 44.0), "height": (10.0, 34.0)}
# From the inner side of an end plate to the disc (mm), as CT shows it: thirds are those of the whole body.
_SHELL_MM = 1.0
# Vertebrae of one patient differ in each by less than this factor.
_RATIO = 1.45
# The entry of the basivertebral vein: half width, depth from the posterior wall, and half height, as shares
# of the body's width, depth and height.
_VEIN = np.array([0.15, 0.27, 0.22])


def layers_around(image: sitk.Image, points: Points, margin_mm: float) -> sitk.Image:
    """Find the bodies around points, and their layers.

    Parameters
    ----------
    image : sitk.Image
        HU.
    points : dict
        One or two of T12 and L1: a point near the middle of the body (mm, LPS).
    margin_mm : float
        What is left between the region and the inner side of cortex and end plates (mm).

    Returns
    -------
    sitk.Image
        8 bits on the same grid, labels 1 to 6 as in ``regions.LAYERS``: cancellous bone without the entry of
        the basivertebral vein, cut in thirds of the body's height along the spine (through both centres).

    Raises
    ------
    StudyError
        As `bodies_around`, or when nothing is left of a layer.
    """
    return layers_of(image, bodies_around(image, points), margin_mm)


def bodies_around(image: sitk.Image, points: Points) -> dict[Vertebra, BodySurface]:
    """Find the bodies around points, as `layers_around` does.

    Raises
    ------
    StudyError
        When a point lies outside the image or not in a body, where no closed cortex is found, or when the
        shape cannot be T12's or L1's.
    """
    _check_points(image, points)
    surfaces = {}
    for vertebra, point in points.items():
        with naming(vertebra, "mask"):
            _check_bone(image, point)
            surfaces[vertebra] = find_surface(image, point, _along_spine(points))
            _check_surface(surfaces[vertebra])
    _check_pair(surfaces)
    return surfaces


def layers_of(image: sitk.Image, surfaces: dict[Vertebra, BodySurface], margin_mm: float) -> sitk.Image:
    """The layers in bodies that were found, as `layers_around` says."""
    upwards = _along_spine({vertebra: surface.frame.centre for vertebra, surface in surfaces.items()})
    drawn = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    for vertebra, surface in surfaces.items():
        with naming(vertebra, "mask"):
            _fill(drawn, image, surface, margin_mm, upwards, VERTEBRAE[vertebra])
    layers = sitk.GetImageFromArray(drawn)
    layers.CopyInformation(image)
    return layers


def _along_spine(points: Points) -> np.ndarray:
    if len(points) < 2:
        return np.array([0.0, 0.0, 1.0])
    upwards = points["T12"] - points["L1"]
    return upwards / np.linalg.norm(upwards)


def _check_points(image: sitk.Image, points: Points) -> None:
    for vertebra, point in points.items():
        if not _within(image, point):
            turned = _within(image, point * [-1, -1, 1])
            remedy = (
                "It would lie inside with the first two coordinates' signs changed: they are RAS, not LPS. "
                "Say so in the file."
                if turned
                else "Was it set on another image?"
            )
            raise StudyError(f"the point of {vertebra} lies outside the image. {remedy}", "mask")
    if len(points) == 2:
        apart = points["T12"] - points["L1"]
        length = float(np.linalg.norm(apart))
        if apart[2] <= 0:
            raise StudyError("the point of T12 lies below that of L1. Exchange their names.", "mask")
        if not _APART_MM[0] <= length <= _APART_MM[1]:
            raise StudyError(
                f"the points of T12 and L1 lie {length:.0f} mm apart (centres of neighbours: 20 to 50). Set "
                "both again.",
                "mask",
            )


def _within(image: sitk.Image, point: np.ndarray) -> bool:
    index = np.array(image.TransformPhysicalPointToContinuousIndex(np.asarray(point).tolist()))
    return bool(((index >= -0.5) & (index <= np.array(image.GetSize()) - 0.5)).all())


def _check_bone(image: sitk.Image, point: np.ndarray) -> None:
    around = np.mgrid[-1:1:5j, -1:1:5j, -1:1:5j].reshape(3, -1).T
    around = _BALL_MM * around[np.linalg.norm(around, axis=1) <= 1] + point
    inside = [place for place in around.tolist() if _within(image, np.array(place))]
    hu = np.median([image[image.TransformPhysicalPointToIndex(place)] for place in inside])
    if not _BONE_HU[0] <= hu <= _BONE_HU[1]:
        raise StudyError(
            f"around the point HU are {hu:.0f}, not those of cancellous bone. Set it in the middle of the "
            "body.",
            "mask",
        )


def _check_surface(surface: BodySurface) -> None:
    if surface.known.mean() < _LEAST_KNOWN:
        raise StudyError("the body reaches beyond the edge of the scan. Leave the vertebra out.", "image")
    closed = closure(surface)
    if closed < LEAST_CLOSED:
        raise StudyError(
            f"no closed cortex is found around the point ({100 * closed:.0f} % of it). Set the point in the "
            "middle of the body, or draw the region.",
            "mask",
        )
    for size, half, (low, high) in zip(SIZES_MM, surface.frame.half, SIZES_MM.values(), strict=True):
        if not low <= 2 * half <= high:
            raise StudyError(
                f"what is found around the point has a {size} of {2 * half:.0f} mm (usual {low:g} to "
                f"{high:g}). Set the point in the middle of the body, or draw the region.",
                "mask",
            )
    askew = asymmetry(surface)
    if askew > MOST_ASKEW:
        raise StudyError(
            f"what is found around the point is {100 * askew:.0f} % larger on one side than on the other: no "
            "body, or one that is deformed. Draw the region.",
            "mask",
        )


def closure(surface: BodySurface) -> float:
    """Share of the surface, but for its back, that ends at a shell."""
    shell = surface.shell[surface.ways[:, 1] < 0.35]
    return float((shell >= LEAST_SHELL_HU).mean())


def asymmetry(surface: BodySurface) -> float:
    """Largest difference of opposite sides, left and right or head and foot, as a share of the larger."""
    differences = []
    for axis in (0, 2):
        one, other = (np.median(surface.lengths[sign * surface.ways[:, axis] > 0.85]) for sign in (1, -1))
        differences.append(1 - min(one, other) / max(one, other))
    return float(max(differences))


def _check_pair(surfaces: dict[Vertebra, BodySurface]) -> None:
    if len(surfaces) < 2:
        return
    t12, l1 = (surfaces[vertebra].frame.half for vertebra in ("T12", "L1"))
    for size, one, other in zip(SIZES_MM, t12, l1, strict=True):
        if max(one / other, other / one) > _RATIO:
            raise StudyError(
                f"the {size} found for T12 is {2 * one:.0f} mm, for L1 {2 * other:.0f}: neighbours are more "
                "alike. Set both points in the middle of the bodies, or draw the regions.",
                "mask",
            )


def _fill(
    drawn: np.ndarray,
    image: sitk.Image,
    surface: BodySurface,
    margin_mm: float,
    upwards: np.ndarray,
    labels: tuple[int, int, int],
) -> None:
    """Write three layers where the voxel's centre lies deeper than the margin, and off the vein."""
    window, places = _places_around(image, surface)
    inside = surface.deeper(places, margin_mm) & ~_vein(surface, places)
    heights = surface.middles @ upwards
    cuts = np.linspace(heights.max() + _SHELL_MM, heights.min() - _SHELL_MM, 4)[1:3]
    layer = np.choose(((places @ upwards)[:, None] < cuts).sum(axis=1), labels)
    if len(np.unique(layer[inside])) < len(labels):
        raise StudyError(
            f"nothing is left of a layer {margin_mm:g} mm inside cortex and end plates. Draw the region, or "
            "write a smaller margin_mm."
        )
    part = drawn[window]
    inside = inside.reshape(part.shape) & (part == 0)
    part[inside] = layer.reshape(part.shape)[inside]


def _places_around(image: sitk.Image, surface: BodySurface) -> tuple[tuple[slice, ...], np.ndarray]:
    """Voxels around a surface (slices of z, y, x) and their places (mm, LPS) in array order."""
    turned = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    index = (surface.middles - image.GetOrigin()) @ np.linalg.inv(turned).T
    first = np.maximum(np.floor(index.min(axis=0)), 0).astype(int)
    stop = np.minimum(np.ceil(index.max(axis=0)) + 1, image.GetSize()).astype(int)
    window = tuple(slice(int(low), int(high)) for low, high in zip(first, stop, strict=True))[::-1]
    voxels = np.indices([part.stop - part.start for part in window]).reshape(3, -1).T[:, ::-1] + first
    return window, voxels @ turned.T + image.GetOrigin()


def _vein(surface: BodySurface, places: np.ndarray) -> np.ndarray:
    """Where the basivertebral vein enters: half an ellipsoid in the middle of the posterior wall."""
    behind = surface.ways[:, 1] > 0.9
    wall = np.array([0.0, np.median((surface.lengths * surface.ways[:, 1])[behind]), 0.0])
    share = (surface.frame.local(places) - wall) / (2 * surface.frame.half * _VEIN)
    return (share**2).sum(axis=1) < 1
