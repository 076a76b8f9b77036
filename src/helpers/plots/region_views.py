"""Regions in their surroundings: pictures in which a radiologist counts levels and sees a shift."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from helpers.imaging.boxes import roi_box
from helpers.imaging.regions import LAYERS, VERTEBRAE, missing_vertebrae
from helpers.imaging.slices import PLANES, Cut, Plane, Reach, brightest, layer_centre, sampled_cut
from helpers.imaging.sources import Scan
from helpers.plots.regions import BONE_WINDOW, LAYER_COLOURS

WINDOW = (-250, 750)  # HU; narrow for bone, so that discs differ from thin trabeculae
FINEST_MM = 1 / 3  # of a pixel
# The whole height of the scan is shown, for counting, but in no more pixels than this.
TALLEST = 840
_BESIDE = {"sagittal": (60, 70), "coronal": (85, 85)}
_AXIAL = Reach(55, 55, 45, 60)
_RIBS_MM = range(-10, 46, 3)  # from a little before the middle of the body to behind the heads of the ribs
_BAR_MM = 20
_GAP = 6  # pixels
_OUTLINE = 2  # pixels; the compression would take the colour of thinner ones
_FONT = ImageFont.load_default(size=15)
_QUALITY = 65  # of WebP


class Picture(NamedTuple):
    """One picture of a patient: what it shows, its size in pixels (width, height), and its file (WebP)."""

    title: str
    size: tuple[int, int]
    content: bytes


def pictures(scan: Scan) -> list[Picture]:
    """Draw a scan's regions in their surroundings.

    Sagittal and coronal through the centre of the regions, over the whole height of the scan; the ribs (the
    brightest voxels of a coronal slab), for counting; axial through the middle layer of each vertebra. With
    outlines of the layers, letters of orientation (R and L, A and P, H and F) and a bar of 20 mm.
    """
    region = _cropped(scan.mask)
    centre = layer_centre(region)
    height = _height(scan.image, centre)
    pixel = max(FINEST_MM, sum(height) / TALLEST)
    views = {}
    for plane, beside in _BESIDE.items():
        views[plane] = sampled_cut(scan.image, scan.mask, plane, centre, Reach(*beside, *height), pixel)
    drawn = [_picture(plane.capitalize(), _drawn(view, plane, pixel)) for plane, view in views.items()]
    ribs = brightest(scan.image, "coronal", centre, Reach(*_BESIDE["coronal"], *height), pixel, _RIBS_MM)
    ribs_view = views["coronal"]._replace(hu=ribs)
    return [*drawn, _picture("Ribs", _drawn(ribs_view, "coronal", pixel, BONE_WINDOW)), _axial(scan, region)]


def ribs_picture(image: sitk.Image, place: np.ndarray) -> Picture:
    """The ribs beside a place in the spine (mm, LPS), as of `pictures`, before anything is drawn."""
    height = _height(image, place)
    pixel = max(FINEST_MM, sum(height) / TALLEST)
    hu = brightest(image, "coronal", place, Reach(*_BESIDE["coronal"], *height), pixel, _RIBS_MM)
    plain = Cut(hu, np.zeros(hu.shape, np.uint8), (0.0, 0.0, 0.0, 0.0))
    return _picture("Ribs", _drawn(plain, "coronal", pixel, BONE_WINDOW))


def _cropped(mask: sitk.Image) -> sitk.Image:
    """The box around the regions: to look for a layer in a whole chest takes long."""
    start, size = roi_box(mask)
    return sitk.RegionOfInterest(mask, size.tolist(), start.tolist())


def _axial(scan: Scan, region: sitk.Image) -> Picture:
    """Each vertebra that is there, one below the other."""
    missing = missing_vertebrae(region)
    middles = [layer_centre(region, own[1:2]) for name, own in VERTEBRAE.items() if name not in missing]
    views = [sampled_cut(scan.image, scan.mask, "axial", middle, _AXIAL, FINEST_MM) for middle in middles]
    drawn = [_drawn(view, "axial", FINEST_MM) for view in views]
    width, height = drawn[0].size
    both = Image.new("RGB", (width, len(drawn) * (height + _GAP) - _GAP), "white")
    for number, one in enumerate(drawn):
        both.paste(one, (0, number * (height + _GAP)))
    return _picture("Axial", both)


def _height(image: sitk.Image, point: np.ndarray) -> tuple[float, float]:
    """How far the scan goes above and below a point (mm)."""
    ends = [(-0.5, size - 0.5) for size in image.GetSize()]
    corners = [(x, y, z) for x in ends[0] for y in ends[1] for z in ends[2]]
    heights = [image.TransformContinuousIndexToPhysicalPoint(corner)[2] for corner in corners]
    return max(heights) - point[2], point[2] - min(heights)


def _drawn(view: Cut, plane: str, pixel_mm: float, window: tuple[float, float] = WINDOW) -> Image.Image:
    """Grey values with outlines, letters, bar, and the vertebrae's names beside them."""
    low, high = window
    grey = np.clip((view.hu.astype(float) - low) / (high - low), 0, 1)
    colours = np.repeat(grey[..., None], 3, axis=-1)
    for layer, colour in zip(LAYERS, LAYER_COLOURS, strict=True):
        region = view.layers == layer
        colours[region & ~binary_erosion(region, iterations=_OUTLINE)] = to_rgb(colour)
    picture = Image.fromarray((colours * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    _mark(draw, *picture.size, PLANES[plane], pixel_mm)
    for name, own in VERTEBRAE.items():
        rows, columns = np.nonzero(np.isin(view.layers, own))
        if rows.size:
            _write(draw, (columns.min() - 5, rows.mean()), name, "rm")
    return picture


def _mark(draw: ImageDraw.ImageDraw, width: int, height: int, plane: Plane, pixel_mm: float) -> None:
    """Letters at the four edges, and a bar; those of top and bottom beside the spine."""
    places = [(4, height / 2, "lm"), (width - 4, height / 2, "rm")]
    places += [(0.8 * width, 2, "ma"), (0.8 * width, height - 2, "md")]
    for letter, (x, y, anchor) in zip(plane[1:], places, strict=True):
        _write(draw, (x, y), letter, anchor)
    bar = _BAR_MM / pixel_mm
    for fill, thick in (("black", 5), ("white", 2)):
        draw.line([(6, height - 8), (6 + bar, height - 8)], fill, thick)
    _write(draw, (8 + bar, height - 1), f"{_BAR_MM} mm", "ld")


def _write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, anchor: str) -> None:
    """White letters with a black rim: visible on bright bone."""
    draw.text(place, text, "white", _FONT, anchor, stroke_width=1, stroke_fill="black")


def _picture(title: str, drawn: Image.Image) -> Picture:
    buffer = io.BytesIO()
    drawn.save(buffer, "WEBP", quality=_QUALITY, method=4, use_sharp_yuv=True)
    return Picture(title, drawn.size, buffer.getvalue())
