"""Grey levels of a region counted once for all texture classes: compiled passes over its voxels.

A pass for each angle keeps its two matrices near the processor. Voxels, steps and ranks are unsigned: numba
then asks of no index whether it is negative, which takes as long as the counting itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

# One of each two opposite neighbours (z, y, x): 13 angles.
ANGLES = np.array([(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)][14:])


@dataclass(frozen=True)
class Region:
    """Where a ROI lies: found once, used for all images that are derived from a scan.

    Attributes
    ----------
    window : tuple of slice
        The ROI's bounding box (z, y, x) in the scan.
    within : (n,) int array
        Places of the ROI's voxels in that box.
    shape : tuple of int
        Size of the box with one voxel around it.
    voxels : (n,) uint64
        Places of the ROI's voxels in the larger box.
    rows : (rows, 2) uint64
        First place of each row of voxels along x, and the one behind its last.
    steps : (13,) uint64
        Distance in the larger box to the next voxel along each angle.
    neighbours : (n,) float64
        How many of the 26 neighbours of each voxel lie in the ROI.
    spacing : tuple of float
        x, y, z, mm.
    """

    window: tuple[slice, ...]
    within: np.ndarray
    shape: tuple[int, ...]
    voxels: np.ndarray
    rows: np.ndarray
    steps: np.ndarray
    neighbours: np.ndarray
    spacing: tuple[float, ...]

    @classmethod
    def of(cls, inside: np.ndarray, window: tuple[slice, ...], spacing: tuple[float, ...]) -> Region:
        """Look at a ROI (z, y, x; bool) in its bounding box ``window``."""
        padded = np.pad(inside, 1)
        flat = padded.ravel()
        strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
        rows = np.flatnonzero(flat[1:] != flat[:-1]).reshape(-1, 2) + 1
        neighbours = neighbourhood_sums(padded.astype(float)).ravel()[flat] - 1
        voxels, rows, steps = (
            places.astype(np.uint64) for places in (np.flatnonzero(flat), rows, ANGLES @ strides)
        )
        within = np.flatnonzero(inside)
        return cls(window, within, padded.shape, voxels, rows, steps, neighbours, spacing)

    def values(self, image: np.ndarray) -> np.ndarray:
        """The ROI's voxels of an image (z, y, x) that is cut to the bounding box; shape (n,)."""
        return np.ascontiguousarray(image).ravel()[self.within]

    def box(self, values: np.ndarray) -> np.ndarray:
        """Flat larger box with ``values`` in the ROI and 0 around it."""
        box = np.zeros(self.shape, values.dtype).ravel()
        box[self.voxels] = values
        return box


@njit(cache=True, nogil=True, error_model="numpy")
def bin_values(values, edges):
    """Equal ``numpy.digitize`` for edges that are evenly spaced, but for rounding or the last.

    Parameters
    ----------
    values : (n,) float64
        None below the first edge.
    edges : (edges,) float64

    Returns
    -------
    bins : (n,) int64
        From 1.
    frequency : (edges + 1,) int64
        How many values each bin has.
    """
    bins, frequency = np.empty(values.size, np.int64), np.zeros(edges.size + 1, np.int64)
    first, width, last = edges[0], edges[1] - edges[0], edges.size - 1
    for n in range(values.size):
        place = min(max(int((values[n] - first) / width), 0), last)
        while place > 0 and values[n] < edges[place]:  # the division was rounded
            place -= 1
        while place < last and values[n] >= edges[place + 1]:
            place += 1
        bins[n] = place + 1
        frequency[place + 1] += 1
    return bins, frequency


@njit(cache=True, nogil=True, error_model="numpy")
def count_pairs_and_runs(ranks, voxels, steps, levels, longest):
    """Count co-occurrences and runs along each angle.

    Parameters
    ----------
    ranks : (voxels of the larger box,) uint32
        Rank of each voxel's grey level among those present, from 1; 0 outside the ROI.
    voxels, steps
        Of the :class:`Region`.
    levels, longest : int
        Number of grey levels; longest possible run, voxels.

    Returns
    -------
    glcm : (13, levels + 1, levels + 1) int32
        Row and column 0 are pairs that leave the ROI.
    glrlm : (13, levels + 1, longest + 1) int32
    """
    glcm = np.zeros((steps.size, levels + 1, levels + 1), np.int32)
    glrlm = np.zeros((steps.size, levels + 1, longest + 1), np.int32)
    run = np.zeros(ranks.size, np.uint16)  # length so far of the run that each voxel is in
    for angle in range(steps.size):
        pairs, runs, step = glcm[angle], glrlm[angle], steps[angle]
        for voxel in voxels:
            rank, after, before = ranks[voxel], ranks[voxel + step], ranks[voxel - step]
            pairs[rank, after] += 1
            # Steps lead forward, so the voxel before is done; sums instead of branches are faster.
            length = np.uint64(run[voxel - step]) * np.uint64(before == rank) + np.uint64(1)
            run[voxel] = length
            runs[rank, length] += after != rank
    return glcm, glrlm


@njit(cache=True, nogil=True, error_model="numpy")
def count_dependences(ranks, voxels, rows, steps, levels):
    """Count for each voxel the neighbours of its own grey level.

    Parameters
    ----------
    ranks, voxels, steps, levels
        As in :func:`count_pairs_and_runs`.
    rows
        Of the :class:`Region`: along them many voxels are compared at once.

    Returns
    -------
    (levels + 1, 27) int32
    """
    same = np.zeros(ranks.size, np.uint8)
    for row in range(rows.shape[0]):
        first, stop = rows[row, 0], rows[row, 1]
        here, equal = ranks[first:stop], same[first:stop]
        for step in steps:
            after, before = ranks[first + step : stop + step], ranks[first - step : stop - step]
            for k in range(here.size):
                equal[k] += np.uint8(after[k] == here[k]) + np.uint8(before[k] == here[k])
    gldm = np.zeros((levels + 1, 27), np.int32)
    for voxel in voxels:
        gldm[ranks[voxel], same[voxel]] += 1
    return gldm


@njit(cache=True, nogil=True)
def neighbourhood_sums(box):
    """Sum each voxel of a box (z, y, x; float64, 0 at its border) with its 26 neighbours; the border stays 0.

    Along one axis after the other. Sums of whole numbers are exact in any order.
    """
    along_x, along_y, sums = np.zeros(box.shape), np.zeros(box.shape), np.zeros(box.shape)
    nz, ny, nx = box.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(1, nx - 1):
                along_x[z, y, x] = box[z, y, x - 1] + box[z, y, x] + box[z, y, x + 1]
        for y in range(1, ny - 1):
            for x in range(nx):
                along_y[z, y, x] = along_x[z, y - 1, x] + along_x[z, y, x] + along_x[z, y + 1, x]
    for z in range(1, nz - 1):
        for y in range(ny):
            for x in range(nx):
                sums[z, y, x] = along_y[z - 1, y, x] + along_y[z, y, x] + along_y[z + 1, y, x]
    return sums


@njit(cache=True, nogil=True, error_model="numpy")
def sum_differences(ranks, voxels, levels, sums, neighbours):
    """Add up for each grey level the differences of its voxels to the mean of their neighbours.

    Parameters
    ----------
    ranks, voxels
        As in :func:`count_pairs_and_runs`.
    levels : (levels + 1,) float64
        Grey level of each rank; 0 for rank 0.
    sums : (voxels of the larger box,) float64
        As :func:`neighbourhood_sums` gives them.
    neighbours
        Of the :class:`Region`.

    Returns
    -------
    (levels + 1,) float64
    """
    ngtdm = np.zeros(levels.size)
    for n in range(voxels.size):
        if neighbours[n] > 0:
            level = levels[ranks[voxels[n]]]
            ngtdm[ranks[voxels[n]]] += abs(level - (sums[voxels[n]] - level) / neighbours[n])
    return ngtdm


@njit(cache=True, nogil=True)
def find_zones(ranks, voxels, steps):
    """Find the 26-connected zones of equal grey level by flood fill.

    Parameters
    ----------
    ranks, voxels, steps
        As in :func:`count_pairs_and_runs`.

    Returns
    -------
    rank, size : (zones,) uint64
        Grey-level rank and number of voxels of each zone.
    """
    unseen, one, zones = ranks.copy(), np.uint64(1), 0
    stack = np.empty(voxels.size, np.uint64)
    zone_rank, zone_size = np.empty(voxels.size, np.uint64), np.empty(voxels.size, np.uint64)
    for seed in voxels:
        rank = unseen[seed]
        if rank == 0:
            continue
        unseen[seed], stack[0], waiting, size = 0, seed, one, 0
        while waiting > 0:
            waiting -= one
            voxel = stack[waiting]
            size += 1
            for step in steps:
                if unseen[voxel + step] == rank:
                    unseen[voxel + step], stack[waiting] = 0, voxel + step
                    waiting += one
                if unseen[voxel - step] == rank:
                    unseen[voxel - step], stack[waiting] = 0, voxel - step
                    waiting += one
        zone_rank[zones], zone_size[zones] = rank, size
        zones += 1
    return zone_rank[:zones], zone_size[:zones]


@njit(cache=True, nogil=True)
def count_zones(rank, size, levels):
    """Count zones by grey level and size.

    Parameters
    ----------
    rank, size
        As :func:`find_zones` gives them.
    levels : int
        Number of grey levels.

    Returns
    -------
    counts : (levels, sizes) int64
    sizes : (sizes,) float64
        Those present only, ascending: a zone may be thousands of voxels large.
    """
    column = np.zeros(size.max() + np.uint64(1), np.int64)
    for one in size:
        column[one] = 1
    sizes = np.flatnonzero(column)
    for n in range(sizes.size):
        column[sizes[n]] = n
    counts = np.zeros((levels, sizes.size), np.int64)
    for zone in range(size.size):
        counts[rank[zone] - np.uint64(1), column[size[zone]]] += 1
    return counts, sizes.astype(np.float64)
