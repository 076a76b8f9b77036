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

from helpers import resampling
from helpers.cases import Case, CaseCache, map_cases, require_some, source_hash
from helpers.cluster import scheduler_address
from helpers.errors import StudyError
from helpers.imaging import dicom, grids, mask_files, regions, sources, volumes
from helpers.imaging.boxes import crop, roi_box
from helpers.imaging.regions import AIR_HU, LAYERS, missing_vertebrae
from helpers.imaging.sources import ImageSource, Scan, image_sources
from helpers.resampling import resample_roi
from helpers.study.contracts import COHORTS
from helpers.study.run_folder import Run
from helpers.study.study_file import Rules

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


# The code that a block follows from: editing it makes cached blocks stale.
_SOURCES = (sources, dicom, volumes, grids, mask_files, regions, resampling, sys.modules[__name__])


@dataclass(frozen=True)
class Prepared:
    """A patient's block and its quality control."""

    block: Block
    quality: dict[str, str | float]


def prepare(case: Case, sources: dict[str, ImageSource], settings: dict, cache: CaseCache) -> Prepared:
    """Preprocess one case, or take it from the cache when nothing that it depends on has changed."""
    fingerprint = sources[case.site].fingerprint(case.patient_id, reader=case.reader)
    key = cache.key("block", fingerprint, settings["setting"], source_hash(*_SOURCES))
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
        One row a case in the order given: ``patient_id``, ``status`` (ok, warned, refused), ``reason``, an
        empty ``sensitivity`` (see :func:`apply_rules`), and what :func:`quality_control` measures (missing
        where refused).
    """
    scheduler = scheduler_address(run.study)
    outcomes = map_cases(partial(_quality, preparation(run)), cases, workers, "Preprocessing", scheduler)
    require_some(outcomes)
    rows = [
        {"patient_id": outcome.case.patient_id}
        | ({"status": "refused", "reason": outcome.reason} if outcome.refused else outcome.value)
        for outcome in outcomes
    ]
    table = pd.DataFrame(rows)
    table.insert(3, "sensitivity", "")
    return table


def apply_rules(quality: pd.DataFrame, cohort: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Include, exclude or set aside usable scans that are out of the ordinary, as the study file says.

    Works on measured facts alone: another rule needs no image again.

    Parameters
    ----------
    quality : DataFrame
        As :func:`quality_table` gives it.
    cohort : DataFrame
        ``patient_id``, and where the hospital's table has them ``fracture`` and ``contrast`` (booleans; the
        latter counts instead of what DICOM headers say).
    rules : Rules

    Returns
    -------
    DataFrame
        ``quality`` with ``status`` refused where a rule excludes and warned where it does not, the finding
        in ``reason``, and in ``sensitivity`` the findings without which the main results are repeated.

    Raises
    ------
    StudyError
        When the rules leave nobody.
    """
    table = quality.copy()
    usable = table["status"] != "refused"
    for rule, findings in _findings(table, cohort, rules).items():
        choice, hit = getattr(rules, rule), usable & (findings != "")
        remark = findings + (f" (excluded by the rule '{rule}')" if choice == "exclude" else "")
        _append(table, "reason", hit, remark)
        table.loc[hit & (table["status"] == "ok"), "status"] = "warned"
        if choice == "exclude":
            table.loc[hit, "status"] = "refused"
        if choice == "sensitivity":
            _append(table, "sensitivity", hit, findings)
    if usable.any() and (table["status"] == "refused").all():
        raise StudyError(
            f"The rules of the study file leave none of {usable.sum()} usable patients, for example: "
            f"{table.loc[usable, 'reason'].iloc[0]}. Look at 'rules'."
        )
    return table


def set_aside(run: Run) -> pd.Series:
    """Pseudonyms of those without whom the main results are repeated (`Study.rules`, ``sensitivity``)."""
    if run.study.has_features:
        return pd.Series(dtype=str)
    quality = run.read("preprocessing")
    return quality.loc[_text(quality, "sensitivity") != "", "patient_id"]


def _findings(quality: pd.DataFrame, cohort: pd.DataFrame, rules: Rules) -> dict[str, pd.Series]:
    """What each rule finds in each patient, in words; empty where nothing."""
    known = cohort.set_index("patient_id").reindex(quality["patient_id"]).reset_index(drop=True)
    known.index = quality.index
    unknown = pd.Series(False, index=quality.index)
    injected = _text(quality, "contrast") != ""
    if "contrast" in known:  # a site's table may say nothing
        injected = known["contrast"].astype("boolean").fillna(injected)
    missing = _text(quality, "missing_vertebra")
    highest = quality.get("block_max_abs_hu", unknown).fillna(0)
    words = {
        "missing_vertebra": (missing != "", missing + " is missing"),
        "fracture": (known.get("fracture", unknown), "vertebral fracture (table)"),
        "metal": (
            highest > rules.metal_hu,
            highest.map("{:.0f} HU near the region: metal or cement".format),
        ),
        "contrast": (injected, "contrast-enhanced scan"),
    }
    found = {rule: hit.fillna(False).astype(bool) for rule, (hit, _) in words.items()}
    return {
        rule: pd.Series(text, index=quality.index).where(found[rule], "") for rule, (_, text) in words.items()
    }


def _text(table: pd.DataFrame, column: str) -> pd.Series:
    return table.get(column, pd.Series("", index=table.index)).fillna("").astype(str)


def _append(table: pd.DataFrame, column: str, rows: pd.Series, texts: pd.Series) -> None:
    before = table.loc[rows, column]
    table.loc[rows, column] = before + before.map(lambda text: "; " if text else "") + texts[rows]


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
