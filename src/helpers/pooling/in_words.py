"""What the pooled chapter says in its sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.evaluation.meta_analysis import FEWEST
from helpers.pooling.estimates import EXTERNAL
from helpers.pooling.registry import Pooled
from helpers.study.number_texts import estimate_text, span

NO_SUMMARY = "not summarised (fewer than three hospitals tell it)"


def whose(pooled: Pooled, people: pd.DataFrame) -> dict[str, str]:
    """Who is pooled, by glue's names."""
    external = int((people["role"] == EXTERNAL).sum())
    few = (
        f" Fewer than {FEWEST} hospitals are external: tables are shown, and no summary."
        if external < FEWEST
        else ""
    )
    kind = "Simulated patients" if pooled.is_virtual else "Real patients"
    return {
        "pool": pooled.id,
        "hospitals": f"{len(people)}",
        "external": f"{external}",
        "few": few,
        "kind": f"{kind}: {pooled.sites[0].outcome}.",
        "virtual-model": _virtual_model(pooled),
    }


def _virtual_model(pooled: Pooled) -> str:
    if pooled.sites[0].model_virtual and not pooled.is_virtual:
        return (
            " The model learnt from simulated patients, and these are real: no number of this page says "
            "anything about anybody's care."
        )
    return ""


def summary_in_words(summary: pd.DataFrame, model: str, measure: str) -> dict[str, str]:
    """Mean with interval, what the next hospital may expect, and the difference between hospitals.

    Parameters
    ----------
    summary : DataFrame
        As `helpers.pooling.estimates.pooled` gives it.
    model, measure : str

    Returns
    -------
    dict
        mean, next, i2: texts; the same sentence in each where there is no summary. number: of hospitals that
        tell the measure with an interval, so that they are part of the mean.
    """
    row = summary[(summary["model"] == model) & (summary["measure"] == measure)]
    if row.empty or np.isnan(row.iloc[0]["estimate"]):
        return {"mean": NO_SUMMARY, "next": NO_SUMMARY, "i2": "not known", "number": "too few"}
    one = row.iloc[0]
    return {
        "mean": estimate_text(*one[["estimate", "ci_low", "ci_high"]]),
        "next": span(one["pi_low"], one["pi_high"]),
        "i2": f"{one['i2']:.0f} %",
        "number": f"{one['hospitals']:.0f}",
    }


def named(words: dict[str, str], name: str) -> dict[str, str]:
    """The texts under glue's names ``<name>-mean`` and so on."""
    return {f"{name}-{key}": text for key, text in words.items()}
