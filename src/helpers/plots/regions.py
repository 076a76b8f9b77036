"""How a scan and its regions look: the drawings of notebook 02."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from helpers.features.blocks import Block
from helpers.features.quality import layer_column
from helpers.imaging.boxes import roi_box
from helpers.imaging.regions import LAYERS, missing_vertebrae
from helpers.imaging.slices import PLANES, Cut, Plane, cut, layer_centre
from helpers.imaging.sources import Scan
from helpers.plots.panels import NARROW
from helpers.plots.style import cohort_colours, fonts_of, panel_grid
from helpers.study.cohorts import cohort_title, ordered_cohorts

LAYER_COLOURS = ["#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00"]
BONE_WINDOW = (-450, 1050)  # level 300 HU, width 1500 HU
CANCELLOUS_WINDOW = (-150, 450)
_FRAME_MM = 28  # around the regions
_MARGIN_MM = 6  # where they fill the picture


def roi_figure(scan: Scan) -> Figure:
    """Draw the six layers on axial slices of T12 and L1, a sagittal and a coronal slice (paper Figure 2)."""
    middles = {"T12": 2, "L1": 5}
    there = [vertebra for vertebra in middles if vertebra not in missing_vertebrae(scan.mask)]
    views = [("axial", (middles[vertebra],), f"Axial, {vertebra}") for vertebra in there]
    views += [("sagittal", tuple(LAYERS), "Sagittal"), ("coronal", tuple(LAYERS), "Coronal")]
    figure, axes = panel_grid(len(views), 3.6)
    side = 2 * _FRAME_MM + max(roi_box(scan.mask)[1] * scan.mask.GetSpacing())
    for ax, (plane, chosen, title) in zip(axes, views, strict=True):
        view = cut(scan.image, scan.mask, plane, layer_centre(scan.mask, chosen))
        draw_hu(ax, view)
        colours = {"cmap": ListedColormap(LAYER_COLOURS), "vmin": 0.5, "vmax": 6.5, "alpha": 0.5}
        shown = np.ma.masked_equal(view.layers, 0)
        ax.imshow(shown, extent=view.extent, interpolation="nearest", **colours)
        frame(ax, scan.mask, plane, side_mm=side)
        ax.set(title=title, label=title, facecolor="black")
    named = zip(LAYER_COLOURS, LAYERS.values(), strict=True)
    handles = [Patch(color=colour, alpha=0.7, label=name) for colour, name in named]
    figure.legend(handles=handles, loc="outside lower center", ncol=3, handlelength=1)
    return figure


def draw_hu(ax: Axes, view: Cut, window: tuple[float, float] = BONE_WINDOW) -> None:
    """Draw a cut in grey, voxels unsmoothed."""
    low, high = window
    ax.imshow(view.hu, cmap="gray", vmin=low, vmax=high, extent=view.extent, interpolation="nearest")


def frame(ax: Axes, layers: sitk.Image, plane: str, side_mm: float = 0) -> None:
    """Limit an axes to the regions, or to a square around them; letters and a bar, no ticks.

    Squares of one ``side_mm`` show different planes at the same scale.
    """
    oriented = sitk.DICOMOrient(layers, "LPS")
    start, size = roi_box(oriented)
    origin, spacing = np.array(oriented.GetOrigin()), np.array(oriented.GetSpacing())
    first, last = origin + start * spacing, origin + (start + size - 1) * spacing
    half = np.full(3, side_mm / 2) if side_mm else (last - first) / 2 + _MARGIN_MM
    low, high = (first + last) / 2 - half, (first + last) / 2 + half
    across, up = {"axial": (0, 1), "sagittal": (1, 2), "coronal": (0, 2)}[plane]
    (left, right), (bottom, top) = (low[across], high[across]), (low[up], high[up])
    if not side_mm:
        drawn = ax.images[0].get_extent()
        left, right = max(left, drawn[0]), min(right, drawn[1])
        bottom, top = max(bottom, min(drawn[2:])), min(top, max(drawn[2:]))
    ax.set(xlim=(left, right), ylim=(top, bottom) if plane == "axial" else (bottom, top))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    _letters(ax, PLANES[plane])
    _scale_bar(ax)


def _letters(ax: Axes, plane: Plane) -> None:
    style = {"transform": ax.transAxes, "color": "white", "fontsize": 9, "ha": "center", "va": "center"}
    style["path_effects"] = _edge(1.5)
    ax.text(0.03, 0.5, plane.left, **style)
    ax.text(0.97, 0.5, plane.right, **style)
    ax.text(0.5, 0.96, plane.top, **style)
    ax.text(0.5, 0.04, plane.bottom, **style)


def _scale_bar(ax: Axes) -> None:
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    length = 20 if right - left > 70 else 10
    start, height = left + 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    ax.plot([start, start + length], [height, height], color="white", linewidth=2, path_effects=_edge(4))
    place = bottom + 0.08 * (top - bottom)
    ax.text(start, place, f"{length} mm", color="white", fontsize=8.5, path_effects=_edge(1.5))


def _edge(width: float) -> list[withStroke]:
    """Black rim: white marks stay visible on bright bone."""
    return [withStroke(linewidth=width, foreground="black")]


def resampling_figure(scan: Scan, block: Block, bin_width: float) -> Figure:
    """Draw the same sagittal slice as scanned, at the new spacing and in grey levels of ``bin_width`` HU."""
    centre = layer_centre(scan.mask)
    figure, axes = panel_grid(3, 3.3)
    volumes = [(scan.image, scan.mask), (block.image, block.layers), (block.image, block.layers)]
    names = ("scanned", "resampled", "levels")
    for ax, name, (volume, layers) in zip(axes, names, volumes, strict=True):
        ax.set_label(name)
        view = cut(volume, layers, "sagittal", centre)
        draw_hu(ax, view, CANCELLOUS_WINDOW)
        frame(ax, block.layers, "sagittal")
        ax.set_title(" x ".join(f"{step:.3g}" for step in volume.GetSpacing()) + " mm")
    _draw_levels(axes[2], view, bin_width)
    axes[2].set_title(f"grey levels of {bin_width:g} HU")
    return figure


def _draw_levels(ax: Axes, view: Cut, bin_width: float) -> None:
    """The regions of a cut in steps of the bin width, with their colour bar."""
    levels = np.ma.masked_where(view.layers == 0, np.floor(view.hu / bin_width) * bin_width)
    edges = np.arange(levels.min(), levels.max() + 2 * bin_width, bin_width)
    norm = BoundaryNorm(edges, 256)
    drawn = ax.imshow(levels, cmap="viridis", norm=norm, extent=view.extent, interpolation="nearest")
    ticks = edges[:: max(1, len(edges) // 6)]
    bar = ax.figure.colorbar(drawn, ax=ax, ticks=ticks, label="HU at the lower edge of a bin", shrink=0.8)
    bar.ax.set_label(ax.get_label())


def histogram_figure(scan: Scan, block: Block, bin_width: float) -> Figure:
    """Histogram of HU inside the regions, as scanned and resampled, in the bins used for texture."""
    values = [
        sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(layers) > 0]
        for image, layers in ((scan.image, scan.mask), (block.image, block.layers))
    ]
    low, high = min(hu.min() for hu in values), max(hu.max() for hu in values)
    edges = np.arange(np.floor(low / bin_width), np.ceil(high / bin_width) + 2) * bin_width
    figure, ax = plt.subplots(figsize=(NARROW, 3.2))
    titles = {"as scanned": "#999999", "resampled": "#0072B2"}
    for hu, (name, colour) in zip(values, titles.items(), strict=True):
        label = f"{name}: {hu.mean():.0f} ± {hu.std():.0f} HU, {hu.size:,} voxels"
        share = np.full(hu.size, 100 / hu.size)
        ax.hist(hu, edges, weights=share, histtype="step", color=colour, label=label)
    ax.set(xlabel=f"HU, bins of {bin_width:g}", ylabel="Voxels of the region (%)")
    figure.legend(loc="outside upper center", ncol=1)
    return figure


def layer_hu_figure(quality: pd.DataFrame, cohort: pd.DataFrame) -> Figure:
    """Box plots of mean HU per layer, by cohort."""
    columns = {layer_column("hu", layer): name for layer, name in LAYERS.items()}
    table = quality.merge(cohort[["patient_id", "cohort"]], on="patient_id").rename(columns=columns)
    long = table.melt(id_vars="cohort", value_vars=list(columns.values()), var_name="layer", value_name="hu")
    present = ordered_cohorts(long["cohort"])
    figure, ax = plt.subplots(figsize=(NARROW, 3.6))
    style = {"hue_order": present, "palette": cohort_colours(present), "linewidth": 0.8, "fliersize": 2}
    sns.boxplot(long, x="layer", y="hu", hue="cohort", ax=ax, **style)
    ax.set_xticks(range(len(LAYERS)), [name.replace(" ", "\n") for name in LAYERS.values()])
    ax.set(xlabel="Layer", ylabel="Mean HU")
    handles, _ = ax.get_legend_handles_labels()
    ax.get_legend().remove()
    labels = [cohort_title(name) for name in present]
    figure.legend(handles, labels, loc="outside upper center", ncol=2, prop=fonts_of(labels))
    return figure
