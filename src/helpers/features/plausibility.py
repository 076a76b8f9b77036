"""Can this region be cancellous bone of T12 and L1, and this scan CT in HU? Rules on measured facts.

Facts are measured once (`helpers.features.quality`); the rules here judge them by the limits of the study
file at each run, so that another limit needs no image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import Kind
from helpers.features.quality import layer_column
from helpers.features.remarks import joined
from helpers.imaging.regions import LAYERS, VERTEBRAE
from helpers.imaging.surroundings import LEAST_SHELL_HU, SIDES, SIZES
from helpers.study.study_file import Limits, Study

Facts = Mapping[str, float]
# Of these sides a shell must be seen; at the back pedicles and the basivertebral vein open it.
_CLOSED = ("head", "foot", "left", "right", "front")
# Sides of a vertebra that may lack a visible shell: a thin end plate in thick slices, an osteophyte.
_OPEN_SIDES = 1
_ENDS = {"head": "upper", "foot": "lower"}
_JUDGED_SIZES = ("height", "width")
_SEXES = {"female": "women", "male": "men"}
_AXES = {
    "head to foot": ("head", "foot"),
    "left to right": ("left", "right"),
    "front to back": ("front", "back"),
}


class Rule(NamedTuple):
    """One rule: what a breach is about, how it is found, what it asks, and where its limits come from."""

    kind: Kind
    breaches: Callable[[Facts, Limits], list[str]]
    meaning: str
    limits: tuple[str, ...]
    source: str


def breaches(facts: Facts, limits: Limits) -> dict[str, str]:
    """What a patient's facts break, by the name of the rule, in words.

    ``injected`` among the facts says that contrast medium was given, which brightens soft tissue; ``sex``
    (female, male), where it is known, which sizes are usual.
    """
    found = {name: rule.breaches(facts, limits) for name, rule in RULES.items()}
    return {name: "; ".join(told) for name, told in found.items() if told}


def judge(quality: pd.DataFrame, cohort: pd.DataFrame, injected: pd.Series, study: Study) -> pd.DataFrame:
    """Refuse or mark patients whose region or scan is not plausible, as the study file says.

    Parameters
    ----------
    quality : DataFrame
        As :func:`helpers.features.prepare.quality_table` gives it.
    cohort : DataFrame
        ``patient_id`` and, where the hospital's table has them, ``accepted``: why a patient is let in
        nevertheless (empty for the others), and ``sex``.
    injected : Series of bool
        Who was given contrast medium, as far as it is known; indexed as ``quality``.
    study : Study

    Returns
    -------
    DataFrame
        ``quality`` with ``status``, ``reason`` and ``kind`` of those who break a rule; ``broken`` (names of
        the rules broken, without those that the study accepts); and ``accepted`` (the written reason of those
        who would have been refused).
    """
    table, written, sexes = quality.copy(), _told(quality, cohort, "accepted"), _told(quality, cohort, "sex")
    table["broken"], table["accepted"] = "", ""
    for row in quality.index[quality["status"] != "refused"]:
        facts = {**quality.loc[row], "injected": injected[row], "sex": sexes[row]}
        found = breaches(facts, study.limits)
        found = {name: told for name, told in found.items() if getattr(study.plausibility, name) != "accept"}
        if not found:
            continue
        refusing = [name for name in found if getattr(study.plausibility, name) == "refuse"]
        table.loc[row, "broken"] = ", ".join(found)
        told = [quality.loc[row, "reason"], *found.values()]
        if refusing and not written[row]:
            table.loc[row, ["status", "kind"]] = "refused", RULES[refusing[0]].kind
        else:
            table.loc[row, "status"] = "warned"
            table.loc[row, "accepted"] = written[row] if refusing else ""
            told += [f"let in by the hospital: {written[row]}"] if refusing else []
        table.loc[row, "reason"] = joined(*told)
    return table


def _told(quality: pd.DataFrame, cohort: pd.DataFrame, column: str) -> pd.Series:
    """What the hospital's table tells of each patient; empty where it tells nothing."""
    if column not in cohort:
        return pd.Series("", index=quality.index)
    told = cohort.set_index("patient_id")[column].reindex(quality["patient_id"]).fillna("")
    return pd.Series(told.to_numpy(), index=quality.index)


def _edge(facts: Facts, limits: Limits) -> list[str]:
    told = []
    for vertebra in VERTEBRAE:
        deep = {side: -_margin(facts, vertebra, side) - _step(facts, side) / 2 for side in SIDES}
        wrong = [f"{_named(side)} ({deep[side]:.1f} mm)" for side in SIDES if deep[side] > limits.edge_mm]
        if wrong:
            told.append(f"{vertebra}: the region reaches into the cortex or end plate: {', '.join(wrong)}")
    return told


def _shell(facts: Facts, limits: Limits) -> list[str]:
    told = []
    for vertebra in _drawn(facts):
        bare = [side for side in _CLOSED if np.isnan(_margin(facts, vertebra, side))]
        if len(bare) > _OPEN_SIDES:
            told.append(f"{vertebra}: no cortex is seen around the region: {', '.join(map(_named, bare))}")
    return told


def _centred(facts: Facts, limits: Limits) -> list[str]:
    """The margins on opposite sides, mean of T12 and L1: a shift moves both alike, a slip of the hand one."""
    told = []
    for axis, (one, other) in _AXES.items():
        differences = [
            (_margin(facts, vertebra, one) - _margin(facts, vertebra, other)) / 2 for vertebra in VERTEBRAE
        ]
        known = [difference for difference in differences if not np.isnan(difference)]
        limit = limits.off_centre_front_back_mm if one == "front" else limits.off_centre_mm
        moved = abs(float(np.mean(known))) if known else 0.0
        if moved > limit + _step(facts, one) / 6:
            told.append(f"the region lies {moved:.1f} mm out of the middle, {axis}: was it shifted?")
    return told


def _tissue(facts: Facts, limits: Limits) -> list[str]:
    told = []
    for layer, name in LAYERS.items():
        hu = facts[layer_column("hu", layer)]
        if not np.isnan(hu) and not limits.layer_hu[0] <= hu <= limits.layer_hu[1]:
            told.append(f"{name}: mean {hu:.0f} HU, not plain cancellous bone")
    shares = {
        "air_percent": "is air or lung",
        "fat_percent": "is fat",
        "cortex_percent": "is as bright as cortex",
    }
    for name, meaning in shares.items():
        if facts[name] > getattr(limits, name):
            told.append(f"{facts[name]:.1f} % of the region {meaning} (limit {getattr(limits, name):g} %)")
    return told


def _size(facts: Facts, limits: Limits) -> list[str]:
    told = []
    for vertebra in _drawn(facts):
        for size in _JUDGED_SIZES:
            found = facts[f"body_{vertebra.lower()}_{size}"]
            (low, high), whose = _usual(facts, limits, f"body_{size}", "mm")
            if not np.isnan(found) and not low <= found <= high:
                told.append(f"{vertebra}: body {size} {found:.0f} mm (usual {low:g} to {high:g}{whose})")
        volume, ((low, high), whose) = _volume(facts, vertebra), _usual(facts, limits, "region", "mm3")
        if not low <= volume <= high:
            told.append(f"{vertebra}: region of {volume:.0f} mm3 (usual {low:g} to {high:g}{whose})")
    return told


def _usual(facts: Facts, limits: Limits, what: str, unit: str) -> tuple[tuple[float, float], str]:
    """Limits of a size for this patient's sex, where it is known and they differ, and whose they are."""
    whose = _SEXES.get(facts.get("sex", ""), "")
    if whose and (own := getattr(limits, f"{what}_{whose}_{unit}", None)):
        return own, f" in {whose}"
    return getattr(limits, f"{what}_{unit}"), ""


def _pair(facts: Facts, limits: Limits) -> list[str]:
    if len(_drawn(facts)) < len(VERTEBRAE):
        return []
    told = []
    low, high = limits.levels_mm
    if not low <= facts["levels_mm"] <= high:
        told.append(f"T12 and L1 lie {facts['levels_mm']:.0f} mm apart (usual {low:g} to {high:g})")
    if facts["tilt_degrees"] > limits.tilt_degrees:
        told.append(
            f"from T12 to L1 the region runs {facts['tilt_degrees']:.0f} degrees off the patient's axis"
        )
    means = [_mean_hu(facts, vertebra) for vertebra in VERTEBRAE]
    if abs(means[0] - means[1]) > limits.pair_hu:
        told.append(f"T12 has {means[0]:.0f} HU and L1 {means[1]:.0f}: neighbours are more alike")
    for size in _JUDGED_SIZES:
        ratio = facts[f"body_t12_{size}"] / facts[f"body_l1_{size}"]
        if max(ratio, 1 / ratio) > limits.pair_ratio:
            told.append(f"the bodies' {size} differs by a factor of {max(ratio, 1 / ratio):.1f}")
    return told


def _cut_off(facts: Facts, limits: Limits) -> list[str]:
    return ["the region touches the edge of the scan: a part is missing"] if facts["at_edge"] else []


def _hounsfield(facts: Facts, limits: Limits) -> list[str]:
    told = []
    for name, tissue in (("fat_hu", "fat"), ("soft_hu", "soft tissue")):
        low, high = getattr(limits, name)
        high = high if name == "fat_hu" or not facts["injected"] else np.inf
        if not np.isnan(facts[name]) and not low <= facts[name] <= high:
            told.append(
                f"{tissue} has {facts[name]:.0f} HU in this scan (usual {low:g} to {high:g}): wrong rescale "
                "values, another kV, or contrast"
            )
    return told


def _scale(facts: Facts, limits: Limits) -> list[str]:
    scale = facts.get("pixel_scale")
    if scale is None or np.isnan(scale) or 100 * abs(scale - 1) <= limits.pixel_percent:
        return []
    return [
        f"pixel spacing is {scale:.2f} times what the headers' reconstruction diameter gives: one of the two "
        "is wrong, or the slices were resampled"
    ]


def _series(facts: Facts, limits: Limits) -> list[str]:
    names = {"noise_alternates": "from slice to slice", "noise_jumps": "between two parts"}
    return [
        f"noise changes by a factor of {facts[name]:.1f} {where} of the scan: slices of several series?"
        for name, where in names.items()
        if facts[name] > getattr(limits, name)
    ]


def _thickness(facts: Facts, limits: Limits) -> list[str]:
    step = max(facts[f"step_{size}"] for size in SIZES)
    return (
        [f"voxels of {step:.1f} mm (limit {limits.slice_mm:g} mm)"] if step > limits.slice_mm + 0.01 else []
    )


def _pieces(facts: Facts, limits: Limits) -> list[str]:
    lost = facts["lost_percent"]
    if not lost > limits.lost_percent:
        return []
    return [f"{lost:.0f} % of a vertebra's mask lie apart from its body and were left out"]


def _drawn(facts: Facts) -> list[str]:
    return [vertebra for vertebra in VERTEBRAE if _volume(facts, vertebra) > 0]


def _volume(facts: Facts, vertebra: str) -> float:
    return float(np.nansum([facts[layer_column("volume", layer)] for layer in VERTEBRAE[vertebra]]))


def _mean_hu(facts: Facts, vertebra: str) -> float:
    return float(np.nanmean([facts[layer_column("hu", layer)] for layer in VERTEBRAE[vertebra]]))


def _margin(facts: Facts, vertebra: str, side: str) -> float:
    return facts.get(f"margin_{vertebra.lower()}_{side}", np.nan)


def _named(side: str) -> str:
    """A side of a vertebra in words: its head and foot would be taken for the patient's."""
    return f"{_ENDS.get(side, side)} side"


def _step(facts: Facts, side: str) -> float:
    (size,) = [size for size, sides in SIZES.items() if side in sides]
    return facts[f"step_{size}"]


_MEASURED = "chosen on virtual patients, tried on real scans: benchmarks/damage.py"
_ANATOMY = "two or more SDs beyond Panjabi 1991 and 1992, less the cortex"
_BY_SEX = "; by sex 4 SDs beyond Gilsanz 1994 (volumes; areas 25 % smaller in women) and Palm 2025 (heights)"
RULES = {
    "edge": Rule(
        "mask",
        _edge,
        "the region ends before the cortex and the end plates (half a voxel is forgiven)",
        ("edge_mm",),
        _MEASURED,
    ),
    "shell": Rule(
        "mask",
        _shell,
        "cortex or end plate is seen on four of five sides (at the back veins and pedicles open it)",
        (),
        f"{LEAST_SHELL_HU:g} HU above the region's median: noise and trabeculae reach less",
    ),
    "centred": Rule(
        "mask",
        _centred,
        "opposite sides keep the same distance from the shell",
        ("off_centre_mm", "off_centre_front_back_mm"),
        _MEASURED,
    ),
    "tissue": Rule(
        "mask",
        _tissue,
        "layers have the HU of cancellous bone; hardly any voxel is air, fat or cortex",
        ("layer_hu", "cortex_percent", "fat_percent", "air_percent"),
        "means of L1 from 30 to 95 years: Jang 2019",
    ),
    "size": Rule(
        "mask",
        _size,
        "bodies (from shell to shell) and regions have the size of T12 and L1, in women and in men",
        (
            *("body_height_mm", "body_width_mm", "region_mm3", "body_height_women_mm", "body_width_women_mm"),
            *("body_width_men_mm", "region_women_mm3", "region_men_mm3"),
        ),
        _ANATOMY + _BY_SEX,
    ),
    "pair": Rule(
        "mask",
        _pair,
        "T12 and L1 are neighbours along the spine, alike in size and HU",
        ("levels_mm", "tilt_degrees", "pair_hu", "pair_ratio"),
        _ANATOMY,
    ),
    "cut_off": Rule("image", _cut_off, "the region does not touch the edge of the scan", (), "by definition"),
    "hounsfield": Rule(
        "image",
        _hounsfield,
        "fat and soft tissue of the same scan have their HU (where the scan shows them)",
        ("fat_hu", "soft_hu"),
        "fat near -100 HU, muscle near 50 HU at 120 kV without contrast",
    ),
    "scale": Rule(
        "image",
        _scale,
        "pixel spacing agrees with the reconstruction's diameter (where DICOM headers of originals state it)",
        ("pixel_percent",),
        "within 0.3 % in 14 series of 9 scanners (GE, Siemens, Philips, Hitachi)",
    ),
    "series": Rule(
        "image",
        _series,
        "noise runs evenly through the slices",
        ("noise_alternates", "noise_jumps"),
        _MEASURED,
    ),
    "thickness": Rule("image", _thickness, "voxels are short enough for texture", ("slice_mm",), _MEASURED),
    "pieces": Rule(
        "mask", _pieces, "a whole vertebra's mask is one piece", ("lost_percent",), "specks are below 1 %"
    ),
}
