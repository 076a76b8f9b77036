"""What chapter 08 shows of the decision curves at a few thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def net_benefit_per_100(curves: pd.DataFrame, models: list[str], thresholds: Sequence[float]) -> pd.DataFrame:
    """Net benefit per 100 patients at some thresholds.

    Parameters
    ----------
    curves : DataFrame
        As :func:`helpers.evaluation.decision_curves.decision_curves` gives them.
    models : list of str
    thresholds : sequence of float
        Of the curves' thresholds; others are left out.

    Returns
    -------
    DataFrame
        Indexed by cohort and threshold; a column a model, then "treat all" and "treat none".
    """
    chosen = curves[curves["threshold"].isin(np.round(thresholds, 10))]
    per_100 = chosen.assign(net_benefit=100 * chosen["net_benefit"])
    wide = per_100.pivot(index=["cohort", "threshold"], columns="strategy", values="net_benefit")
    order = [curves["cohort"].unique(), sorted(chosen["threshold"].unique())]
    rows = pd.MultiIndex.from_product(order, names=["cohort", "threshold"])
    return wide.loc[rows, [*models, "treat all", "treat none"]]


def best_in_words(wide: pd.DataFrame) -> str:
    """Which strategy has the highest net benefit at each threshold of `net_benefit_per_100`."""
    best = wide.idxmax(axis=1)
    return "; ".join(f"{cohort} at {threshold:.2f} {name}" for (cohort, threshold), name in best.items())
