"""What the paper reports, and computed values beside it. Reported values never enter a computation."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from helpers.paper.printed import read_rows
from helpers.study.cohorts import PAPER
from helpers.study.number_texts import NOT_ESTIMABLE, span
from helpers.study.places import REPOSITORY

REPORTED_VALUES = REPOSITORY / "data" / "paper" / "reported_values.csv"
GROUPS = ["osteoporosis", "non-osteoporosis"]


def reported_values() -> pd.DataFrame:
    """All values that the paper prints.

    Returns
    -------
    DataFrame
        Columns item (table or section), cohort, subject, metric, value (text, as printed), ci_low, ci_high,
        note.
    """
    table = read_rows(REPORTED_VALUES).replace("", pd.NA)
    return table.astype({"value": "string", "ci_low": float, "ci_high": float})


def reported(item: str, cohort: str, subject: str, metric: str) -> float:
    """One printed number, for example ``reported("Table 5", "internal", "nomogram", "auc")``."""
    table = reported_values().set_index(["item", "cohort", "subject", "metric"])["value"]
    return float(table.loc[item, cohort, subject, metric])


def counts_by_sex(cohort: str) -> pd.DataFrame:
    """Printed numbers of men and women (rows) with and without osteoporosis (columns) in one set."""
    rows = [[reported("Table 1", cohort, group, sex) for group in GROUPS] for sex in ("male", "female")]
    return pd.DataFrame(rows, index=["male", "female"], columns=GROUPS)


def counts_by_cohort() -> pd.DataFrame:
    """Printed numbers of patients with and without osteoporosis (columns) in each set (rows)."""
    rows = [[reported("Table 1", cohort, group, "n") for group in GROUPS] for cohort in PAPER]
    return pd.DataFrame(rows, index=PAPER, columns=GROUPS)


def features_beside(funnel: pd.DataFrame) -> pd.DataFrame:
    """The numbers of features after each ``step``, with the printed ones as ``paper`` (missing: none)."""
    printed = reported_values().query("item == 'Text 3.2' and subject == 'features'")
    counts = pd.to_numeric(printed.set_index("metric")["value"]).astype("Int64")
    return funnel.assign(paper=counts.reindex(funnel["step"]).array)


def beside(
    computed: pd.DataFrame,
    item: str,
    metric: str,
    column: str,
    field: Literal["value", "ci_low", "ci_high"] = "value",
) -> pd.Series:
    """The printed values of one metric, in the row order of ``computed``.

    Parameters
    ----------
    computed : DataFrame
        With columns ``cohort`` and ``column``; the latter holds the paper's ``subject``.
    item, metric : str
        As in reported_values.csv, for example ``"Table 5"`` and ``"auc"``.
    field : str
        The printed value, or a limit of its confidence interval.

    Returns
    -------
    Series
        Floats; NaN where the paper prints nothing.
    """
    table = reported_values().query("item == @item and metric == @metric")
    values = pd.to_numeric(table.set_index(["cohort", "subject"])[field], errors="coerce")
    keys = pd.MultiIndex.from_frame(computed[["cohort", column]])
    return pd.Series(values.reindex(keys).to_numpy(), index=computed.index)


def performance_beside(table: pd.DataFrame, item: str, metrics: list[str]) -> pd.DataFrame:
    """Computed performance with the printed one as ``paper_<metric>``.

    Parameters
    ----------
    table : DataFrame
        With columns model and cohort.
    item : str
        "Table 3" or "Table 5".
    metrics : list of str
    """
    return table.assign(**{f"paper_{metric}": beside(table, item, metric, "model") for metric in metrics})


def delong_beside(tests: pd.DataFrame) -> pd.DataFrame:
    """DeLong tests (cohort, subject) with the printed texts of section 3.4 as ``paper_p`` and ``paper_z``."""
    printed = reported_values().query("item == 'Text 3.4' and metric.str.startswith('delong')")
    printed = printed.pivot(index=["cohort", "subject"], columns="metric", values="value")
    names = {"delong_z": "paper_z", "delong_p": "paper_p"}
    return tests.join(printed.rename(columns=names), on=["cohort", "subject"])


def benefit_ranges_beside(ranges: pd.DataFrame) -> pd.DataFrame:
    """Ranges of highest net benefit, with the printed limits as ``paper_low`` and ``paper_high``.

    Parameters
    ----------
    ranges : DataFrame
        As `helpers.evaluation.decision_curves.best_ranges` gives them. The paper prints one range a set: it
        stands beside the longest.
    """
    printed = reported_values().query("metric == 'dca_highest_net_benefit_range'").set_index("cohort")
    limits = printed[["ci_low", "ci_high"]].set_axis(["paper_low", "paper_high"], axis=1).astype(float)
    table = ranges.join(limits, on="cohort")
    table.loc[~table["longest"], ["paper_low", "paper_high"]] = float("nan")
    return table


def table_1_beside(table: pd.DataFrame) -> pd.Series:
    """The printed texts of Table 1, in the row order of `helpers.patients.table_1.table_1`."""
    printed = reported_values().query("item == 'Table 1'").set_index(["cohort", "subject", "metric"])["value"]
    keys = pd.MultiIndex.from_frame(table[["cohort", "subject", "metric"]])
    return pd.Series(printed.reindex(keys).array, index=table.index)


def odds_ratios_beside(table: pd.DataFrame) -> pd.DataFrame:
    """Odds ratios with those of Table 2 as ``paper_value``, ``paper_ci_low`` and ``paper_ci_high``.

    Parameters
    ----------
    table : DataFrame
        With the columns cohort, analysis and predictor.
    """
    fields = ("value", "ci_low", "ci_high")
    return table.assign(**{f"paper_{field}": _odds_ratios(table, field) for field in fields})


def _odds_ratios(table: pd.DataFrame, field: Literal["value", "ci_low", "ci_high"]) -> pd.Series:
    columns = [
        beside(rows, "Table 2", f"{analysis}_or", "predictor", field)
        for analysis, rows in table.groupby("analysis", sort=False)
    ]
    return pd.concat(columns) if columns else pd.Series(dtype=float)


def pairs(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Computed and printed value of each metric in one cell, as "0.857 / 0.880", for reading.

    Where no printed values stand in the table, a cell holds the computed one alone. An interval that has
    shrunk to a point (an AUC of 1) is "not estimable".

    Parameters
    ----------
    table : DataFrame
        With columns model, cohort, ci_low and ci_high of the AUC, ``metric``, and where there are any
        ``paper_<metric>``.
    metrics : list of str
        In the order of the columns shown.
    """
    shown = table[["model", "cohort"]].copy()
    for metric in metrics:
        both = table[[name for name in (metric, f"paper_{metric}") if name in table]].to_numpy(float)
        # A cell breaks before the slash at most: the second space does not break.
        shown[metric] = [
            " /\xa0".join("-" if pd.isna(value) else f"{value:.3f}" for value in pair) for pair in both
        ]
    interval = table[["ci_low", "ci_high"]].to_numpy(float)
    texts = [span(low, high, ".3f") if high > low else NOT_ESTIMABLE for low, high in interval]
    shown.insert(3, "95 % CI", texts)
    return shown
