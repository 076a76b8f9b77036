"""Quality control of a region: sizes, HU, air, metal, edges, layer by layer."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from helpers.features.blocks import GRID_KEY, Block
from helpers.features.engine.resampling import crop
from helpers.imaging.boxes import roi_box
from helpers.imaging.fields import sides_mm
from helpers.imaging.regions import AIR_HU, LAYERS, missing_vertebrae
from helpers.imaging.sources import Scan

# What is out of the ordinary, and warned about.
LIMITS = {
    "layer_volume_mm3": 500.0,  # smaller layers hold too few voxels for texture
    "hu_low": -100.0,  # mean HU of a layer below fat: not bone
    "hu_high": 400.0,  # above: cement, sclerosis or cortex in the layer
    "air_percent": 1.0,  # voxels below -200 HU: lung or bowel drawn in
    "cortex_percent": 5.0,  # voxels above 400 HU: end plate or cortex drawn in
    "spacing_mm": 3.0,  # thicker slices: texture along the spine is interpolated
    "kvp": 120.0,  # paper 2.2
}


def layer_column(quantity: str, layer: int) -> str:
    """Column of a per-layer quantity, such as ``hu_t12_upper``."""
    return f"{quantity}_{LAYERS[layer].lower().replace(' ', '_')}"


def quality_control(scan: Scan, block: Block, settings: dict) -> dict[str, str | float]:
    """Measure a scan's regions and say what is out of the ordinary.

    Returns
    -------
    dict
        ``status`` (ok or warned) and ``reason``; scanner, kvp (kV), kernel, contrast (agent or amount);
        spacing (mm) and size (voxels); volume (mm3) and mean HU of each layer and of all, on the voxels as
        scanned (missing for a vertebra that is not there, whose name is in ``missing_vertebra``);
        ``trabecular_hu`` (mean HU of the whole region), ``air_percent`` and ``cortex_percent`` (voxels below
        -200 and above 400 HU); ``block_max_abs_hu`` and ``block_voxels`` after resampling.
    """
    facts = {name: scan.facts.get(name) for name in ("scanner", "kvp", "kernel", "contrast")}
    facts["missing_vertebra"] = ", ".join(missing_vertebrae(scan.mask))
    for name, values in (("spacing", scan.image.GetSpacing()), ("size", scan.image.GetSize())):
        facts |= {f"{name}_{axis}": value for axis, value in zip("xyz", values, strict=True)}
    facts |= _layer_statistics(scan)
    facts["block_max_abs_hu"] = float(np.abs(sitk.GetArrayViewFromImage(block.image).astype(float)).max())
    facts["block_voxels"] = int(np.count_nonzero(sitk.GetArrayViewFromImage(block.layers)))
    notes = [*scan.notes, *_notes(facts)] + _edge_note(scan, settings["setting"]["padDistance"])
    notes += _cut_note(scan, settings)
    return {"status": "warned" if notes else "ok", "reason": "; ".join(notes), **facts}


def _layer_statistics(scan: Scan) -> dict[str, float]:
    start, size = roi_box(scan.mask)
    image, mask = (crop(volume, start, start + size) for volume in (scan.image, scan.mask))
    layers = sitk.GetArrayViewFromImage(mask).ravel()
    hu = sitk.GetArrayViewFromImage(image).ravel()
    voxels = np.bincount(layers, minlength=len(LAYERS) + 1)[1:]
    sums = np.bincount(layers, weights=hu, minlength=len(LAYERS) + 1)[1:]
    voxel_mm3 = float(np.prod(scan.image.GetSpacing()))
    facts = {"volume": voxels.sum() * voxel_mm3, "trabecular_hu": sums.sum() / voxels.sum()}
    inside = hu[layers > 0]
    facts["air_percent"] = 100 * np.mean(inside < AIR_HU)
    facts["cortex_percent"] = 100 * np.mean(inside > LIMITS["hu_high"])
    for layer in LAYERS:
        drawn = voxels[layer - 1]
        facts[layer_column("volume", layer)] = drawn * voxel_mm3 if drawn else np.nan
        facts[layer_column("hu", layer)] = sums[layer - 1] / drawn if drawn else np.nan
    return {name: float(value) for name, value in facts.items()}


def _notes(facts: dict) -> list[str]:
    notes = []
    for layer, name in LAYERS.items():
        volume, hu = facts[layer_column("volume", layer)], facts[layer_column("hu", layer)]
        if np.isnan(volume):
            continue
        if volume < LIMITS["layer_volume_mm3"]:
            notes.append(f"{name}: only {volume:.0f} mm3 (limit {LIMITS['layer_volume_mm3']:.0f})")
        if not LIMITS["hu_low"] <= hu <= LIMITS["hu_high"]:
            notes.append(f"{name}: mean {hu:.0f} HU, not plain cancellous bone")
    shares = {"air_percent": "is air or lung", "cortex_percent": "is as bright as cortex"}
    for name, meaning in shares.items():
        if facts[name] > LIMITS[name]:
            notes.append(f"{facts[name]:.1f} % of the region {meaning} (limit {LIMITS[name]:.0f} %)")
    thickest = max(facts[f"spacing_{axis}"] for axis in "xyz")
    if thickest > LIMITS["spacing_mm"]:
        notes.append(f"voxels of {thickest:.1f} mm (limit {LIMITS['spacing_mm']:.1f} mm)")
    if facts["kvp"] is not None and facts["kvp"] != LIMITS["kvp"]:
        notes.append(f"{facts['kvp']:.0f} kV instead of {LIMITS['kvp']:.0f} kV shifts HU")
    return notes


def _edge_note(scan: Scan, pad: float) -> list[str]:
    start, size = roi_box(scan.mask)
    spacing = np.array(scan.image.GetSpacing())
    margin = np.minimum(start, np.array(scan.image.GetSize()) - start - size) * spacing
    if margin.min() >= pad:
        return []
    return [f"the region ends {margin.min():.1f} mm from the edge of the scan; filters need {pad} mm"]


def _cut_note(scan: Scan, settings: dict) -> list[str]:
    """PyRadiomics' grid begins at the corner of the scan, so that a cut moves every feature."""
    if scan.whole or settings[GRID_KEY] != "volume":
        return []
    sides = " x ".join(f"{side:.0f}" for side in sides_mm(scan.image))
    return [
        f"the image ({sides} mm) is cut out of a larger scan; features depend on where: use the whole one"
    ]
