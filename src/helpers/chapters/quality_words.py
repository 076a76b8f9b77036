"""What chapter 02 says of the quality control."""

from __future__ import annotations

import pandas as pd

from helpers.features.plausibility import RULES
from helpers.study.small_counts import shown_count
from helpers.study.study_file import Study


def counts_in_words(quality: pd.DataFrame, min_cell: int) -> dict[str, str]:
    """How many patients are ok, warned about and refused, by glue's names.

    Parameters
    ----------
    quality : DataFrame
        The artifact "preprocessing".
    min_cell : int
        Fewer patients are not told.
    """
    statuses = ("ok", "warned", "refused")
    return {
        f"{status}-patients": shown_count((quality["status"] == status).sum(), min_cell)
        for status in statuses
    }


def plausibility_table(study: Study) -> pd.DataFrame:
    """The rules on regions and scans, with the study's choices and limits.

    Returns
    -------
    DataFrame
        rule, what is asked, limits, a breach is (refused, marked, or accepted), source of the limits.
    """
    choices = {"refuse": "refused", "ask": "marked", "accept": "accepted"}
    rows = [
        (
            name,
            rule.meaning,
            "; ".join(f"{limit} {_shown(getattr(study.limits, limit))}" for limit in rule.limits),
            choices[getattr(study.plausibility, name)],
            rule.source,
        )
        for name, rule in RULES.items()
    ]
    return pd.DataFrame(rows, columns=["rule", "what is asked", "limits", "a breach is", "source"])


def _shown(limit: float | tuple[float, float]) -> str:
    return " to ".join(f"{end:g}" for end in limit) if isinstance(limit, tuple) else f"{limit:g}"


def rules_table(study: Study) -> pd.DataFrame:
    """The study file's rules on unusual scans, for patients whom their hospital's table has not excluded.

    Returns
    -------
    DataFrame
        finding (with the limit, HU, where it has one), patients with it are.
    """
    choices = {"include": "kept", "exclude": "left out", "sensitivity": "kept, and set aside once more"}
    findings = {name: name.replace("_", " ") for name in type(study.rules).model_fields if name != "metal_hu"}
    findings["metal"] = f"metal or cement (above {study.rules.metal_hu:g} HU)"
    rows = [(words, choices[getattr(study.rules, name)]) for name, words in findings.items()]
    return pd.DataFrame(rows, columns=["finding", "patients with it are"])


def short_quality(quality: pd.DataFrame) -> pd.DataFrame:
    """Of the artifact "preprocessing" what fits a page: status, reason, HU of region and layers."""
    layers = {name: f"{_layer(name)} (HU)" for name in quality.filter(regex="^hu_")}
    measured = {"volume": "volume (mm³)", "trabecular_hu": "region (HU)", **layers}
    names = measured | {"block_max_abs_hu": "largest near it (HU)"}
    return quality[["patient_id", "status", "reason", *names]].rename(columns=names)


def _layer(name: str) -> str:
    """``hu_t12_upper`` as one reads it: T12 upper."""
    vertebra, third = name.removeprefix("hu_").split("_")
    return f"{vertebra.upper()} {third}"


def layers_in_words(quality: pd.DataFrame) -> dict[str, str]:
    """Which layer is densest (mean HU), and how far layers and patients differ, by glue's names."""
    means = quality.filter(regex="^hu_").mean()
    return {
        "densest": _layer(means.idxmax()),
        "layer-range": f"{means.max() - means.min():.0f}",
        "patient-sd": f"{quality['trabecular_hu'].std():.0f}",
    }
