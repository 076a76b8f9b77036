"""Boxes hold a region whole and nothing beyond, whatever its place, as SimpleITK's own measure says."""

import numpy as np
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.imaging.boxes import around, bounding_box, roi_box


def test_nothing_has_an_empty_box():
    assert bounding_box(np.zeros((3, 4, 5))) == (slice(0, 0),) * 3


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6), st.integers(0, 7)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_boxes_are_those_of_simpleitk(voxels):
    array = np.zeros((9, 7, 8), np.uint8)
    array[tuple(np.transpose(voxels))] = 3
    labels = sitk.GetImageFromArray(array)
    labels.SetSpacing((0.7, 1.0, 2.5))
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels > 0)
    expected = np.array(shape.GetBoundingBox(1))
    start, size = roi_box(labels)
    assert [*start, *size] == expected.tolist()
    first, stop = around(labels, margin_mm=2.0)
    margin = [3, 2, 1]  # 2 mm in voxels, rounded up
    assert first.tolist() == np.maximum(expected[:3] - margin, 0).tolist()
    assert stop.tolist() == np.minimum(expected[:3] + expected[3:] + margin, labels.GetSize()).tolist()
