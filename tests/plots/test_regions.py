"""Protects the orientation of the drawings: a radiologist trusts that L is left and S is up."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from synthetic_scan import synthetic_scan

from helpers.features.blocks import Block
from helpers.features.quality import layer_column
from helpers.imaging import slices
from helpers.imaging.regions import LAYERS
from helpers.imaging.slices import PLANES
from helpers.plots.regions import draw_hu, layer_hu_figure, resampling_figure, roi_figure

# Letters of the LPS axes' positive and negative ends.
ENDS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("stored", ["LPS", "RAS", "PIR"])
@pytest.mark.parametrize("plane", PLANES)
def test_a_mark_is_drawn_at_the_edge_whose_letter_it_bears(plane, stored):
    letters = PLANES[plane]
    for letter, edge in zip(letters[1:], ("left", "right", "top", "bottom"), strict=True):
        volume = sitk.Image(20, 22, 24, sitk.sitkInt16)
        volume.SetSpacing((1.0, 1.1, 1.2))
        axis, sign = ENDS[letter]
        index = [10, 11, 12]
        index[axis] += sign * 8
        volume[index] = 1000
        volume = sitk.DICOMOrient(volume, stored)
        centre = np.array([10.0, 12.1, 14.4])
        view = slices.cut(volume, volume > 0, plane, centre)
        drawn = plt.figure().add_subplot()
        draw_hu(drawn, view)
        row, column = np.unravel_index(view.hu.argmax(), view.hu.shape)
        place = {
            "left": column < 5,
            "right": column > view.hu.shape[1] - 6,
            "top": row < 5,
            "bottom": row > view.hu.shape[0] - 6,
        }
        assert [name for name, there in place.items() if there] == [edge]
        # The mark's millimetres are those of the volume.
        left, right, bottom, top = view.extent
        across = {"axial": 0, "coronal": 0, "sagittal": 1}[plane]
        x = left + (column + 0.5) * (right - left) / view.hu.shape[1]
        assert x == pytest.approx(np.multiply(index, (1.0, 1.1, 1.2))[across])
        up = {"axial": 1, "coronal": 2, "sagittal": 2}[plane]
        y = top + (row + 0.5) * (bottom - top) / view.hu.shape[0]
        assert y == pytest.approx(np.multiply(index, (1.0, 1.1, 1.2))[up])


def test_roi_figure_has_letters_scale_and_all_six_layers():
    figure = roi_figure(synthetic_scan())
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["Axial, T12", "Axial, L1", "Sagittal", "Coronal"]
    assert {text.get_text() for text in figure.axes[2].texts} >= {"A", "P", "H", "F", "20 mm"}
    # Squares of one size: a millimetre is as long on each of them.
    sides = [np.abs(np.diff(limits)) for ax in figure.axes for limits in (ax.get_xlim(), ax.get_ylim())]
    np.testing.assert_allclose(sides, 80)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(LAYERS.values())


def test_grey_levels_are_those_of_pyradiomics():
    scan = synthetic_scan(spacing=(1.0, 1.0, 1.0))
    figure = resampling_figure(scan, Block(scan.image, scan.mask), 25)
    levels = figure.axes[2].images[1].get_array()
    hu = figure.axes[2].images[0].get_array()
    shown = ~np.ma.getmaskarray(levels)
    np.testing.assert_array_equal(levels[shown].data, hu[shown].data // 25 * 25)


def test_layer_plot_has_a_box_for_every_layer_and_cohort_present():
    patients = [f"D{n}" for n in range(8)]
    cohort = pd.DataFrame({"patient_id": patients, "cohort": ["training", "external"] * 4})
    columns = {layer_column("hu", layer): np.arange(8.0) for layer in LAYERS}
    figure = layer_hu_figure(pd.DataFrame({"patient_id": patients, **columns}), cohort)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == [
        name.replace(" ", "\n") for name in LAYERS.values()
    ]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["Training", "External validation"]
