"""Protects the way from drawn or automatic masks to six layers, and the refusals that name the remedy."""

import numpy as np
import pytest
import SimpleITK as sitk
from synthetic_scan import synthetic_scan
from synthetic_spine import grid, like, points, spine

from helpers.errors import StudyError
from helpers.imaging.regions import check_regions, label_codes, missing_vertebrae, six_layers, whole_vertebra

SCAN = synthetic_scan(size=(40, 36, 50), radius_mm=(8, 7, 9))
SPINE = spine()


def voxels(volume):
    return sitk.GetArrayFromImage(volume)


def relabelled(**changes):
    array = voxels(SCAN.mask).astype(np.float32)
    for old, new in changes.items():
        array[array == int(old[1:])] = new
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(SCAN.mask)
    return mask


def layers_of(found, erode_mm=3.0, bodies="own", labels="verse"):
    bodies = found.bodies if bodies == "own" else bodies
    return six_layers(label_codes(found.vertebrae, labels), bodies, erode_mm)[:2]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (SCAN.mask * 0, "empty"),
        ((SCAN.mask > 0) * 255, "255"),
        (sitk.Cast(SCAN.mask > 0, sitk.sitkFloat32) / 255, "0.003922"),
        (relabelled(_5=0), "lacks L1 middle"),
        (relabelled(_5=0, _6=0), "L1 middle, L1 lower"),
        (relabelled(_6=20), "20 are not layers.*labels"),
    ],
)
def test_bad_masks_are_refused_with_the_remedy(mask, message):
    with pytest.raises(StudyError, match=message):
        six_layers(label_codes(mask, "layers"), None, 0)


def test_labels_of_the_study_file_are_translated_and_others_left_out():
    mask = relabelled(_1=31, _2=32, _3=33)
    mask[0, 0, 0] = 77
    table = {31: 1, 32: 2, 33: 3, 4: 4, 5: 5, 6: 6}
    layers, notes, _ = six_layers(label_codes(mask, table), None, 0)
    np.testing.assert_array_equal(voxels(layers), voxels(SCAN.mask))
    assert notes == []


def test_levels_that_are_not_there_are_told_apart_from_empty_masks():
    other = like(np.where(voxels(SPINE.vertebrae) > 0, voxels(SPINE.vertebrae) + 2, 0), SPINE.image)
    with pytest.raises(StudyError, match="neither T12 nor L1"):
        layers_of(SPINE._replace(vertebrae=other))
    with pytest.raises(StudyError, match="numbers.*names"):
        label_codes(SPINE.vertebrae, {"T12 body": "T12"})


@pytest.mark.parametrize(
    ("labels", "numbers"), [("totalsegmentator", (32, 31)), ({5: "T12", 9: "L1"}, (5, 9))]
)
def test_numberings_name_the_same_vertebrae(labels, numbers):
    drawn = voxels(SPINE.vertebrae)
    renumbered = np.select([drawn == 19, drawn == 20], numbers)
    codes = label_codes(like(renumbered, SPINE.image), labels)
    np.testing.assert_array_equal(voxels(codes), voxels(label_codes(SPINE.vertebrae, "verse")))


@pytest.mark.parametrize("value", [1, 255, 1 / 255])
def test_a_file_of_one_vertebra_may_have_any_single_label(value):
    drawn = sitk.Cast(SPINE.bodies, sitk.sitkFloat32) * value
    assert set(np.unique(voxels(whole_vertebra(drawn, "L1")))) == {0, 8}
    with pytest.raises(StudyError, match="T12 has several labels \\(1, 2, 3, 4, 5\\)"):
        whole_vertebra(SCAN.mask, "T12")


GRIDS = {
    "1 mm": grid(),
    "thick slices": grid((84, 96, 33), (1.0, 1.0, 2.5)),
    "sagittal": grid((90, 80, 50), (1.0, 1.0, 1.6), [[0, 0, 1], [1, 0, 0], [0, -1, 0]]),
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("tilt", [0.0, 0.25])
def test_whole_vertebrae_become_thirds_of_their_shrunken_bodies(name, tilt):
    found = spine(GRIDS[name], tilt)
    layers, _ = layers_of(found)
    x, y, z = np.moveaxis(points(found.image), -1, 0)
    y, z = np.cos(tilt) * y + np.sin(tilt) * z, np.cos(tilt) * z - np.sin(tilt) * y
    drawn, step = voxels(layers), max(found.image.GetSpacing())
    inside = drawn > 0
    # Shrunk by 3 mm from bodies of 15 mm radius and 24 mm height, to half a voxel's diagonal.
    assert np.hypot(x, y)[inside].max() <= 12.0 + 0.7 * step
    assert (12 - np.abs(np.abs(z) - 16))[inside].min() >= 3.0 - 0.7 * step
    check_regions(layers, found.image)
    for layer in range(1, 7):
        middle = z[drawn == layer].mean()
        assert middle == pytest.approx({1: 22, 2: 16, 3: 10, 4: -10, 5: -16, 6: -22}[layer], abs=step)
        thickness = np.ptp(z[drawn == layer])
        assert thickness == pytest.approx(6, abs=2 * step + 4 * tilt)


def test_erosion_is_in_millimetres_in_every_direction():
    region = np.zeros((21, 41, 41), np.uint8)
    region[3:18, 5:36, 5:36] = 19
    volume = grid((41, 41, 21), (0.5, 1.0, 2.0))
    kept, *_ = six_layers(label_codes(like(region, volume), "verse"), None, 3.0)
    # No centre outside within 3 mm: 6 voxels of 0.5 mm, 3 of 1 mm, 1 of 2 mm are taken off at each side.
    box = [(part.min(), part.max()) for part in np.nonzero(voxels(kept))]
    assert box == [(4, 16), (8, 32), (11, 29)]


def test_one_vertebra_alone_is_divided_along_the_patient():
    alone = like(np.where(voxels(SPINE.vertebrae) == 20, 20, 0), SPINE.image)
    layers, _ = layers_of(SPINE._replace(vertebrae=alone))
    assert missing_vertebrae(layers) == ["T12"]
    assert set(np.unique(voxels(layers))) == {0, 4, 5, 6}
    check_regions(layers, SPINE.image)


def test_a_vertebra_at_the_edge_keeps_its_last_slice_and_is_noted():
    cut = type(SPINE)(*(volume[:, :, :56] for volume in SPINE))
    layers, notes = layers_of(cut)
    assert notes == ["T12 is cut off by the edge of the scan"]
    assert (voxels(layers)[-1] > 0).any()


def test_specks_are_left_out_and_noted():
    drawn = voxels(SPINE.vertebrae)
    drawn[2:12, 30:40, 20:40] = 19
    bodies = voxels(SPINE.bodies)
    bodies[2:12, 30:40, 20:40] = 1
    speckled = SPINE._replace(vertebrae=like(drawn, SPINE.image), bodies=like(bodies, SPINE.image))
    layers, notes = layers_of(speckled, 0.0)
    assert "T12 is in 2 pieces" in notes[0]
    body = np.count_nonzero((drawn == 19) & (bodies > 0))
    lost = six_layers(label_codes(speckled.vertebrae, "verse"), speckled.bodies, 0.0)[2]
    assert lost == pytest.approx(100 * 2000 / body)
    assert not voxels(layers)[2:12, 30:40, 20:40].any()


def test_nothing_left_is_told():
    with pytest.raises(StudyError, match="T12: nothing is left after shrinking by 20 mm"):
        layers_of(SPINE, 20.0)
    with pytest.raises(StudyError, match="T12 has no body"):
        layers_of(SPINE, bodies=SPINE.bodies * 0)
    flat = voxels(SPINE.vertebrae)
    flat[(np.arange(len(flat)) != 55) & (np.arange(len(flat)) != 56)] = 0
    with pytest.raises(StudyError, match="too flat for three layers"):
        layers_of(SPINE._replace(vertebrae=like(flat, SPINE.image)), 0.0)


@pytest.mark.parametrize("erode_mm", [0.0, 1.0, 4.0])
def test_a_whole_vertebra_for_its_body_is_refused_also_where_shrinking_opens_the_arch(erode_mm):
    with pytest.raises(StudyError, match="surrounds the spinal canal.*bodies"):
        layers_of(SPINE, erode_mm, None)


@pytest.mark.parametrize("name", GRIDS)
def test_layers_with_pedicles_are_refused(name):
    found = spine(GRIDS[name])
    layers = layers_of(found, 2.0)[0]
    check_regions(layers, found.image)
    x, y, z = np.moveaxis(points(found.image), -1, 0)
    pedicles = (np.abs(np.abs(x) - 9) < 3) & (y > 0) & (y < 26)
    drawn = voxels(layers)
    for layer, (low, high) in {1: (19.5, 26), 2: (12.5, 19.5), 3: (6, 12.5)}.items():
        drawn[pedicles & (z > low) & (z <= high)] = layer
    with pytest.raises(StudyError, match="T12: .*on both sides.*pedicles"):
        check_regions(like(drawn, found.image), found.image)


def flipped(layers, axis):
    return like(np.flip(voxels(layers), axis), layers)


@pytest.mark.parametrize("name", GRIDS)
def test_masks_flipped_in_their_content_are_refused(name):
    found = spine(GRIDS[name])
    layers, _ = layers_of(found)
    head_foot, front_back, left_right = (0, 1, 2) if name != "sagittal" else (1, 2, 0)
    with pytest.raises(StudyError, match="flipped top to bottom"):
        check_regions(flipped(layers, head_foot), found.image)
    # An image whose spine lies off the middle: only there does such a flip leave the bone.
    for axis, name in ((front_back, "front to back"), (left_right, "left to right")):
        wide = [0, 0, 0]
        wide[2 - axis] = 40
        image = sitk.ConstantPad(found.image, wide, (0, 0, 0), 40)
        padded = sitk.ConstantPad(layers, wide, (0, 0, 0), 0)
        with pytest.raises(StudyError, match=f"does not lie on bone, but would if it were flipped {name}"):
            check_regions(flipped(padded, axis), image)


def test_regions_in_air_and_tiny_ones_are_refused():
    layers, _ = layers_of(SPINE)
    lung = sitk.Cast(SPINE.image * 0 - 800, sitk.sitkInt16)
    with pytest.raises(StudyError, match="100 % of the region is air"):
        check_regions(layers, lung)
    with pytest.raises(StudyError, match="T12 has only .* mm3"):
        check_regions(layers_of(SPINE, 9.5)[0], SPINE.image)
