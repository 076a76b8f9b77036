"""From a scan to the block that features are computed on, and quality control on the way.

The block is the box around the regions, resampled as PyRadiomics would resample it; only the part of the
scan that the B-spline can see is resampled, so that a whole chest CT costs hardly more than its spine.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml
from pykwalify.errors import PyKwalifyException
from radiomics.featureextractor import RadiomicsFeatureExtractor

from helpers import dicom, images, masks
from helpers.cases import Case, CaseCache, map_cases, require_some, source_hash
from helpers.errors import StudyError
from helpers.images import ImageSource, Scan, image_sources
from helpers.masks import LAYERS
from helpers.schemas import COHORTS
from helpers.study import Run

# The influence of a voxel on cubic B-spline coefficients fades by 0.27 a voxel: 0.27**40 is 2e-23, less
# than the last bit of a double.
SPLINE_MARGIN = 40

# What is out of the ordinary, and warned about.
LIMITS = {
    "layer_volume_mm3": 500.0,  # smaller layers hold too few voxels for texture
    "hu_low": -100.0,  # mean HU of a layer below fat: not bone
    "hu_high": 400.0,  # above: cement, sclerosis or cortex in the layer
    "metal_hu": 2000.0,  # anywhere in the block: scales the square, exponential and logarithm images
    "spacing_mm": 3.0,  # thicker slices: texture along the spine is interpolated
    "kvp": 120.0,  # paper 2.2
}


def layer_column(quantity: str, layer: int) -> str:
    """Column of a per-layer quantity, such as ``hu_t12_upper``."""
    return f"{quantity}_{LAYERS[layer].lower().replace(' ', '_')}"


def read_settings(path: Path) -> dict:
    """Read a PyRadiomics parameter file.

    Returns
    -------
    dict
        With the keys ``setting``, ``imageType`` and ``featureClass``.

    Raises
    ------
    StudyError
        When the file is missing, breaks PyRadiomics' own schema, or asks for what this project cannot do.
    """
    if not path.is_file():
        raise StudyError(f"There are no extraction settings '{path.name}' (key 'extraction' of the study).")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        RadiomicsFeatureExtractor(settings)
    except (yaml.YAMLError, PyKwalifyException, TypeError) as error:
        raise StudyError(
            f"'{path.name}' is no valid PyRadiomics parameter file: {' '.join(str(error).split())}"
        ) from None
    lacking = {"resampledPixelSpacing", "interpolator", "padDistance"} - set(settings.get("setting") or {})
    if lacking:
        raise StudyError(f"'{path.name}' must state {', '.join(sorted(lacking))} under 'setting'.")
    if settings["setting"].get("normalize"):
        raise StudyError(f"'{path.name}' asks to normalise, which would undo the meaning of HU: remove it.")
    return settings


@dataclass(frozen=True)
class Block:
    """The resampled box around a patient's regions.

    Attributes
    ----------
    image : sitk.Image
        HU, 16-bit signed, at the settings' spacing (mm).
    layers : sitk.Image
        8-bit labels on the same grid, as in ``LAYERS``.
    """

    image: sitk.Image
    layers: sitk.Image

    @property
    def mask(self) -> sitk.Image:
        """All layers merged to one region with the label 1, as in the paper (one row a patient)."""
        return self.layers > 0

    def fingerprint(self) -> str:
        """SHA-256 of voxels and grid."""
        digest = hashlib.sha256(json.dumps(_geometry(self.image)).encode())
        for volume in (self.image, self.layers):
            digest.update(np.ascontiguousarray(sitk.GetArrayViewFromImage(volume)).tobytes())
        return digest.hexdigest()


def preprocess(scan: Scan, settings: dict) -> Block:
    """Resample the box around the regions: cubic B-spline for HU, nearest neighbour for labels.

    Equal, bit by bit, to ``radiomics.imageoperations.resampleImage`` on the whole scan.
    """
    setting = settings["setting"]
    image, layers = resample_roi(
        scan.image,
        scan.mask,
        np.array(setting["resampledPixelSpacing"], dtype=float),
        getattr(sitk, setting["interpolator"]),
        setting["padDistance"],
    )
    return Block(image, layers)


def resample_roi(
    image: sitk.Image, layers: sitk.Image, spacing: np.ndarray, interpolator: int, pad: float
) -> tuple[sitk.Image, sitk.Image]:
    """Resample the box around all labels and ``pad`` voxels of the new grid beyond it.

    Parameters
    ----------
    image, layers : sitk.Image
        On the same grid.
    spacing : ndarray, shape (3,)
        New spacing in mm; 0 keeps that of the image.
    interpolator : int
        SimpleITK's number of the interpolator of the image.
    pad : float
        Voxels of the new grid.
    """
    start, size = roi_box(layers)
    old = np.array(image.GetSpacing())
    # As PyRadiomics: 0 keeps the spacing, and a direction with a single slice of ROI is not resampled.
    spacing = np.where((spacing == 0) | (size == 1), old, spacing)
    if np.allclose(old, spacing):
        return _crop(image, layers, start - pad, start + size + pad)
    lower, upper = _new_box(start, size, np.array(image.GetSize()), old / spacing, pad)
    origin = image.TransformContinuousIndexToPhysicalPoint(
        (0.5 * (spacing - old) / old + lower / (old / spacing)).tolist()
    )
    resampler = sitk.ResampleImageFilter()
    resampler.SetOutputSpacing(spacing.tolist())
    resampler.SetOutputDirection(image.GetDirection())
    resampler.SetOutputOrigin(origin)
    resampler.SetSize((upper - lower + 1).astype(int).tolist())
    if not _meets_old_voxels(lower, upper, old, spacing):
        first, last = lower * spacing / old - SPLINE_MARGIN, (upper + 1) * spacing / old + SPLINE_MARGIN
        image, layers = _crop(image, layers, np.floor(first), np.ceil(last))
    resampler.SetInterpolator(interpolator)
    resampled = resampler.Execute(image)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    return resampled, resampler.Execute(layers)


def roi_box(layers: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and size (x, y, z) of the box around all labels."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputePerimeterOff()
    shape.Execute(layers > 0)
    box = np.array(shape.GetBoundingBox(1))
    return box[:3], box[3:]


def _new_box(
    start: np.ndarray, size: np.ndarray, image_size: np.ndarray, ratio: np.ndarray, pad: float
) -> tuple[np.ndarray, np.ndarray]:
    """First and last voxel of the padded box on the new grid, within the image (PyRadiomics' rounding)."""
    lower = np.floor((start - 0.5) * ratio - pad)
    upper = np.ceil((start + size - 0.5) * ratio + pad)
    return np.maximum(lower, 0), np.minimum(upper, np.ceil(image_size * ratio) - 1)


def _meets_old_voxels(lower: np.ndarray, upper: np.ndarray, old: np.ndarray, new: np.ndarray) -> bool:
    """Whether some new voxel lies exactly on an old one (as from 0.6 to 1 mm in every direction).

    There the spline gives a whole number up to its last bit, ITK cuts off the decimals, and the value
    depends by 1 HU on the rounding of positions: only the uncropped scan repeats PyRadiomics' value.
    """

    def meets(first: float, last: float, a: float, b: float) -> bool:
        places = (np.arange(first, last + 1) + 0.5) * b / a - 0.5
        return bool((np.abs(places - np.round(places)) < 1e-6).any())

    return all(meets(*axis) for axis in zip(lower, upper, old, new, strict=True))


def _crop(
    image: sitk.Image, layers: sitk.Image, first: np.ndarray, stop: np.ndarray
) -> tuple[sitk.Image, sitk.Image]:
    first = np.maximum(first, 0).astype(int).tolist()
    stop = np.minimum(stop, image.GetSize()).astype(int).tolist()
    window = tuple(slice(a, b) for a, b in zip(first, stop, strict=True))
    return image[window], layers[window]


def quality_control(scan: Scan, block: Block, settings: dict) -> dict[str, str | float]:
    """Measure a scan's regions and say what is out of the ordinary.

    Returns
    -------
    dict
        ``status`` (ok or warned) and ``reason``; scanner, kvp (kV), kernel; spacing (mm) and size (voxels);
        volume (mm3) and mean HU of each layer and of all, on the voxels as scanned; ``trabecular_hu``
        (mean HU of the whole region); ``block_max_abs_hu`` and ``block_voxels`` after resampling.
    """
    facts = {name: scan.facts.get(name) for name in ("scanner", "kvp", "kernel")}
    for name, values in (("spacing", scan.image.GetSpacing()), ("size", scan.image.GetSize())):
        facts |= {f"{name}_{axis}": value for axis, value in zip("xyz", values, strict=True)}
    facts |= _layer_statistics(scan)
    facts["block_max_abs_hu"] = float(np.abs(sitk.GetArrayViewFromImage(block.image).astype(float)).max())
    facts["block_voxels"] = int(np.count_nonzero(sitk.GetArrayViewFromImage(block.layers)))
    notes = _notes(facts) + _edge_note(scan, settings["setting"]["padDistance"])
    return {"status": "warned" if notes else "ok", "reason": "; ".join(notes), **facts}


def _layer_statistics(scan: Scan) -> dict[str, float]:
    start, size = roi_box(scan.mask)
    image, mask = _crop(scan.image, scan.mask, start, start + size)
    layers = sitk.GetArrayViewFromImage(mask).ravel()
    hu = sitk.GetArrayViewFromImage(image).ravel()
    voxels = np.bincount(layers, minlength=len(LAYERS) + 1)[1:]
    sums = np.bincount(layers, weights=hu, minlength=len(LAYERS) + 1)[1:]
    voxel_mm3 = float(np.prod(scan.image.GetSpacing()))
    facts = {"volume": voxels.sum() * voxel_mm3, "trabecular_hu": sums.sum() / voxels.sum()}
    for layer in LAYERS:
        facts[layer_column("volume", layer)] = voxels[layer - 1] * voxel_mm3
        facts[layer_column("hu", layer)] = sums[layer - 1] / voxels[layer - 1]
    return {name: float(value) for name, value in facts.items()}


def _notes(facts: dict) -> list[str]:
    notes = []
    for layer, name in LAYERS.items():
        volume, hu = facts[layer_column("volume", layer)], facts[layer_column("hu", layer)]
        if volume < LIMITS["layer_volume_mm3"]:
            notes.append(f"{name}: only {volume:.0f} mm3 (limit {LIMITS['layer_volume_mm3']:.0f})")
        if not LIMITS["hu_low"] <= hu <= LIMITS["hu_high"]:
            notes.append(f"{name}: mean {hu:.0f} HU, not plain cancellous bone")
    if facts["block_max_abs_hu"] > LIMITS["metal_hu"]:
        notes.append(f"{facts['block_max_abs_hu']:.0f} HU near the region: metal or cement")
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


@dataclass(frozen=True)
class Prepared:
    """A patient's block and its quality control."""

    block: Block
    quality: dict[str, str | float]


def prepare(case: Case, sources: dict[str, ImageSource], settings: dict, cache: CaseCache) -> Prepared:
    """Preprocess one case, or take it from the cache when nothing that it depends on has changed."""
    fingerprint = sources[case.site].fingerprint(case.patient_id, reader=case.reader)
    key = cache.key(
        "block", fingerprint, settings["setting"], source_hash(images, dicom, masks, sys.modules[__name__])
    )
    arrays = cache.load(key)
    if arrays is None:
        scan = sources[case.site].load(case.patient_id, reader=case.reader)
        block = preprocess(scan, settings)
        prepared = Prepared(block, quality_control(scan, block, settings))
        cache.save(key, _to_arrays(prepared))
        return prepared
    return _from_arrays(arrays)


def _geometry(image: sitk.Image) -> list[tuple[float, ...]]:
    return [image.GetSpacing(), image.GetOrigin(), image.GetDirection()]


def _to_arrays(prepared: Prepared) -> dict[str, np.ndarray]:
    facts = {"geometry": _geometry(prepared.block.image), "quality": prepared.quality}
    return {
        "image": sitk.GetArrayFromImage(prepared.block.image),
        "layers": sitk.GetArrayFromImage(prepared.block.layers),
        "facts": np.array(json.dumps(facts)),
    }


def _from_arrays(arrays: dict[str, np.ndarray]) -> Prepared:
    facts = json.loads(str(arrays["facts"]))
    volumes = [sitk.GetImageFromArray(arrays[name]) for name in ("image", "layers")]
    spacing, origin, direction = facts["geometry"]
    for volume in volumes:
        volume.SetSpacing(spacing)
        volume.SetOrigin(origin)
        volume.SetDirection(direction)
    return Prepared(Block(*volumes), facts["quality"])


def cases_of(cohort: pd.DataFrame, reader: int = 1) -> list[Case]:
    """The cases of a cohort table (columns ``patient_id`` and ``site``)."""
    return [Case(row.patient_id, row.site, reader) for row in cohort.itertuples()]


def preparation(run: Run) -> partial:
    """:func:`prepare` with everything of ``run`` filled in: sources, settings, cache."""
    return partial(
        prepare,
        sources=image_sources(run),
        settings=read_settings(run.study.path(run.study.extraction)),
        cache=CaseCache(run.cache),
    )


def quality_table(run: Run, cases: Sequence[Case], workers: int) -> pd.DataFrame:
    """Preprocess every case and tabulate the quality control.

    Returns
    -------
    DataFrame
        One row a case in the order given: ``patient_id``, ``status`` (ok, warned, refused), ``reason`` and
        what :func:`quality_control` measures (missing where refused).
    """
    outcomes = map_cases(partial(_quality, preparation(run)), cases, workers, "Preprocessing")
    require_some(outcomes)
    rows = [
        {"patient_id": outcome.case.patient_id}
        | ({"status": "refused", "reason": outcome.reason} if outcome.refused else outcome.value)
        for outcome in outcomes
    ]
    return pd.DataFrame(rows)


def _quality(prepare_case: partial, case: Case) -> dict[str, str | float]:
    return prepare_case(case).quality


def typical_patient(quality: pd.DataFrame) -> str:
    """The patient without remarks (if there is one) whose HU is nearest to the median."""
    usable = quality[quality["status"] != "refused"]
    plain = usable[usable["status"] == "ok"] if (usable["status"] == "ok").any() else usable
    distance = (plain["trabecular_hu"] - plain["trabecular_hu"].median()).abs()
    return plain.loc[distance.idxmin(), "patient_id"]


def quality_summary(quality: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Quality control by cohort, without single patients.

    Returns
    -------
    DataFrame
        ``cohort``, ``patients``, ``ok``, ``warned``, ``refused``, and mean and SD of the region's volume
        (mm3) and HU.
    """
    table = cohort[["patient_id", "cohort"]].merge(quality, on="patient_id")
    by_cohort = table.sort_values("cohort", key=lambda names: names.map(COHORTS.index), kind="stable")
    grouped = pd.concat([by_cohort, table.assign(cohort="all")]).groupby("cohort", sort=False)
    status = {
        name: grouped["status"].agg(lambda column, name=name: int((column == name).sum()))
        for name in ("ok", "warned", "refused")
    }
    measured = {
        f"{column}_{name}": grouped[column].agg(name)
        for column in ("volume", "trabecular_hu")
        for name in ("mean", "std")
    }
    return pd.DataFrame({"patients": grouped.size(), **status, **measured}).reset_index()


def scanner_summary(quality: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Patients by cohort and scanner, with the range of voxel sizes (mm) and tube voltages (kV)."""
    table = cohort[["patient_id", "cohort"]].merge(quality, on="patient_id")
    grouped = table.fillna({"scanner": "not stated"}).groupby(["cohort", "scanner"], sort=False)
    ranges = {
        name: grouped[column].agg(_range)
        for name, column in (
            ("in_plane_mm", "spacing_x"),
            ("slice_step_mm", "spacing_z"),
            ("tube_kv", "kvp"),
        )
    }
    summary = pd.DataFrame({"patients": grouped.size(), **ranges}).reset_index()
    order = summary["cohort"].map(COHORTS.index)
    return summary.assign(order=order).sort_values(["order", "scanner"]).drop(columns="order")


def _range(values: pd.Series) -> str:
    if values.isna().all():
        return "not stated"
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"
