"""Volumes in files: which are images, which label maps, and what the labels of these mean."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import SimpleITK as sitk

from helpers.errors import StudyError
from helpers.imaging.regions import LAYERS, NUMBERINGS
from helpers.imaging.volumes import read_volume
from helpers.intake.guesses import Guess, likely, said, surely, undecided
from helpers.study.study_file import OPEN

_LOOKED_AT = 12  # files of one kind that are opened; radbook check opens all
_MOST_LABELS = 150  # TotalSegmentator has 117
_AIR_HU = -200
# Centres of T12 and L1, and of two neighbouring layers, are so far apart (mm).
_LEVELS_MM = (18.0, 50.0)
_LAYERS_MM = (3.0, 20.0)
# VerSe's vertebrae end at 28 (T13). TotalSegmentator version 1 had T12 and L1 as 23 and 22.
_LAST_OF_VERSE = 28
_VERSION_1 = {23: "T12", 22: "L1"}


class Content(NamedTuple):
    """What one file holds.

    Attributes
    ----------
    kind : {"image", "mask", "other", "damaged"}
    heights : dict of int to float
        Of a mask, the height (mm, upwards) of each label's centre.
    """

    kind: Literal["image", "mask", "other", "damaged"]
    heights: dict[int, float] = {}


def look_into(paths: Iterable[Path]) -> list[Content]:
    """Open some of the files of one kind, evenly spread over all."""
    paths = sorted(paths)
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(_LOOKED_AT, len(paths))).round().astype(int))
    return [_content(paths[place]) for place in chosen]


def _content(path: Path) -> Content:
    try:
        volume = read_volume(path)
    except StudyError:
        return Content("damaged")
    values = sitk.GetArrayViewFromImage(volume)
    low, high = values.min(), values.max()
    if low < _AIR_HU:
        return Content("image")
    whole = values.dtype.kind in "iu" or np.array_equal(values, np.round(values))
    if low < 0 or not whole or high > 255 or len(np.unique(values)) > _MOST_LABELS:
        return Content("other")
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(sitk.Cast(volume, sitk.sitkUInt8))
    return Content("mask", {label: shapes.GetCentroid(label)[2] for label in shapes.GetLabels()})


def kind_of(contents: list[Content]) -> str:
    """What the files of one kind are, where all that were opened agree; else "other"."""
    kinds = {content.kind for content in contents} - {"damaged"}
    return kinds.pop() if len(kinds) == 1 else "other"


def numbering(contents: list[Content]) -> Guess:
    """The value of ``labels``: by which labels there are, and by which of them lies above which.

    Numbers alone cannot tell: 19 and 20 are T12 and L1 for VerSe and L4 and L3 for TotalSegmentator's first
    version. In every file that was opened T12 must lie above L1, as far away as vertebrae are.
    """
    masks = [one.heights for one in contents if one.kind == "mask" and one.heights]
    labels = sorted(set().union(*masks))
    many = {"n": len(masks), "labels": _listed(labels)}
    if not masks:
        return undecided("masks_empty")
    if set(labels) <= set(LAYERS) and len(labels) > 2:
        if all(_ordered(one, [*one], _LAYERS_MM, _LEVELS_MM) for one in masks) and set(labels) == set(LAYERS):
            return surely("layers", "labels_layers", **many)
        return Guess(OPEN, "open", (said("labels_unordered", **many), said("labels_todo")))
    for name in ("totalsegmentator", "verse"):
        if _fits(masks, NUMBERINGS[name], labels, name):
            return surely(name, "labels_named", name=name, **many)
    if _between(masks, _VERSION_1) and max(labels) > _LAST_OF_VERSE:
        return likely(_VERSION_1, "labels_version_1", **many)
    if labels == [1, 2] and (meant := _two(masks, labels)):
        return likely(meant, "labels_two", **many)
    return Guess(OPEN, "open", (said("labels_unknown", **many), said("labels_todo")))


def _listed(labels: list[int]) -> str:
    shown = ", ".join(map(str, labels[:8]))
    return f"{shown} ..." if len(labels) > 8 else shown


def _ordered(heights: dict[int, float], labels: list[int], *limits: tuple[float, float]) -> bool:
    """Whether labels lie one below the other, at distances within any of the limits (mm)."""
    steps = -np.diff([heights[label] for label in sorted(labels)])
    return bool(all(any(low <= step <= high for low, high in limits) for step in steps))


def _fits(masks: list[dict], numbers: dict[int, str], labels: list[int], name: str) -> bool:
    if name == "verse" and max(labels) > _LAST_OF_VERSE:
        return False
    return _between(masks, numbers)


def _between(masks: list[dict], numbers: dict[int, str]) -> bool:
    """Whether T12 lies above L1 in all files that have both, and some have."""
    upper, lower = (next(label for label, own in numbers.items() if own == v) for v in ("T12", "L1"))
    both = [one[upper] - one[lower] for one in masks if {upper, lower} <= set(one)]
    there = all({upper, lower} & set(one) for one in masks)
    return bool(both) and there and all(_LEVELS_MM[0] <= step <= _LEVELS_MM[1] for step in both)


def _two(masks: list[dict], labels: list[int]) -> dict[int, str] | None:
    """Two labels, of which the same lies above in every file: the upper is taken for T12."""
    for upper, lower in (labels, labels[::-1]):
        if _between(masks, {upper: "T12", lower: "L1"}):
            return {upper: "T12", lower: "L1"}
    return None
