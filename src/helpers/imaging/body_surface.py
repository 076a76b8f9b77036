"""From a point in a vertebral body to its inner surface: cortex, end plates, and a wall at the pedicles.

Rays run from the point through a body of usual shape. On each ray the image says where cancellous bone ends
(the steepest rise to the shell), and how much cortex, fat or air was passed before: the first closed shell
is the body's own. Neighbouring rays agree on how far the body is from the usual shape, so that the surface
closes where there is no cortex: at the pedicles and the basivertebral vein. Found once, the body gives its
own centre, axes and size, and is sought again from there: the result hardly depends on where the point was.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, spatial

from helpers.imaging.star_surface import Sphere, best_surface, sphere

# Half of width, depth, height (mm) of the cancellous part of T12 or L1, to start with (Panjabi 1991, 1992).
_USUAL = np.array([19.5, 16.0, 11.5])
# The spine's axis leans from the body's own by this much at most, forwards or backwards (degrees).
_TILTS = (-15, 0, 15)
# Outline between ellipse and rectangle, edge towards the end plates, dent of the posterior wall and how much
# wider the body is at its rim than at its waist (shares).
_ROUNDNESS, _EDGE, _DENT, _RIM = 2.4, 12, 0.10, 0.12
_REACH_MM = 48.0  # rays never leave this
_SMOOTH_MM = 0.7  # SD of the filter that quiets noise and trabeculae
# A rise of this (HU/mm) counts half.
_HALF_RISE = 60.0
# Brighter than cancellous bone by the first, or darker by the second (HU), is no cancellous bone. Passing
# _PASSED HU mm of it costs as much as the best edge brings.
_BRIGHT, _DARK, _PASSED = 110.0, 100.0, 150.0
_BEYOND_IMAGE = 3.0  # cost of a place outside the image
# No voxel counts for more than this (HU), nor all that was passed for more than so many edges.
_MOST_HU, _MOST_PASSED = 400.0, 6.0
# Searches from the body's own axes at most, and the gain in cost a ray that asks for another.
_ROUNDS, _SETTLED = 5, 0.01
# Places so much nearer to the middle, or farther off, than any of the surface need not be measured (share).
_SURELY = 0.9
_BEHIND = 12  # places behind the surface where the shell is sought: about 2 mm
_NEAREST = 6  # faces that are asked how deep a voxel lies


class Frame(NamedTuple):
    """Centre (mm, LPS) of a body, its axes (rows: left, back, head), and half of its size along them (mm)."""

    centre: np.ndarray
    axes: np.ndarray
    half: np.ndarray

    def local(self, places: np.ndarray) -> np.ndarray:
        """Places (mm, LPS) along the body's own axes (mm)."""
        return (places - self.centre) @ self.axes.T


class BodySurface(NamedTuple):
    """Inner surface of a body.

    ``frame`` is the body's own. ``middles`` and ``normals`` (faces, 3) are of its faces (mm, LPS; outwards);
    ``ways`` (rays, 3) the rays' directions along its axes, ``lengths`` (mm) and ``shares`` (of the usual
    shape) how far they go, ``shell`` how far HU rise behind the surface above the median within, ``known``
    whether the image goes beyond it.
    """

    frame: Frame
    middles: np.ndarray
    normals: np.ndarray
    ways: np.ndarray
    shares: np.ndarray
    lengths: np.ndarray
    shell: np.ndarray
    known: np.ndarray

    def deeper(self, places: np.ndarray, margin_mm: float) -> np.ndarray:
        """Whether places (mm, LPS) lie deeper below the surface than a margin (mm)."""
        local = self.frame.local(places)
        lengths = np.maximum(np.linalg.norm(local, axis=1), 1e-3)
        shares = lengths / _usual_lengths(local / lengths[:, None], self.frame.half)
        # Near the middle and far outside nothing need be measured.
        inside = lengths + margin_mm < _SURELY * self.shares.min() * self.frame.half.min()
        asked = np.flatnonzero(~inside & (_SURELY * shares < self.shares.max()))
        _, near = spatial.cKDTree(self.middles).query(places[asked], k=_NEAREST)
        away = self.middles[near] - places[asked][:, None]
        inside[asked] = np.einsum("ijk,ijk->ij", away, self.normals[near]).min(axis=1) > margin_mm
        return inside


class _Search(NamedTuple):
    """How finely is searched: rays, shares of the usual shape, what a step costs, the largest step."""

    rays: int
    shares: np.ndarray
    step_cost: float
    reach: int


_WIDE = _Search(500, np.exp(np.arange(-36, 25) * 0.024), 0.10, 3)
_NARROW = _Search(900, np.exp(np.arange(-22, 23) * 0.016), 0.06, 3)


class _Found(NamedTuple):
    """One search's result: the surface along the rays (directions in the frame), and its cost a ray."""

    search: _Search
    frame: Frame
    ways: np.ndarray
    shares: np.ndarray
    lengths: np.ndarray
    cost: float
    shell: np.ndarray
    known: np.ndarray


def find_surface(image: sitk.Image, point: np.ndarray, upwards: np.ndarray) -> BodySurface:
    """Find the inner surface of the body around a point.

    Parameters
    ----------
    image : sitk.Image
        HU.
    point : ndarray of shape (3,)
        In the body, near its middle (mm, LPS).
    upwards : ndarray of shape (3,)
        Unit vector along the spine, to the head.

    Returns
    -------
    BodySurface
        Always something: whether it is a body, `helpers.imaging.bodies` judges.
    """
    hu = _Smoothed(image, point)
    centre = _own_frame(_searched(hu, Frame(point, _axes(upwards), _USUAL), _WIDE)).centre
    starts = [_searched(hu, Frame(centre, axes, _USUAL), _WIDE) for axes in _leaning(upwards)]
    found = min(starts, key=lambda start: start.cost)
    for _ in range(_ROUNDS):
        before, found = found.cost, _searched(hu, _own_frame(found), _NARROW)
        if before - found.cost < _SETTLED:
            break
    return _closed(found)


class _Smoothed:
    """HU around a point, smoothed a little, at any place (mm, LPS); NaN outside the image."""

    def __init__(self, image: sitk.Image, point: np.ndarray) -> None:
        spacing = np.array(image.GetSpacing())
        index = np.array(image.TransformPhysicalPointToContinuousIndex(point.tolist()))
        first = np.maximum(np.floor(index - _REACH_MM / spacing), 0).astype(int)
        stop = np.minimum(np.ceil(index + _REACH_MM / spacing) + 1, image.GetSize()).astype(int)
        box = image[tuple(slice(int(low), int(high)) for low, high in zip(first, stop, strict=True))]
        # Interpolation between voxels smooths too, the more the larger they are.
        sigma = np.sqrt(np.maximum(_SMOOTH_MM**2 - (spacing / 4) ** 2, 0)) / spacing
        hu = sitk.GetArrayFromImage(box).astype(np.float32)
        self._hu = ndimage.gaussian_filter(hu, sigma[::-1], mode="nearest", truncate=3.0)
        self._to_index = np.linalg.inv(np.reshape(box.GetDirection(), (3, 3)) * spacing)
        self._origin = np.array(box.GetOrigin())

    def at(self, places: np.ndarray) -> np.ndarray:
        index = (places - self._origin) @ self._to_index.T
        return ndimage.map_coordinates(self._hu, np.moveaxis(index, -1, 0)[::-1], order=1, cval=np.nan)


def _axes(upwards: np.ndarray) -> np.ndarray:
    """Rows: to the left, to the back, and along ``upwards``."""
    left = np.array([1.0, 0.0, 0.0]) - upwards[0] * upwards
    left /= np.linalg.norm(left)
    return np.array([left, np.cross(upwards, left), upwards])


def _leaning(upwards: np.ndarray) -> Iterator[np.ndarray]:
    _, back, head = _axes(upwards)
    for tilt in np.deg2rad(_TILTS):
        yield _axes(np.cos(tilt) * head + np.sin(tilt) * back)


def _usual_lengths(ways: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Distance (mm) from the centre to the surface of a body of usual shape along unit vectors."""
    left, back, head = np.abs(ways / half).T
    side = left**_ROUNDNESS + back**_ROUNDNESS
    side *= (1 + _RIM * np.minimum(head / side ** (1 / _ROUNDNESS), 1) ** 2.5) ** -_ROUNDNESS
    lengths = (side ** (_EDGE / _ROUNDNESS) + head**_EDGE) ** (-1 / _EDGE)
    behind = np.exp(-((np.arctan2(ways[:, 0], ways[:, 1]) / 0.5) ** 2)) * (side ** (1 / _ROUNDNESS) > head)
    return lengths * (1 - _DENT * behind)


@lru_cache(maxsize=4)
def _sphere(rays: int) -> Sphere:
    return sphere(rays)


def _stretched(directions: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Directions spread over a body rather than over a sphere."""
    ways = directions * half
    return ways / np.linalg.norm(ways, axis=1, keepdims=True)


def _searched(hu: _Smoothed, frame: Frame, search: _Search) -> _Found:
    rays = _sphere(search.rays)
    ways = _stretched(rays.directions, frame.half)
    usual = _usual_lengths(ways, frame.half)
    # From near the centre on, so that all that is passed counts.
    shares = np.concatenate([np.arange(0.1, search.shares[0], 0.05), search.shares])
    lengths = usual[:, None] * shares
    found = hu.at(frame.centre + lengths[..., None] * (ways @ frame.axes)[:, None, :])
    inside = float(np.nanmedian(found[:, shares < 0.55]))
    costs = _costs(found, inside, lengths)[:, -len(search.shares) :]
    labels = best_surface(costs, rays.pairs, search.step_cost, search.reach)
    there = np.round(labels).astype(int)
    one, other = labels[rays.pairs]
    steps = search.step_cost * np.abs(one - other).sum() / 2
    cost = (np.take_along_axis(costs, there[:, None], 1).sum() + steps) / search.rays
    chosen = np.interp(labels, np.arange(len(search.shares)), search.shares)
    start = len(shares) - len(search.shares) + there
    return _Found(search, frame, ways, chosen, usual * chosen, cost, *_behind(found, start, inside))


def _costs(found: np.ndarray, inside: float, lengths: np.ndarray) -> np.ndarray:
    """Cost of each place: low at a rise to cortex, high once cortex, fat or air was passed."""
    known = np.isfinite(found)
    hu = np.where(known, found, inside)
    step = np.gradient(lengths, axis=1)
    rise = np.clip(np.gradient(hu, axis=1) / step, 0, None)
    other = np.clip(hu - inside - _BRIGHT, 0, _MOST_HU) + np.clip(inside - _DARK - hu, 0, _MOST_HU)
    passed = np.minimum(np.cumsum(other * step, axis=1) / _PASSED, _MOST_PASSED)
    return passed - rise / (rise + _HALF_RISE) + _BEYOND_IMAGE * ~known


def _behind(found: np.ndarray, start: np.ndarray, inside: float) -> tuple[np.ndarray, np.ndarray]:
    """Highest HU above the inside in some places behind the surface; whether all are known."""
    places = np.clip(start[:, None] + np.arange(_BEHIND), 0, found.shape[1] - 1)
    behind = np.take_along_axis(found, places, axis=1)
    return np.nan_to_num(behind - inside, nan=-np.inf).max(axis=1), np.isfinite(behind).all(axis=1)


def _own_frame(found: _Found) -> Frame:
    """Centre of volume, axes across the two end plates, and size of a surface."""
    rays, local = _sphere(found.search.rays), found.ways * found.lengths[:, None]
    a, b, c = local[rays.triangles].swapaxes(0, 1)
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c))
    middle = ((a + b + c) / 4 * volumes[:, None]).sum(axis=0) / volumes.sum()
    slopes = [_slope(local[end * rays.directions[:, 2] > 0.75]) for end in (1, -1)]
    upwards = np.append(-np.mean(slopes, axis=0), 1.0) @ found.frame.axes
    axes = _axes(upwards / np.linalg.norm(upwards))
    own = np.abs((local - middle) @ found.frame.axes @ axes.T)
    half = [np.median(own[np.abs(rays.directions[:, axis]) > 0.9, axis]) for axis in range(3)]
    return Frame(found.frame.centre + middle @ found.frame.axes, axes, np.array(half))


def _slope(places: np.ndarray) -> np.ndarray:
    """Rise of a plane through places to the left and to the back."""
    flat = np.column_stack([places[:, :2], np.ones(len(places))])
    return np.linalg.lstsq(flat, places[:, 2], rcond=None)[0][:2]


@lru_cache(maxsize=1)
def _finer() -> tuple[Sphere, np.ndarray, np.ndarray]:
    """Four times the rays of the last search: each one's neighbours among those, and their weights."""
    fine = sphere(4 * _NARROW.rays)
    away, near = spatial.cKDTree(_sphere(_NARROW.rays).directions).query(fine.directions, k=5)
    weights = np.exp(-((away / 0.1) ** 2))
    return fine, near, weights / weights.sum(axis=1, keepdims=True)


def _closed(found: _Found) -> BodySurface:
    """Faces of a surface: its shares of the usual shape vary slowly, the shape itself keeps its edges."""
    fine, near, weights = _finer()
    frame = found.frame
    ways = _stretched(fine.directions, frame.half)
    lengths = _usual_lengths(ways, frame.half) * (found.shares[near] * weights).sum(axis=1)
    a, b, c = (frame.centre + (ways * lengths[:, None]) @ frame.axes)[fine.triangles].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    own = (found.ways, found.shares, found.lengths, found.shell, found.known)
    return BodySurface(frame, (a + b + c) / 3, normals, *own)
