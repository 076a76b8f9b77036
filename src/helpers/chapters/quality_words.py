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
    """The study file's rules on unusual scans: rule, choice."""
    return pd.DataFrame(
        [(name.replace("_", " "), str(choice)) for name, choice in study.rules], columns=["rule", "choice"]
    )


def layers_in_words(quality: pd.DataFrame) -> dict[str, str]:
    """Which layer is densest (mean HU), and how far layers and patients differ, by glue's names."""
    means = quality.filter(regex="^hu_").mean()
    return {
        "densest": means.idxmax()[3:].replace("_", " ").upper(),
        "layer-range": f"{means.max() - means.min():.0f}",
        "patient-sd": f"{quality['trabecular_hu'].std():.0f}",
    }
