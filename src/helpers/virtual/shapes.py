"""Compiled geometry: signed distances of bones, and painting of tissues with partial volume.

Distances are in mm, negative inside. Arrays are ordered z, y, x. All compiled geometry lives in this one
file because numba's cache on disk notices changes of a function's own file only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

ANGLES = 128  # directions in which a vertebral outline is tabulated, a power of 2
_VOXEL_MM = 0.7  # width over which partial volume is reckoned
FAR = 1e3  # mm: "no bone near here"
_MARGIN = 3.0  # mm around a rod in which its distance is needed for blending


class Grid(NamedTuple):
    """Voxel grid: centre of the first voxel (x left, y posterior, z up; mm), spacing (mm) and size."""

    x0: float
    y0: float
    z0: float
    dx: float
    dy: float
    dz: float
    nx: int
    ny: int
    nz: int


class Box(NamedTuple):
    """Part of a grid: first voxel and number of voxels along z, y, x."""

    k: int
    j: int
    i: int
    nk: int
    nj: int
    ni: int


class Frame(NamedTuple):
    """A vertebra's own axes: its centre (3,) in mm, and the rows u (left), v (posterior), w (up) (3, 3)."""

    centre: np.ndarray
    axes: np.ndarray


class Body(NamedTuple):
    """A vertebral body in its own frame; lengths in mm.

    ``rim`` is the outline's radius at the end plates by angle, ``spur`` what osteophytes add to it there,
    ``waist`` the share by which the outline narrows at mid-height, ``wedge`` the slope by which the
    posterior wall is higher, ``dip_upper`` and ``dip_lower`` the depth of the end plates.
    """

    rim: np.ndarray
    spur: np.ndarray
    half_height: float
    wedge: float
    waist: float
    dip_upper: float
    dip_lower: float
    rounding: float


def box_around(grid: Grid, frame: Frame, low: list[float], high: list[float]) -> Box:
    """The part of ``grid`` that holds a cuboid given by its corners in a vertebra's frame (mm)."""
    corners = (
        np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3) @ frame.axes + frame.centre
    )
    spacing, origin = np.array(grid[3:6]), np.array(grid[:3])
    first = np.floor((corners.min(0) - origin) / spacing).astype(int)
    last = np.ceil((corners.max(0) - origin) / spacing).astype(int) + 1
    (i, j, k), (i2, j2, k2) = np.maximum(first, 0), np.minimum(last, grid[6:])
    return Box(int(k), int(j), int(i), int(max(k2 - k, 0)), int(max(j2 - j, 0)), int(max(i2 - i, 0)))


@njit(cache=True)
def _smooth_noise(noise, x, y, z):
    """Trilinear, periodic value of the coarse noise cube (a power of 2 wide) at a point given in cells."""
    wrap = noise.shape[0] - 1
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    tx, ty, tz = np.float32(x - fx), np.float32(y - fy), np.float32(z - fz)
    i, j, k = int(fx) & wrap, int(fy) & wrap, int(fz) & wrap
    i2, j2, k2 = (i + 1) & wrap, (j + 1) & wrap, (k + 1) & wrap
    a = noise[k, j, i] + tx * (noise[k, j, i2] - noise[k, j, i])
    b = noise[k, j2, i] + tx * (noise[k, j2, i2] - noise[k, j2, i])
    c = noise[k2, j, i] + tx * (noise[k2, j, i2] - noise[k2, j, i])
    d = noise[k2, j2, i] + tx * (noise[k2, j2, i2] - noise[k2, j2, i])
    a, c = a + ty * (b - a), c + ty * (d - c)
    return a + tz * (c - a)


@njit(cache=True)
def _noise_row(noise, y, z, row):
    """Fill ``row`` with the noise cube's values along x at one y and z: many points of a row cost little."""
    wrap = noise.shape[0] - 1
    fy, fz = np.floor(y), np.floor(z)
    ty, tz = np.float32(y - fy), np.float32(z - fz)
    j, k = int(fy) & wrap, int(fz) & wrap
    j2, k2 = (j + 1) & wrap, (k + 1) & wrap
    for i in range(row.size):
        a = noise[k, j, i] + ty * (noise[k, j2, i] - noise[k, j, i])
        c = noise[k2, j, i] + ty * (noise[k2, j2, i] - noise[k2, j, i])
        row[i] = a + tz * (c - a)


@njit(cache=True)
def _along(row, x):
    """Value of a `_noise_row` at x, given in cells."""
    fx = np.floor(x)
    i = int(fx) & (row.size - 1)
    return row[i] + np.float32(x - fx) * (row[(i + 1) & (row.size - 1)] - row[i])


@njit(cache=True)
def _share(distance, width):
    """Share of a voxel of the given width (mm) that lies inside a surface at ``distance``."""
    return min(max(0.5 - distance / width, 0.0), 1.0)


@njit(cache=True)
def _union(a, b, blend):
    """Smooth union of two distances: a fillet of about ``blend`` mm."""
    overlap = max(blend - abs(a - b), 0.0) / blend
    return min(a, b) - 0.25 * blend * overlap * overlap


@njit(cache=True)
def _body_surfaces(body, u, v, w):
    """Distances to the side wall and to the nearer end plate of a body, at a point in its frame."""
    r = np.sqrt(u * u + v * v)
    turn = (np.arctan2(v, u) / (2 * np.pi) + 1) * ANGLES
    a = int(turn) & (ANGLES - 1)
    b, t = (a + 1) & (ANGLES - 1), turn - int(turn)
    half = body.half_height + body.wedge * v
    level = abs(w) / half
    rim = body.rim[a] * (1 - t) + body.rim[b] * t
    spur = body.spur[a] * (1 - t) + body.spur[b] * t
    if spur > 0.01:
        spur *= np.exp(-(((half - abs(w)) / 2.2) ** 2))
    radius = (rim + spur) * (1 - body.waist * max(1 - level * level * np.sqrt(level), 0.0))
    core = max(1 - (u * u + (v - 2.0) ** 2) / (rim * rim), 0.0)
    dip = (body.dip_upper if w > 0 else body.dip_lower) * core * core * (3 - 2 * core)
    return 0.97 * (r - radius), abs(w) - (half - dip)


@njit(cache=True)
def body_distances(grid, box, frame, body, noise):
    """Signed distance to a body's surface, and whether the end plate is the nearest part of it."""
    distance = np.empty((box.nk, box.nj, box.ni), np.float32)
    plate = np.empty((box.nk, box.nj, box.ni), np.bool_)
    c, axes, rounding = frame.centre, frame.axes, body.rounding
    for k in range(box.nk):
        z = grid.z0 + (box.k + k) * grid.dz - c[2]
        for j in range(box.nj):
            y = grid.y0 + (box.j + j) * grid.dy - c[1]
            for i in range(box.ni):
                x = grid.x0 + (box.i + i) * grid.dx - c[0]
                u = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z
                v = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z
                w = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
                side, face = _body_surfaces(body, u, v, w)
                corner = np.sqrt(max(side + rounding, 0.0) ** 2 + max(face + rounding, 0.0) ** 2)
                rounded = corner - rounding + min(max(side, face) + rounding, 0.0)
                if abs(rounded) < _MARGIN:
                    rounded += 0.3 * _smooth_noise(noise, x / 4.0, y / 4.0, z / 4.0)
                distance[k, j, i] = rounded
                plate[k, j, i] = face > side
    return distance, plate


@njit(cache=True)
def vein_share(local, posterior_wall):
    """Share of each voxel in the basivertebral vein: a trunk from the posterior wall, two branches."""
    share = np.zeros(local.shape[1:], np.float32)
    for k in range(local.shape[1]):
        for j in range(local.shape[2]):
            for i in range(local.shape[3]):
                u, w = abs(local[0, k, j, i]), local[2, k, j, i]
                depth = posterior_wall - local[1, k, j, i]
                if abs(w) < 5 and depth < 14:
                    trunk = max(np.hypot(u, 0.8 * w) - (2.3 - 0.16 * depth), depth - 8)
                    branch = max(np.hypot(0.8 * (u - 0.75 * (depth - 4)), w) - 1.1, abs(depth - 8) - 4)
                    share[k, j, i] = _share(min(trunk, branch), 1.4)
    return share


@njit(cache=True)
def local_coordinates(grid, box, frame):
    """Coordinates u, v, w (mm) of every voxel of a box in a vertebra's frame, shape (3, z, y, x)."""
    out = np.empty((3, box.nk, box.nj, box.ni), np.float32)
    for k in range(box.nk):
        z = grid.z0 + (box.k + k) * grid.dz - frame.centre[2]
        for j in range(box.nj):
            y = grid.y0 + (box.j + j) * grid.dy - frame.centre[1]
            for i in range(box.ni):
                x = grid.x0 + (box.i + i) * grid.dx - frame.centre[0]
                for a in range(3):
                    out[a, k, j, i] = frame.axes[a, 0] * x + frame.axes[a, 1] * y + frame.axes[a, 2] * z
    return out


@njit(cache=True)
def _rod_distance(rod, u, v, w):
    """Distance to a tapered rod with round ends whose section is stretched along w by 1 / rod[8]."""
    stretch = rod[8]
    au, av, aw = rod[0], rod[1], rod[2] * stretch
    bu, bv, bw = rod[4] - au, rod[5] - av, rod[6] * stretch - aw
    pu, pv, pw = u - au, v - av, w * stretch - aw
    t = min(max((pu * bu + pv * bv + pw * bw) / (bu * bu + bv * bv + bw * bw), 0.0), 1.0)
    across, qw = (pu - t * bu) ** 2 + (pv - t * bv) ** 2, pw - t * bw
    square = across + qw * qw + 1e-9
    radius = rod[3] + t * (rod[7] - rod[3])
    if square > (radius + _MARGIN) ** 2:
        return FAR
    length = np.sqrt(square)
    slope = np.sqrt(across + (stretch * qw) ** 2) / length
    return (length - radius) / max(slope, stretch)


@njit(cache=True)
def _range(low, high, origin, step, first, count):
    """Voxels of a box along one axis that lie between two positions (mm)."""
    start = int(np.floor((low - origin) / step)) - first
    stop = int(np.ceil((high - origin) / step)) - first + 1
    return max(start, 0), min(stop, count)


@njit(cache=True)
def rod_distances(grid, box, frame, rods, blend, noise):
    """Signed distance to the smooth union of rods, ``FAR`` away from them.

    Each row of ``rods``: one end (u, v, w), its radius, the other end, its radius, and the ratio of width
    to height of the section (mm; in the frame).
    """
    distance = np.full((box.nk, box.nj, box.ni), FAR, np.float32)
    c, axes = frame.centre, frame.axes
    for n in range(rods.shape[0]):
        rod = rods[n]
        low, high = np.empty(3), np.empty(3)
        reach = max(rod[3], rod[7]) / min(rod[8], 1.0) + _MARGIN
        for a in range(3):
            p = c[a] + axes[0, a] * rod[0] + axes[1, a] * rod[1] + axes[2, a] * rod[2]
            q = c[a] + axes[0, a] * rod[4] + axes[1, a] * rod[5] + axes[2, a] * rod[6]
            side = reach if a == 2 else max(rod[3], rod[7]) + _MARGIN
            low[a], high[a] = min(p, q) - side, max(p, q) + side
        k1, k2 = _range(low[2], high[2], grid.z0, grid.dz, box.k, box.nk)
        j1, j2 = _range(low[1], high[1], grid.y0, grid.dy, box.j, box.nj)
        i1, i2 = _range(low[0], high[0], grid.x0, grid.dx, box.i, box.ni)
        for k in range(k1, k2):
            z = grid.z0 + (box.k + k) * grid.dz - c[2]
            for j in range(j1, j2):
                y = grid.y0 + (box.j + j) * grid.dy - c[1]
                for i in range(i1, i2):
                    x = grid.x0 + (box.i + i) * grid.dx - c[0]
                    u = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z
                    v = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z
                    w = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
                    d = _rod_distance(rod, u, v, w)
                    if d < _MARGIN:
                        distance[k, j, i] = _union(distance[k, j, i], d, blend)
    _roughen(distance, grid, box, noise)
    return distance


@njit(cache=True)
def _roughen(distance, grid, box, noise):
    """Make a surface uneven by a few tenths of a millimetre."""
    for k in range(box.nk):
        z = (grid.z0 + (box.k + k) * grid.dz) / 5.0
        for j in range(box.nj):
            y = (grid.y0 + (box.j + j) * grid.dy) / 5.0
            for i in range(box.ni):
                if abs(distance[k, j, i]) < 3.0:
                    x = (grid.x0 + (box.i + i) * grid.dx) / 5.0
                    distance[k, j, i] += 0.5 * _smooth_noise(noise, x, y, z)


@njit(cache=True)
def paint_bone(volume, grid, box, distance, marrow, grain, cortex_mm, cortex_hu, uneven, noise):
    """Paint a bone: a cortical shell of ``cortex_mm`` (mm, per voxel) around ``marrow`` (HU, per voxel).

    ``uneven`` holds the shares by which the shell's thickness and brightness vary from place to place;
    ``grain`` (HU, per voxel) is the SD of coarse trabeculae in marrow that has no texture of its own.
    """
    for k in range(box.nk):
        z = grid.z0 + (box.k + k) * grid.dz
        for j in range(box.nj):
            y = grid.y0 + (box.j + j) * grid.dy
            for i in range(box.ni):
                d = distance[k, j, i]
                outer = _share(d, _VOXEL_MM)
                if outer > 0.0:
                    x = grid.x0 + (box.i + i) * grid.dx
                    inside, shell, thick = marrow[k, j, i], cortex_hu, cortex_mm[k, j, i]
                    if d + 2 * thick > -_VOXEL_MM / 2:
                        thick *= max(1 + uneven[0] * _smooth_noise(noise, x / 3.7, y / 3.7, z / 3.1), 0.25)
                        shell *= 1 + uneven[1] * _smooth_noise(noise, x / 6.1 + 9.0, y / 6.1, z / 5.3)
                    if grain[k, j, i] > 0.0:
                        inside += 1.8 * grain[k, j, i] * _smooth_noise(noise, x / 0.9, y / 0.9, z / 1.4)
                    inner = _share(d + thick, _VOXEL_MM)
                    old = volume[box.k + k, box.j + j, box.i + i]
                    volume[box.k + k, box.j + j, box.i + i] = (
                        (1 - outer) * old + (outer - inner) * shell + inner * inside
                    )


@njit(cache=True)
def paint_tube(volume, grid, tube, hu, square, rough, streaks, streak_hu, vessel_hu, noise, seed):
    """Paint an organ that runs along the spine: in each slice an ellipse, or a rounded ``square``.

    ``tube`` (slices, 5) holds the centre x, y, the half axes and the turn (mm, radians) by slice; a half axis
    of 0 or less leaves the slice. ``rough`` is the waviness of the outline (share of the radius);
    ``streaks`` the threshold below 1 of which fatty sheets of ``streak_hu`` run through it (0: none), and
    ``vessel_hu`` by how much the vessels in it differ from it (HU, 0: none are seen).
    """
    rows = np.empty((3, noise.shape[2]), np.float32)
    structured = streaks > 0.0 or vessel_hu != 0.0
    for k in range(grid.nz):
        cx, cy, a, b, turn = tube[k]
        if a <= 0.5 or b <= 0.5:
            continue
        cos, sin = np.cos(turn), np.sin(turn)
        xx = (cos / a) ** 2 + (sin / b) ** 2
        xy = cos * sin * (1 / a**2 - 1 / b**2)
        yy = (sin / a) ** 2 + (cos / b) ** 2
        outer = (1 + 3 * rough + 0.5 / min(a, b)) ** 2 * (np.sqrt(2) if square else 1.0)
        core = max(1 - 3 * rough - 0.5 / min(a, b), 0.0) ** 2
        z = grid.z0 + k * grid.dz
        for j in range(grid.ny):
            y = grid.y0 + j * grid.dy
            i1, i4 = _chord(grid, cx, y - cy, xx, xy, yy, outer)
            i2, i3 = _chord(grid, cx, y - cy, xx, xy, yy, core)
            if i2 >= i3:
                i2 = i3 = i4
            if i4 > i1:
                _tube_noise(noise, y, z, seed, structured, rows)
            volume[k, j, i2:i3] = hu
            for i in range(i2, i3 if structured else i2):
                x = grid.x0 + i * grid.dx
                volume[k, j, i] = _soft_tissue(rows, x, seed, hu, streaks, streak_hu, vessel_hu)
            for n in range(i4 - i1 - (i3 - i2)):
                i = i1 + n if i1 + n < i2 else n - (i2 - i1) + i3
                x = grid.x0 + i * grid.dx
                p = ((cos * (x - cx) + sin * (y - cy)) / a) ** 2
                q = ((cos * (y - cy) - sin * (x - cx)) / b) ** 2
                radius = np.sqrt(np.sqrt(p * p + q * q)) if square else np.sqrt(p + q)
                if radius > 1 - 3 * rough:
                    radius += rough * _along(rows[0], x / 9.0 + seed)
                inside = _share((radius - 1) * min(a, b), _VOXEL_MM)
                if inside > 0.0:
                    value = _soft_tissue(rows, x, seed, hu, streaks, streak_hu, vessel_hu)
                    volume[k, j, i] += inside * (value - volume[k, j, i])


@njit(cache=True)
def _chord(grid, cx, dy, xx, xy, yy, level):
    """Voxels of one row in which an ellipse's quadratic form is below ``level``."""
    inside = (xy * dy) ** 2 - xx * (yy * dy * dy - level)
    if inside <= 0.0:
        return 0, 0
    half, middle = np.sqrt(inside) / xx, cx - xy * dy / xx - grid.x0
    start, stop = int(np.ceil((middle - half) / grid.dx)), int(np.floor((middle + half) / grid.dx)) + 1
    return min(max(start, 0), grid.nx), min(max(stop, 0), grid.nx)


@njit(cache=True)
def _tube_noise(noise, y, z, seed, structured, rows):
    """Noise along a row: of the outline, and of the place and the sheets of streaks and vessels."""
    _noise_row(noise, y / 9.0, z / 14.0, rows[0])
    if structured:
        _noise_row(noise, y / 11.0, z / 25.0, rows[1])
        _noise_row(noise, y / 3.2 + seed, z / 12.0, rows[2])


@njit(cache=True)
def _soft_tissue(rows, x, seed, hu, streaks, streak_hu, vessel_hu):
    """HU at a point of an organ: fat between its fibres, or vessels in it."""
    if streaks > 0.0:
        return hu + _streak(rows[1], rows[2], x, seed, streaks) * (streak_hu - hu)
    if vessel_hu == 0.0:
        return hu
    slow = 11.0 * _along(rows[1], x / 11.0 + seed)
    if abs(slow) > 2.5:
        return hu
    square = slow**2 + (3.2 * _along(rows[2], x / 3.2)) ** 2  # distance from where two sheets cross, mm
    return hu + max(1 - square / 6.0, 0.0) * vessel_hu


@njit(cache=True)
def _streak(slow, fine, x, seed, threshold):
    """Share of fat at a point of a muscle: thin sheets, where a slow field lets them be."""
    fatty = _along(slow, x / 11.0 + seed) + 1 - threshold
    if fatty <= 0.0:
        return 0.0
    sheet = 1 - abs(_along(fine, x / 3.2)) / 0.22
    return max(sheet, 0.0) * min(2 * fatty, 1.0)


@njit(cache=True)
def paint_disc(volume, grid, box, frame, rim, half_gap, dip, nucleus_hu, annulus_hu):
    """Paint a disc: a lens of soft tissue between two end plates, the fibrous ring denser than the core.

    ``half_gap`` is half its height at the rim and ``dip`` what the end plates add in the middle (mm).
    """
    c, axes, reach = frame.centre, frame.axes, rim.max() + 1.0
    for k in range(box.k, box.k + box.nk):
        z = grid.z0 + k * grid.dz - c[2]
        for j in range(box.j, box.j + box.nj):
            y = grid.y0 + j * grid.dy - c[1]
            for i in range(box.i, box.i + box.ni):
                x = grid.x0 + i * grid.dx - c[0]
                u = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z
                v = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z
                w = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
                r = np.sqrt(u * u + v * v)
                if r > reach or abs(w) > half_gap + 1.6 + dip:
                    continue
                radius = rim[int((np.arctan2(v, u) / (2 * np.pi) + 1) * ANGLES) & (ANGLES - 1)] + 0.4
                core = max(1 - (r / radius) ** 2, 0.0)
                height = half_gap + 1.2 + dip * min(3 * core, 1.0)
                inside = _share(max(r - radius, abs(w) - height), _VOXEL_MM)
                if inside > 0.0:
                    ring = min(max((r / radius - 0.55) / 0.25, 0.0), 1.0)
                    value = nucleus_hu + ring * (annulus_hu - nucleus_hu)
                    volume[k, j, i] += inside * (value - volume[k, j, i])


@njit(cache=True)
def paint_wall(volume, grid, tube, hu, thickness, threshold, noise):
    """Paint plaques on the wall of a round vessel where the noise exceeds a threshold (mm, HU)."""
    for k in range(grid.nz):
        cx, cy, a = tube[k, 0], tube[k, 1], tube[k, 2]
        z = grid.z0 + k * grid.dz
        j1, j2 = _range(cy - a - 2, cy + a + 2, grid.y0, grid.dy, 0, grid.ny)
        i1, i2 = _range(cx - a - 2, cx + a + 2, grid.x0, grid.dx, 0, grid.nx)
        for j in range(j1, j2):
            y = grid.y0 + j * grid.dy
            for i in range(i1, i2):
                x = grid.x0 + i * grid.dx
                off = abs(np.hypot(x - cx, y - cy) - a + 0.4)
                if off < thickness:
                    level = _smooth_noise(noise, x / 5.0, y / 5.0 + 7.0, z / 6.0) - threshold
                    share = min(max(4 * level, 0.0), 1.0) * _share(off - thickness / 2, _VOXEL_MM)
                    volume[k, j, i] += share * (hu - volume[k, j, i])


@njit(cache=True)
def paint_solid(volume, box, distance, hu):
    """Paint what lies inside a surface with one HU."""
    for k in range(box.nk):
        for j in range(box.nj):
            for i in range(box.ni):
                inside = _share(distance[k, j, i], _VOXEL_MM)
                if inside > 0.0:
                    old = volume[box.k + k, box.j + j, box.i + i]
                    volume[box.k + k, box.j + j, box.i + i] = old + inside * (hu - old)
