"""What chapter 02 says of the quality control."""

from __future__ import annotations

import pandas as pd

from helpers.features.quality import LIMITS
from helpers.imaging.regions import DOUBTFUL_BEYOND, REFUSED_BEYOND
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


def limits_in_words(study: Study) -> str:
    """The limits of the quality control and the study's rules, one a line."""
    limits = {
        "refused beyond": REFUSED_BEYOND,
        "doubtful beyond": DOUBTFUL_BEYOND,
        "warned about beyond": LIMITS,
    }
    lines = []
    for title, values in limits.items():
        lines += [title, *(f"  {name:<18}{limit:8.0f}" for name, limit in values.items())]
    lines += ["rules of the study file", *(f"  {name:<18}{choice:>12}" for name, choice in study.rules)]
    return "\n".join(lines)


def layers_in_words(quality: pd.DataFrame) -> dict[str, str]:
    """Which layer is densest (mean HU), and how far layers and patients differ, by glue's names."""
    means = quality.filter(regex="^hu_").mean()
    return {
        "densest": means.idxmax()[3:].replace("_", " ").upper(),
        "layer-range": f"{means.max() - means.min():.0f}",
        "patient-sd": f"{quality['trabecular_hu'].std():.0f}",
    }
