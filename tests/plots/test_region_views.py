"""Protects the pictures of the check page: levels can be counted and a shift of 8 mm is seen."""

import io

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.colors import to_rgb
from PIL import Image
from synthetic_spine import grid, like, spine

from helpers.imaging.regions import six_layers
from helpers.imaging.sources import Scan
from helpers.plots.region_views import FINEST_MM, TALLEST, pictures, ribs_picture
from helpers.plots.regions import LAYER_COLOURS

SPINE = spine(grid((150, 150, 150)))


def scan_of(image, vertebrae=SPINE.vertebrae):
    codes = sitk.GetArrayFromImage(vertebrae)
    codes = like(np.where(codes == 19, 7, np.where(codes == 20, 8, 0)), vertebrae)
    return Scan(image, six_layers(codes, SPINE.bodies, 3)[0])


def arrays(scan):
    return {one.title: np.asarray(Image.open(io.BytesIO(one.content))) / 255 for one in pictures(scan)}


def outline(picture, colours=LAYER_COLOURS):
    """Pixels in one of the layers' colours, as rows and columns."""
    return np.argwhere(np.min([np.abs(picture - to_rgb(one)).max(axis=-1) for one in colours], axis=0) < 0.2)


def test_there_are_four_pictures_over_the_whole_height_of_the_scan():
    drawn = pictures(scan_of(SPINE.image))
    assert [one.title for one in drawn] == ["Sagittal", "Coronal", "Ribs", "Axial"]
    assert {one.size[1] for one in drawn[:3]} == {round(150 / FINEST_MM)}
    for one in drawn:
        assert Image.open(io.BytesIO(one.content)).size == one.size


def test_a_tall_scan_is_shown_from_end_to_end_and_no_taller_than_the_page_bears():
    tall = sitk.ConstantPad(SPINE.image, (0, 0, 300), (0, 0, 150), 40)
    scan = scan_of(SPINE.image)
    moved = sitk.ConstantPad(scan.mask, (0, 0, 300), (0, 0, 150), 0)
    assert {one.size[1] for one in pictures(Scan(tall, moved))[:3]} == {TALLEST}


def test_layers_run_from_head_to_foot_and_front_is_on_the_left():
    picture = arrays(scan_of(SPINE.image))["Sagittal"]
    places = [outline(picture, [colour]).mean(axis=0)[0] for colour in LAYER_COLOURS]
    assert places == sorted(places)
    columns = np.flatnonzero((picture.min(axis=-1)[100:350] > 0.6).sum(axis=0) > 50)  # cortex and arch
    region = outline(picture)[:, 1]
    assert columns.min() > region.min() - 5 / FINEST_MM
    assert columns.max() > region.max() + 15 / FINEST_MM


@pytest.mark.parametrize("title", ["Coronal", "Axial"])
def test_a_mask_8_mm_to_the_left_is_seen_beside_the_bone(title):
    straight = scan_of(SPINE.image)
    beside = like(np.roll(sitk.GetArrayFromImage(straight.mask), 8, axis=2), SPINE.image)
    gaps = []
    for scan in (straight, Scan(straight.image, beside)):
        picture = arrays(scan)[title]
        rim = np.argwhere(picture.min(axis=-1)[100:200] > 0.6)[:, 1]  # cortex, without letters
        rim = rim[(rim > 40) & (rim < picture.shape[1] - 40)]
        gaps.append(outline(picture)[:, 1].mean() - np.median(rim))
    assert gaps[1] - gaps[0] == pytest.approx(8 / FINEST_MM, abs=8)


def test_orientation_of_the_file_does_not_matter():
    scan = scan_of(SPINE.image)
    turned = Scan(*(sitk.DICOMOrient(volume, "PIR") for volume in (scan.image, scan.mask)))
    for one, other in zip(arrays(scan).values(), arrays(turned).values(), strict=True):
        assert np.abs(one - other).mean() < 0.01


def test_one_vertebra_alone_is_drawn():
    scan = scan_of(SPINE.image)
    alone = Scan(scan.image, sitk.Mask(scan.mask, scan.mask > 3))
    both, one = (dict(zip(["S", "C", "R", "A"], pictures(each), strict=True))["A"] for each in (scan, alone))
    assert one.size[1] < both.size[1]


def test_the_ribs_before_anything_is_drawn_are_those_of_the_check_page():
    centre = (3.0, -140.0, 520.0)
    plain = np.asarray(Image.open(io.BytesIO(ribs_picture(SPINE.image, np.array(centre)).content))) / 255
    drawn = arrays(scan_of(SPINE.image))["Ribs"]
    assert plain.shape == drawn.shape
    assert len(outline(drawn)) > 100
    assert len(outline(plain)) < 0.02 * len(outline(drawn))
    assert np.median(np.abs(plain - drawn)) < 0.05
