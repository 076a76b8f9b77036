"""Univariable and multivariable logistic regression as a table of odds ratios (paper 3.1, Table 2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from helpers.checked_inputs import checked_outcome
from helpers.learning.logistic import encode, fit_columns, levels_of
from helpers.study.number_texts import p_text, span

ESTIMATES = [
    *("coefficient", "se", "odds_ratio", "wald_low", "wald_high", "profile_low", "profile_high"),
    *("p_value", "p_lr", "method"),
]
ODDS_RATIO_COLUMNS = ["analysis", "term", "predictor", *ESTIMATES]
PRINTED_COLUMNS = {"paper": ["paper_value"], "paper 95 % CI": ["paper_ci_low", "paper_ci_high"]}
LEFT_OUT = "left out (the same for everyone)"


def logistic_table(data: pd.DataFrame, outcome: str, predictors: list[str]) -> pd.DataFrame:
    """One logistic regression: odds ratios, their intervals, and P values.

    Parameters and errors as for `helpers.learning.logistic.fit_logistic`.

    Returns
    -------
    DataFrame
        One row a coefficient, the intercept left out: term (``sex=male``), predictor (``sex``),
        coefficient, se, odds_ratio, wald_low, wald_high, profile_low, profile_high (95 % limits of the odds
        ratio), p_value (Wald), p_lr (likelihood ratio), method. When the data are separated or have fewer
        than 10 events, all are those of Firth's penalised likelihood and ``method`` says so. A column that
        does not vary has NaN.

    Notes
    -----
    Equals R ``glm``, ``confint`` (root-found) and ``drop1(test = "LRT")``, or ``logistf``.
    """
    columns = encode(data, predictors, levels_of(data, predictors))
    y = checked_outcome(data[outcome])
    estimates = _estimates(columns, y) if (columns.nunique() > 1).any() else pd.DataFrame(columns=ESTIMATES)
    table = estimates.reindex(columns.columns).rename_axis("term").reset_index()
    table["method"] = table["method"].fillna(LEFT_OUT)
    table.insert(1, "predictor", table["term"].str.split("=").str[0])
    return table


def _estimates(columns: pd.DataFrame, y: NDArray) -> pd.DataFrame:
    fit = fit_columns(columns, y)
    half = norm.ppf(0.975) * fit.se
    values = [
        fit.coefficients,
        fit.se,
        np.exp(fit.coefficients),
        *np.exp([fit.coefficients - half, fit.coefficients + half]),
        *np.exp(fit.profile_limits()).T,
        2 * norm.sf(np.abs(fit.coefficients / fit.se)),
        fit.likelihood_ratio_p(),
    ]
    table = pd.DataFrame(dict(zip(ESTIMATES, values, strict=False)), index=fit.names)
    return table.assign(method=fit.method)


def univariable_and_multivariable(data: pd.DataFrame, outcome: str, predictors: list[str]) -> pd.DataFrame:
    """Table 2 of the paper: each predictor alone, and all together; no row without predictors.

    The columns of `logistic_table` behind ``analysis``: "univariable", then "multivariable".
    """
    if not predictors:
        return pd.DataFrame(columns=ODDS_RATIO_COLUMNS)
    rows = [("univariable", [name]) for name in predictors] + [("multivariable", predictors)]
    tables = [logistic_table(data, outcome, used).assign(analysis=analysis) for analysis, used in rows]
    return pd.concat(tables, ignore_index=True)[ODDS_RATIO_COLUMNS]


def printed_odds_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Table 2 for reading: odds ratios with Wald and profile-likelihood intervals, and the paper's.

    ``table``: `univariable_and_multivariable`, in a study of the paper's design with its paper_value,
    paper_ci_low and paper_ci_high.
    """

    def text(*columns: str) -> list[str]:
        rows = table[list(columns)].to_numpy(float)
        write = span if len(columns) == 2 else format
        return ["-" if np.isnan(row).any() else write(*row, ".3f") for row in rows]

    printed = {
        title: text(*columns)
        for title, columns in PRINTED_COLUMNS.items()
        if set(columns) <= set(table.columns)
    }
    return pd.DataFrame(
        {
            "analysis": table["analysis"],
            "term": table["term"].replace("age", "age (per year)").str.replace("=", ": ", n=1, regex=False),
            "odds ratio": text("odds_ratio"),
            "Wald 95 % CI": text("wald_low", "wald_high"),
            "profile 95 % CI": text("profile_low", "profile_high"),
            "P": table["p_value"].map(p_text),
        }
        | printed
    )
