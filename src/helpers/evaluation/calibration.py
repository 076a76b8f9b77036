"""Do predicted risks agree with what is seen? Calibration and its optimism (paper Figure 7).

Predicted risks of exactly 0 or 1 have no log odds: they are left out of slope and intercepts (as in R
``rms::val.prob``) and counted; Brier score, curve and Hosmer-Lemeshow use them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import chi2, norm
from statsmodels.nonparametric.smoothers_lowess import lowess

from helpers.checked_inputs import checked_outcome, checked_probabilities
from helpers.evaluation.delong import placement_values
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.learning.logistic import maximum_likelihood
from helpers.study.cohorts import cohort_title
from helpers.study.number_texts import NOT_ESTIMABLE, estimate_text, p_text

SPAN = 2 / 3  # of the patients, in the neighbourhood over which the calibration curve is smoothed
TABLE_COLUMNS = [
    *("model", "cohort", "n", "events", "slope", "slope_low", "slope_high", "intercept"),
    *("in_the_large", "in_the_large_low", "in_the_large_high", "brier", "brier_scaled"),
    *("observed_expected", "hosmer_lemeshow_p", "left_out"),
]


@dataclass(frozen=True)
class CalibrationSummary:
    """Agreement of predicted risks with outcomes on one set of patients.

    Attributes
    ----------
    slope, intercept : float
        Joint logistic regression of the outcome on the log odds of the prediction; ideal 1 and 0. A slope
        below 1 means that predictions are too extreme.
    in_the_large : float
        Intercept with the slope fixed at 1; ideal 0, positive when risks are underestimated.
    slope_ci, in_the_large_ci : tuple of float
        Wald's 95 % limits.
    brier, brier_scaled : float
        Mean squared error of the risks; 1 - Brier / Brier of the prevalence.
    observed_expected : float
        Events seen over events predicted.
    c_index : float
        Exact, equal to the AUC.
    left_out : int
        Predictions of exactly 0 or 1, left out of slope and intercepts.
    """

    slope: float
    slope_ci: tuple[float, float]
    intercept: float
    in_the_large: float
    in_the_large_ci: tuple[float, float]
    brier: float
    brier_scaled: float
    observed_expected: float
    c_index: float
    left_out: int


def calibration_summary(y: ArrayLike, p: ArrayLike) -> CalibrationSummary:
    """Calibration slope, intercepts, Brier score and C index of predicted risks.

    Parameters
    ----------
    y, p : array_like, shape (patients,)
        Outcome 0/1 and predicted risks.

    Raises
    ------
    StudyError
        For missing values, one class only, or risks outside 0 and 1.

    Notes
    -----
    Equals R ``glm(y ~ qlogis(p))``, ``glm(y ~ offset(qlogis(p)))`` and ``rms::val.prob`` (its C is rounded).
    Slope and intercepts are NaN when they do not exist (outcomes separated by the predictions).
    """
    outcome, risk = checked_probabilities(y, p)
    ((joint,), (joint_covariance,)), ((large,), (large_covariance,)) = recalibrations(outcome, risk)
    c_index, brier = _c_and_brier(outcome, risk)
    return CalibrationSummary(
        slope=float(joint[1]),
        slope_ci=_wald(joint[1], joint_covariance[1, 1]),
        intercept=float(joint[0]),
        in_the_large=float(large[0]),
        in_the_large_ci=_wald(large[0], large_covariance[0, 0]),
        brier=brier,
        brier_scaled=float(1 - brier / (outcome.mean() * (1 - outcome.mean()))),
        observed_expected=float(outcome.sum() / risk.sum()) if risk.any() else float("inf"),
        c_index=c_index,
        left_out=int(np.isin(risk, (0, 1)).sum()),
    )


def recalibrations(
    outcome: NDArray, risk: NDArray, weights: NDArray | None = None
) -> tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]]:
    """Logistic regressions on the log odds of the risks: joint, and with the slope fixed at 1.

    Each as :func:`helpers.learning.logistic.maximum_likelihood` gives it, for every row of ``weights``.
    """
    inside = (risk > 0) & (risk < 1)
    y, log_odds, ones = outcome[inside], logit(risk[inside]), np.ones((inside.sum(), 1))
    part = None if weights is None else weights[:, inside]
    joint = maximum_likelihood(np.column_stack([ones, log_odds]), y, part)
    return joint, maximum_likelihood(ones, y, part, offset=log_odds)


def _c_and_brier(outcome: NDArray, risk: NDArray) -> tuple[float, float]:
    c_index = placement_values(outcome, risk[None])[0].mean()
    return float(c_index), float(np.mean((risk - outcome) ** 2))


def _wald(estimate: float, variance: float) -> tuple[float, float]:
    half = norm.ppf(0.975) * np.sqrt(variance)
    return float(estimate - half), float(estimate + half)


def hosmer_lemeshow(y: ArrayLike, p: ArrayLike, external: bool) -> tuple[float, int, float, pd.DataFrame]:
    """Hosmer-Lemeshow test of calibration in ten groups by quantiles of predicted risk; tied ones merge.

    Parameters
    ----------
    y, p
        As for `calibration_summary`.
    external : bool
        Whether the patients are others than those on whom the model was fitted: degrees of freedom are then
        the number of groups, else two fewer.

    Returns
    -------
    statistic, df, p_value
        Chi-square, its degrees of freedom, and P, NaN when these are 0 or less. The test depends on the
        groups and on the sample size: no proof of good calibration.
    table : DataFrame
        Of `risk_groups`.

    Notes
    -----
    Groups as R ``cut(p, unique(quantile(p, 0:10 / 10)), include.lowest = TRUE)``.
    """
    outcome, risk = checked_probabilities(y, p)
    table = risk_groups(outcome, risk, groups=10)
    expected, n = table["expected"], table["n"]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = float(((table["observed"] - expected) ** 2 / (expected * (1 - expected / n))).sum())
    df = len(table) - (0 if external else 2)
    return statistic, df, float(chi2.sf(statistic, df)) if df > 0 else float("nan"), table


def risk_groups(outcome: NDArray, risk: NDArray, groups: int) -> pd.DataFrame:
    """Quantile groups of rising risk: n, observed and expected cases, mean risk."""
    limits = np.unique(np.quantile(risk, np.linspace(0, 1, groups + 1)))
    group = np.clip(np.searchsorted(limits, risk, "left"), 1, None)
    frame = pd.DataFrame({"group": group, "outcome": outcome, "risk": risk})
    of_group = frame.groupby("group")
    table = of_group["outcome"].agg(n="size", observed="sum")
    return table.join(of_group["risk"].agg(expected="sum", risk="mean")).reset_index(drop=True)


def calibration_curve(y: ArrayLike, p: ArrayLike, at: ArrayLike) -> NDArray[np.float64]:
    """Observed frequency as a smooth function of predicted risk, at the risks ``at``, shape (points,).

    NaN outside the range of ``p``.

    Notes
    -----
    Equals R ``approx(lowess(p, y, f = 2/3, iter = 0), xout = at)``, the curve of rms ``calibrate``. Where two
    thirds of the patients have one risk, R interpolates within 1 % of the range, and this does not.
    """
    risk, outcome = np.asarray(p, dtype=float), np.asarray(y, dtype=float)
    if np.ptp(risk) == 0:
        return np.where(np.asarray(at) == risk[0], outcome.mean(), np.nan)
    values, counts = np.unique(risk, return_counts=True)
    common = counts.max() >= int(SPAN * risk.size + 1e-10)
    # A risk of so many patients is its own neighbourhood, without width: statsmodels divides by it and gives
    # NaN there, and beside it where it interpolates; R gives the mean outcome.
    with np.errstate(invalid="ignore" if common else "warn"):
        delta = 0.0 if common else 0.01 * np.ptp(risk)
        x, smooth = lowess(outcome, risk, frac=SPAN, it=0, delta=delta).T
    if common:
        most = values[counts.argmax()]
        smooth[x == most] = outcome[risk == most].mean()
    return np.interp(at, x, smooth, left=np.nan, right=np.nan)


def validate(design: ArrayLike, y: ArrayLike, resamples: NDArray) -> pd.DataFrame:
    """Optimism of a logistic model by the bootstrap, as R ``rms::validate``.

    The model is fitted again in each resample, and its performance there compared with its performance on
    the original patients. Steps that came before (selection of features) are not repeated here.

    Parameters
    ----------
    design : array_like, shape (patients, columns)
        Numeric predictors without the column of ones.
    y : array_like, shape (patients,)
        Outcome 0/1.
    resamples : ndarray, shape (resamples, patients)
        Row numbers, from 0.

    Returns
    -------
    DataFrame
        Indexed by c_index, brier, slope, intercept: apparent, optimism, corrected, resamples (those in which
        the model could be fitted; a separated resample is left out).
    """
    columns, outcome = np.asarray(design, dtype=float), checked_outcome(y)
    # A column that never varies would stand for the ones a second time.
    matrix = np.column_stack([np.ones(len(columns)), columns[:, np.ptp(columns, axis=0) > 0]])
    weights = np.array([np.bincount(rows, minlength=outcome.size) for rows in resamples])
    refits, _ = maximum_likelihood(matrix, outcome, weights)
    fitted = np.isfinite(refits).all(axis=1)
    (own,), _ = maximum_likelihood(matrix, outcome)
    apparent = np.array([*_c_and_brier(outcome, expit(matrix @ own)), 1.0, 0.0])
    optimism = []
    for rows, log_odds in zip(resamples[fitted], refits[fitted] @ matrix.T, strict=True):
        risk = expit(log_odds)
        in_resample = [*_c_and_brier(outcome[rows], risk[rows]), 1.0, 0.0]
        line = np.column_stack([np.ones_like(risk), log_odds])
        ((intercept, slope),), _ = maximum_likelihood(line, outcome)
        optimism.append(np.subtract(in_resample, [*_c_and_brier(outcome, risk), slope, intercept]))
    optimism, mean = np.array(optimism).reshape(-1, 4), np.full(4, np.nan)
    known = np.isfinite(optimism).any(axis=0)  # no slope, where every refit separates the patients
    mean[known] = np.nanmean(optimism[:, known], axis=0)
    return pd.DataFrame(
        {"apparent": apparent, "optimism": mean, "corrected": apparent - mean, "resamples": fitted.sum()},
        index=pd.Index(["c_index", "brier", "slope", "intercept"], name="index"),
    )


def calibration_table(predictions: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Calibration of each model in each set: a row of `TABLE_COLUMNS`, named as in `CalibrationSummary`."""
    rows = []
    for model in models:
        for cohort in present_cohorts(predictions):
            part = probabilities_wide(predictions, cohort, [model])
            y, p = part["outcome"], part[model]
            row = {"model": model, "cohort": cohort, "n": len(part), "events": int(y.sum())}
            row |= asdict(calibration_summary(y, p))
            for name in ("slope", "in_the_large"):
                row[f"{name}_low"], row[f"{name}_high"] = row[f"{name}_ci"]
            row["hosmer_lemeshow_p"] = hosmer_lemeshow(y, p, external=cohort != "training")[2]
            rows.append(row)
    return pd.DataFrame(rows, columns=TABLE_COLUMNS)


def printed_calibration(table: pd.DataFrame) -> pd.DataFrame:
    """`calibration_table` for reading: estimates with their intervals in one cell.

    Returns
    -------
    DataFrame
        model, cohort, patients, events, slope and in the large (95 % CI), Brier score, P of Hosmer and
        Lemeshow; "not estimable" where there is none.
    """
    columns = {
        "patients": table["n"],
        "events": table["events"],
        "slope (95 % CI)": _with_limits(table, "slope"),
        "in the large (95 % CI)": _with_limits(table, "in_the_large"),
        "Brier score": table["brier"].map("{:.3f}".format),
        "Hosmer-Lemeshow P": table["hosmer_lemeshow_p"].map(lambda p: p_text(p) or NOT_ESTIMABLE),
    }
    return table[["model", "cohort"]].assign(**columns)


def slopes_in_words(table: pd.DataFrame) -> str:
    """Slope of each set with its interval, for rows of `calibration_table`."""
    slopes = zip(table["cohort"], _with_limits(table, "slope"), strict=True)
    return "; ".join(f"{cohort_title(cohort)} {slope}" for cohort, slope in slopes)


def _with_limits(table: pd.DataFrame, name: str) -> list[str]:
    rows = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
    return [estimate_text(*row, "z.2f") for row in rows]
