"""Quality control of a region: sizes, HU, air, metal, edges, layer by layer."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from helpers.features.blocks import GRID_KEY, Block
from helpers.features.engine.resampling import crop
from helpers.imaging.boxes import around, roi_box
from helpers.imaging.fields import sides_mm
from helpers.imaging.regions import AIR_HU, LAYERS, VERTEBRAE, missing_vertebrae, vertebra_centre
from helpers.imaging.sources import Scan
from helpers.imaging.surroundings import surroundings
from helpers.imaging.tissues import slice_noise, tissue_peaks

# Smaller layers hold too few voxels for texture (mm3).
_LAYER_MM3 = 500.0
_PAPER_KVP = 120.0  # paper 2.2
# As bright as cortex, and as dark as fat (HU): means of 3 x 3 x 3 voxels, so that noise is neither.
CORTEX_HU, FAT_HU = 400.0, -50.0


def layer_column(quantity: str, layer: int) -> str:
    """Column of a per-layer quantity, such as ``hu_t12_upper``."""
    return f"{quantity}_{LAYERS[layer].lower().replace(' ', '_')}"


def quality_control(scan: Scan, block: Block, settings: dict) -> dict[str, str | float]:
    """Measure a scan's regions and what lies around them.

    Returns
    -------
    dict
        ``status`` (ok or warned) and ``reason``; scanner, kvp (kV), kernel, contrast (agent or amount),
        header_patient (keyed hash of the patient number in the headers), pixel_scale (pixel spacing over what
        the headers' reconstruction diameter gives), kvp_calibrated (kV) where the study file calibrates;
        spacing (mm) and size (voxels); volume (mm3) and mean HU of each layer and of all, on the voxels as
        scanned (missing for a vertebra that is not there, whose name is in ``missing_vertebra``);
        ``trabecular_hu`` (mean HU of the whole region), ``air_percent`` (voxels below -200 HU),
        ``fat_percent`` and ``cortex_percent`` (below ``FAT_HU`` and above ``CORTEX_HU``, means of 27 voxels);
        ``levels_mm`` and ``tilt_degrees`` (from T12's centre to L1's, against the patient's axis);
        ``at_edge`` (the region touches the edge of the scan), ``lost_percent`` (of a vertebra's mask, apart
        from its body); what `helpers.imaging.surroundings` and `helpers.imaging.tissues` measure;
        ``block_max_abs_hu`` and ``block_voxels`` after resampling.
    """
    told = ("scanner", "kvp", "kernel", "contrast", "header_patient", "pixel_scale")
    facts = {name: scan.facts.get(name) for name in told}
    facts |= {name: scan.facts[name] for name in ("kvp_calibrated",) if name in scan.facts}
    facts["missing_vertebra"] = ", ".join(missing_vertebrae(scan.mask))
    for name, values in (("spacing", scan.image.GetSpacing()), ("size", scan.image.GetSize())):
        facts |= {f"{name}_{axis}": value for axis, value in zip("xyz", values, strict=True)}
    facts |= _layer_statistics(scan) | _levels(scan.mask) | {"lost_percent": scan.lost_percent}
    facts |= surroundings(scan.image, scan.mask)
    facts |= tissue_peaks(scan.image) | slice_noise(scan.image, scan.mask)
    facts["block_max_abs_hu"] = float(np.abs(sitk.GetArrayViewFromImage(block.image).astype(float)).max())
    facts["block_voxels"] = int(np.count_nonzero(sitk.GetArrayViewFromImage(block.layers)))
    to_edge = _to_edge(scan)
    facts["at_edge"] = float(to_edge <= 0)
    notes = [*scan.notes, *_notes(facts)] + _edge_note(to_edge, settings["setting"]["padDistance"])
    notes += _cut_note(scan, settings)
    return {"status": "warned" if notes else "ok", "reason": "; ".join(notes), **facts}


def _layer_statistics(scan: Scan) -> dict[str, float]:
    first, stop = around(scan.mask, 0)
    image, mask = (crop(volume, first, stop) for volume in (scan.image, scan.mask))
    drawn, hu = sitk.GetArrayViewFromImage(mask), sitk.GetArrayViewFromImage(image)
    voxels = np.bincount(drawn.ravel(), minlength=len(LAYERS) + 1)[1:]
    sums = np.bincount(drawn.ravel(), weights=hu.ravel(), minlength=len(LAYERS) + 1)[1:]
    voxel_mm3 = float(np.prod(scan.image.GetSpacing()))
    facts = {"volume": voxels.sum() * voxel_mm3, "trabecular_hu": sums.sum() / voxels.sum()}
    inside = drawn > 0
    smooth = ndimage.uniform_filter(hu.astype(np.float32), 3)[inside]
    facts["air_percent"] = 100 * np.mean(hu[inside] < AIR_HU)
    facts["fat_percent"] = 100 * np.mean(smooth < FAT_HU)
    facts["cortex_percent"] = 100 * np.mean(smooth > CORTEX_HU)
    for layer in LAYERS:
        own = voxels[layer - 1]
        facts[layer_column("volume", layer)] = own * voxel_mm3 if own else np.nan
        facts[layer_column("hu", layer)] = sums[layer - 1] / own if own else np.nan
    return {name: float(value) for name, value in facts.items()}


def _levels(mask: sitk.Image) -> dict[str, float]:
    """Distance (mm) from T12's centre to L1's, and its angle with the patient's axis (degrees)."""
    upper, lower = (vertebra_centre(mask, vertebra) for vertebra in VERTEBRAE)
    apart = lower - upper
    length = float(np.linalg.norm(apart))
    tilt = np.degrees(np.arccos(np.clip(-apart[2] / length, -1, 1)))
    return {"levels_mm": length, "tilt_degrees": float(tilt)}


def _notes(facts: dict) -> list[str]:
    notes = []
    for layer, name in LAYERS.items():
        volume = facts[layer_column("volume", layer)]
        if volume < _LAYER_MM3:
            notes.append(f"{name}: only {volume:.0f} mm3 (limit {_LAYER_MM3:.0f})")
    kvp = facts.get("kvp_calibrated", facts["kvp"])
    if kvp is not None and kvp != _PAPER_KVP:
        notes.append(f"{kvp:.0f} kV instead of {_PAPER_KVP:.0f} kV shifts HU")
    return notes


def _to_edge(scan: Scan) -> float:
    """Distance of the region from the nearest face of the scan (mm)."""
    start, size = roi_box(scan.mask)
    margin = np.minimum(start, np.array(scan.image.GetSize()) - start - size) * scan.image.GetSpacing()
    return float(margin.min())


def _edge_note(to_edge: float, pad: float) -> list[str]:
    if to_edge >= pad:
        return []
    return [f"the region ends {to_edge:.1f} mm from the edge of the scan; filters need {pad} mm"]


def _cut_note(scan: Scan, settings: dict) -> list[str]:
    """PyRadiomics' grid begins at the corner of the scan, so that a cut moves every feature."""
    if scan.whole or settings[GRID_KEY] != "volume":
        return []
    sides = " x ".join(f"{side:.0f}" for side in sides_mm(scan.image))
    return [
        f"the image ({sides} mm) is cut out of a larger scan; features depend on where: use the whole one"
    ]
