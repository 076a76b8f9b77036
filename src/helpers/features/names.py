"""Names of the 1688 features: which there are, what each means, and how a reader reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

FEATURE_CLASSES = ("shape", "shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
_SHAPES = ("shape", "shape2D")
_LOG_SIGMA = re.compile(r"log-sigma-(\d+)-(\d+)-mm")


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


def shapes_in(names: Iterable[str]) -> list[str]:
    """The features that are computed from the mask alone."""
    return [name for name in names if (split_name(name) or ("", "", ""))[1] in _SHAPES]


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


def class_title(feature_class: str) -> str:
    """A class of PyRadiomics as one reads it: First-order, Shape, GLCM; other words as they are."""
    known = {name: name.upper() for name in FEATURE_CLASSES} | {"firstorder": "First-order", "shape": "Shape"}
    return known.get(feature_class, feature_class)


def readable_name(feature: str) -> str:
    """A PyRadiomics name for an axis, such as ``GLSZM Zone Entropy, LoG 3 mm``; others as they are."""
    parts = split_name(feature)
    if parts is None:
        return feature
    image, feature_class, name = parts
    image = re.sub(r"log-sigma-(\d+)-(\d+)-mm-3D", r"LoG \1.\2 mm", image).replace(".0 mm", " mm")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    title = f"{class_title(feature_class)} {words}"
    return title if image == "original" else f"{title}, {image.replace('-', ' ')}"
