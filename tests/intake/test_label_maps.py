"""What labels mean is told by numbers and places together: 19 and 20 are T12 and L1, or L4 and L3."""

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from helpers.intake.label_maps import kind_of, look_into, numbering
from helpers.study.study_file import OPEN

REAL = os.environ.get("RADBOOK_REAL_DATA")


def mask(path, heights):
    """Boxes of 4 mm at the given heights (mm) above the image's foot, by label."""
    labels = np.zeros((120, 12, 12), np.uint8)
    for label, height in heights.items():
        labels[height - 2 : height + 3, 3:9, 3:9] = label
    sitk.WriteImage(sitk.GetImageFromArray(labels), path)
    return path


def meaning(folder, *several):
    paths = [mask(folder / f"{number}.nrrd", heights) for number, heights in enumerate(several)]
    return numbering(look_into(paths)).value


LAYERS = {1: 80, 2: 72, 3: 64, 4: 50, 5: 42, 6: 34}


def test_six_layers_one_below_the_other(tmp_path):
    assert meaning(tmp_path, LAYERS) == "layers"


def test_layers_upside_down_are_no_layers(tmp_path):
    assert meaning(tmp_path, {label: 120 - height for label, height in LAYERS.items()}) == OPEN
    assert meaning(tmp_path, LAYERS | {3: 88}) == OPEN


@pytest.mark.parametrize(
    ("heights", "name"),
    [
        ({19: 80, 20: 50}, "verse"),
        ({18: 105, 19: 80, 20: 50, 21: 20}, "verse"),
        ({32: 80, 31: 50}, "totalsegmentator"),
        ({32: 80, 31: 50, 19: 20, 20: 110}, "totalsegmentator"),
        ({1: 80, 2: 50}, {1: "T12", 2: "L1"}),
        ({2: 80, 1: 50}, {2: "T12", 1: "L1"}),
    ],
)
def test_a_numbering_is_known_by_its_labels_in_their_order(tmp_path, heights, name):
    assert meaning(tmp_path, heights, heights) == name


@pytest.mark.parametrize(
    "heights",
    [
        {20: 80, 19: 50},  # TotalSegmentator's first version: 19 is L4, 20 is L3, or a flipped mask
        {31: 80, 32: 50},  # flipped
        {1: 80, 2: 72},  # body and disc, not two vertebrae
        {255: 50},
    ],
)
def test_numbers_in_another_order_are_left_to_a_person(tmp_path, heights):
    assert meaning(tmp_path, heights) == OPEN


def test_files_that_disagree_are_left_to_a_person(tmp_path):
    assert meaning(tmp_path, {1: 80, 2: 50}, {2: 80, 1: 50}) == OPEN


def test_images_and_masks_are_told_apart_by_what_they_hold(tmp_path):
    image = tmp_path / "a.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 5, 6), -1000, np.int16)), image)
    (tmp_path / "b.nrrd").write_bytes(b"no volume")
    assert kind_of(look_into([image])) == "image"
    assert kind_of(look_into([image, tmp_path / "b.nrrd"])) == "image"
    assert kind_of(look_into([image, mask(tmp_path / "c.nrrd", LAYERS)])) == "other"


@pytest.mark.skipif(REAL is None, reason="RADBOOK_REAL_DATA is not set")
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("totalsegmentator_example/totalseg.nii.gz", "totalsegmentator"),
        ("totalsegmentator_example/totalseg_vertebrae_body.nii.gz", OPEN),
        ("crlm1006_GE/crlm1006_trabecular_approx_mask.nii.gz", "verse"),
        ("tptbox_L3/sub-ct_seg-vert_label-22_msk.nii.gz", OPEN),
    ],
)
def test_real_masks(file, name):
    assert numbering(look_into([Path(REAL) / "ct" / file])).value == name
