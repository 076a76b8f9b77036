"""Radiomic features of every patient (paper 2.4): PyRadiomics' values under PyRadiomics' names."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers import laplacian, mesh, texture
from helpers.cases import Case, CaseCache, map_cases, require_some, source_hash
from helpers.cluster import scheduler_address
from helpers.errors import StudyError
from helpers.preprocessing import Block, preparation, read_settings
from helpers.study.run_folder import Run

FEATURE_CLASSES = ("shape", "shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOG_SIGMA = re.compile(r"log-sigma-(\d+)-(\d+)-mm")


def extractor(settings: dict) -> texture.FastExtractor:
    """Feature extractor for blocks, which are resampled and cropped already.

    Parameters
    ----------
    settings : dict
        As :func:`helpers.preprocessing.read_settings` gives them.
    """
    return _extractor(json.dumps(settings))


@lru_cache(maxsize=4)
def _extractor(settings: str) -> texture.FastExtractor:
    # Once a process: PyRadiomics checks the parameters against its schema each time.
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    return texture.FastExtractor(json.loads(settings), resampledPixelSpacing=None)


def extract(block: Block, settings: dict) -> dict[str, float]:
    """All features of a patient's merged region, in PyRadiomics' order.

    Equal to PyRadiomics' own run of the same settings on the whole scan.
    """
    values = extractor(settings).execute(block.image, block.mask)
    return {name: float(value) for name, value in values.items() if not name.startswith("diagnostics_")}


def extract_case(case: Case, prepare_case: partial, settings: dict, cache: CaseCache) -> dict[str, float]:
    """Features of one case, taken from the cache when the same block has been measured before.

    Raises
    ------
    StudyError
        When a feature is not a finite number: every later step needs a value, and a made-up one would
        hide that the region is unfit (too small, or flat).
    """
    block = prepare_case(case).block
    key = cache.key("features", block.fingerprint(), settings, source_hash(texture, laplacian, mesh))
    arrays = cache.load(key)
    if arrays is None:
        features = extract(block, settings)
        arrays = {"names": np.array(list(features)), "values": np.array(list(features.values()))}
        cache.save(key, arrays)
    broken = arrays["names"][~np.isfinite(arrays["values"])]
    if broken.size:
        raise StudyError(
            f"{case.patient_id}: {broken.size} feature(s) have no finite value, for example {broken[0]}. The "
            "region is too small or has a single grey level: look at the mask."
        )
    return dict(zip(arrays["names"].tolist(), arrays["values"].tolist(), strict=True))


def features_table(run: Run, cases: Sequence[Case], workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Extract the features of every case.

    Returns
    -------
    features : DataFrame
        ``patient_id`` and one column a feature (float64, PyRadiomics' order); a row for each case that
        has them, in the order given.
    refused : DataFrame
        ``patient_id`` and ``reason`` of the others.
    """
    function = partial(
        extract_case,
        prepare_case=preparation(run),
        settings=read_settings(run.study.path(run.study.extraction)),
        cache=CaseCache(run.cache),
    )
    values, label = partial(_values, function), "Extracting features"
    outcomes = map_cases(values, cases, workers, label, scheduler_address(run.study))
    require_some(outcomes)
    measured = [outcome for outcome in outcomes if not outcome.refused]
    refused = [(outcome.case.patient_id, outcome.reason) for outcome in outcomes if outcome.refused]
    features = pd.DataFrame({"patient_id": pd.Series([o.case.patient_id for o in measured], dtype=str)})
    if measured:
        names = list(function(measured[0].case))  # from the cache
        table = pd.DataFrame(np.stack([outcome.value for outcome in measured]), columns=names)
        features = pd.concat([features, table], axis=1)
    return features, pd.DataFrame(refused, columns=["patient_id", "reason"])


def _values(extract_one: partial, case: Case) -> np.ndarray:
    """Features without their names, which are the same for all: a thirtieth of the memory."""
    return np.array(list(extract_one(case).values()))


def feature_names(features: pd.DataFrame) -> list[str]:
    """Feature columns of a features table, in PyRadiomics' order."""
    return [name for name in features.columns if name != "patient_id"]


def feature_dictionary(names: Sequence[str]) -> pd.DataFrame:
    """Take PyRadiomics' feature names apart.

    Returns
    -------
    DataFrame
        ``feature`` (the full name), ``image_type`` (Shape for what comes from the mask alone; Original,
        Wavelet, LoG, Square ...), ``image`` (the single image, such as wavelet-LLH), ``feature_class``,
        ``name``, and ``log_sigma_mm`` (missing but for LoG). Names of another make: "other".
    """
    return pd.DataFrame([_dictionary_row(name) for name in names])


def split_name(feature: str) -> tuple[str, str, str] | None:
    """Image, class and name of a PyRadiomics feature; None for a name of another make."""
    parts = tuple(feature.split("_", 2))
    return parts if len(parts) == 3 and parts[1] in FEATURE_CLASSES else None


def _dictionary_row(feature: str) -> dict[str, str | float]:
    parts = split_name(feature)
    if parts is None:  # another engine's name, in a table of ready features
        unknown = dict.fromkeys(["image_type", "image", "feature_class"], "other")
        return {"feature": feature, **unknown, "name": feature, "log_sigma_mm": np.nan}
    image, feature_class, name = parts
    sigma = _LOG_SIGMA.match(image)
    family = {"log": "LoG"}.get(image.split("-")[0], image.split("-")[0].capitalize())
    return {
        "feature": feature,
        "image_type": "Shape" if feature_class == "shape" else family,
        "image": image,
        "feature_class": feature_class,
        "name": name,
        "log_sigma_mm": float(f"{sigma[1]}.{sigma[2]}") if sigma else np.nan,
    }


def feature_counts(dictionary: pd.DataFrame) -> pd.DataFrame:
    """Features by class (rows) and image type (columns), with totals and the number of images."""
    order = dictionary["image_type"].unique()
    counts = pd.crosstab(dictionary["feature_class"], dictionary["image_type"])
    counts = counts.reindex(index=dictionary["feature_class"].unique(), columns=order)
    counts.loc["all classes"] = counts.sum()
    counts["all image types"] = counts.sum(axis=1)
    counts.loc["images"] = [*dictionary.groupby("image_type")["image"].nunique()[order], np.nan]
    return counts.astype("Int64").rename_axis(index="feature class", columns="image type")


def reader_icc(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Agreement of two readers, ICC(2,1), for every feature.

    Parameters
    ----------
    first, second : DataFrame
        Features tables of the two readers; patients whom both have are compared.

    Returns
    -------
    DataFrame
        ``feature``, ``image_type``, ``feature_class``, ``icc``, ``ci_low``, ``ci_high``; the last three are
        missing for a constant feature, and for all when fewer than two patients have two readers.
    """
    # Imported here, as matplotlib below: a process that measures patients needs neither, and both are large.
    from helpers.reliability import icc

    names = feature_names(first)
    table = feature_dictionary(names)[["feature", "image_type", "feature_class"]]
    patients = sorted(set(first["patient_id"]) & set(second.get("patient_id", [])))
    if len(patients) < 2:
        return table.assign(icc=np.nan, ci_low=np.nan, ci_high=np.nan)
    readings = [frame.set_index("patient_id").loc[patients, names].T for frame in (first, second)]
    agreement = icc(np.stack(readings, axis=-1), kind="2,1")
    return table.assign(icc=agreement.icc, ci_low=agreement.ci_low, ci_high=agreement.ci_high)


def icc_summary(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Count, by feature class and in all, the features whose ICC is above ``threshold``.

    Returns
    -------
    DataFrame
        ``feature_class``, ``features``, ``median_icc``, ``above`` (estimate above the threshold),
        ``lower_limit_above`` (its lower 95 % limit above it), ``undefined`` (no ICC: constant feature).
    """
    everything = table.assign(feature_class="all")
    grouped = pd.concat([table, everything]).groupby("feature_class", sort=False)
    return pd.DataFrame(
        {
            "features": grouped.size(),
            "median_icc": grouped["icc"].median(),
            "above": grouped["icc"].agg(lambda values: int((values > threshold).sum())),
            "lower_limit_above": grouped["ci_low"].agg(lambda values: int((values > threshold).sum())),
            "undefined": grouped["icc"].agg(lambda values: int(values.isna().sum())),
        }
    ).reset_index()


def icc_figure(table: pd.DataFrame, threshold: float) -> Figure:
    """Histogram of the ICC in each feature class, with the threshold and the share above it."""
    import matplotlib.pyplot as plt

    classes = table["feature_class"].unique()
    figure, axes = plt.subplots(2, 4, figsize=(7.2, 4.4), sharex=True)
    for ax, name in zip(axes.flat, classes, strict=False):
        values = table.loc[table["feature_class"] == name, "icc"].dropna()
        # Estimates may be negative; below 0 there is nothing to tell apart.
        ax.hist(values.clip(lower=0), bins=np.linspace(0, 1, 21), color="#0072B2")
        ax.axvline(threshold, color="#D55E00", linewidth=1.2)
        ax.set_title(f"{name}\n{(values > threshold).mean():.0%} above", fontsize=9)
    for ax in axes.flat[len(classes) :]:
        ax.set_axis_off()
    figure.supxlabel("ICC(2,1); values below 0 drawn at 0")
    figure.supylabel("Features")
    return figure
