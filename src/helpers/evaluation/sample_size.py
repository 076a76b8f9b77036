"""How many patients a prediction model needs, to be developed and to be validated (Riley's criteria).

Development: Riley et al. 2020, doi 10.1136/bmj.m441; the mean absolute error is that of van Smeden et al.
2019, doi 10.1177/0962280218784726. Validation: Riley et al. 2021, doi 10.1002/sim.9025. Equal to the packages
``pmsampsize`` (given R-squared) and, but for the steps in which it searches, ``pmvalsampsize``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from helpers.errors import StudyError

Z = norm.ppf(0.975)


def largest_cox_snell(prevalence: float) -> float:
    """The largest Cox-Snell R-squared that a binary outcome of this prevalence allows."""
    _checked_prevalence(prevalence)
    return float(1 - (prevalence**prevalence * (1 - prevalence) ** (1 - prevalence)) ** 2)


def development_size(parameters: int, prevalence: float, cox_snell: float) -> pd.DataFrame:
    """Patients needed to develop a logistic model.

    Parameters
    ----------
    parameters : int
        Candidate predictor parameters: every column that the selection could have taken, not the ones left.
    prevalence : float
        Share of patients with the outcome.
    cox_snell : float
        Cox-Snell R-squared that the model is expected to reach.

    Returns
    -------
    DataFrame
        criterion, patients, events, events_per_parameter; the model needs the largest count.

    Raises
    ------
    StudyError
        For a prevalence outside 0 and 1, or an R-squared that this prevalence does not allow.
    """
    largest = largest_cox_snell(prevalence)
    if parameters < 1 or not 0 < cox_snell < largest:
        raise StudyError(
            "A sample size needs at least one parameter and a Cox-Snell R-squared above 0 and below "
            f"{largest:.3f} (prevalence {prevalence:g}); given are {parameters} and {cox_snell:g}."
        )
    of_optimism = cox_snell / (cox_snell + 0.05 * largest)  # the shrinkage that such an optimism means
    rarer = min(prevalence, 1 - prevalence)
    log_error = -0.508 + 0.259 * np.log(rarer) + 0.504 * np.log(parameters) - np.log(0.05)
    needed = {
        "shrinkage of 10 % or less": _for_shrinkage(parameters, cox_snell, 0.9),
        "optimism of R-squared of 0.05 or less": _for_shrinkage(parameters, cox_snell, of_optimism),
        "overall risk within 0.05": (Z / 0.05) ** 2 * prevalence * (1 - prevalence),
        "mean absolute error of risks of 0.05 or less": np.exp(log_error / 0.544),
    }
    return _table(needed, prevalence, parameters)


def _for_shrinkage(parameters: int, cox_snell: float, shrinkage: float) -> float:
    return parameters / ((shrinkage - 1) * np.log(1 - cox_snell / shrinkage))


def validation_size(
    prevalence: float,
    auc: float,
    log_odds: np.ndarray,
    widths: tuple[float, float, float] = (0.4, 0.4, 0.1),
) -> pd.DataFrame:
    """Patients needed to validate a model on new patients.

    Parameters
    ----------
    prevalence : float
        Expected in the new patients.
    auc : float
        Expected there.
    log_odds : ndarray, shape (patients,)
        The model's predictions (log odds) in patients like the new ones; the model is taken to be calibrated.
    widths : tuple of float
        Wanted widths of the 95 % intervals of observed / expected, calibration slope and AUC.

    Returns
    -------
    DataFrame
        criterion, patients, events.
    """
    _checked_prevalence(prevalence)
    ratio, slope, area = widths
    # The interval of O/E = 1 is exp(+-1.96 SE): its width is 2 sinh(1.96 SE).
    se = np.arcsinh(ratio / 2) / Z
    needed = {
        f"observed / expected, interval of width {ratio:g}": (1 - prevalence) / (prevalence * se**2),
        f"calibration slope, interval of width {slope:g}": _for_slope(np.asarray(log_odds, float), slope),
        f"AUC, interval of width {area:g}": _for_auc(prevalence, auc, area),
    }
    return _table(needed, prevalence, None)


def _for_slope(log_odds: np.ndarray, width: float) -> float:
    if not np.isfinite(log_odds).all() or np.ptp(log_odds) == 0:
        raise StudyError("The calibration slope needs predictions that are finite and not all the same.")
    weight = expit(log_odds) * expit(-log_odds)
    a, b, c = weight.mean(), (weight * log_odds).mean(), (weight * log_odds**2).mean()
    return (2 * Z / width) ** 2 * a / (a * c - b**2)


def _for_auc(prevalence: float, auc: float, width: float) -> float:
    if not 0.5 < auc < 1:
        raise StudyError(f"The expected AUC must lie between 0.5 and 1; it is {auc:g}.")
    n = np.arange(4, 1_000_000)
    # Newcombe 2006, doi 10.1002/sim.2324.
    spread = 1 + (n / 2 - 1) * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    variance = auc * (1 - auc) * spread / (n**2 * prevalence * (1 - prevalence))
    return float(n[np.argmax(2 * Z * np.sqrt(variance) <= width)])


def cox_snell_of(y: np.ndarray, p: np.ndarray) -> float:
    """Cox-Snell R-squared of risks: 1 - (likelihood of the prevalence / that of the risks)^(2/n)."""
    y, p = np.asarray(y, float), np.clip(np.asarray(p, float), 1e-12, 1 - 1e-12)
    ours, prevalence = (np.mean(y * np.log(q) + (1 - y) * np.log1p(-q)) for q in (p, y.mean()))
    return float(1 - np.exp(-2 * (ours - prevalence)))


def _table(needed: dict[str, float], prevalence: float, parameters: int | None) -> pd.DataFrame:
    table = pd.DataFrame({"criterion": needed.keys(), "patients": np.ceil(list(needed.values())).astype(int)})
    table["events"] = np.ceil(table["patients"] * prevalence).astype(int)
    if parameters is not None:
        table["events_per_parameter"] = table["patients"] * prevalence / parameters
    return table


def _checked_prevalence(prevalence: float) -> None:
    if not 0 < prevalence < 1:
        raise StudyError(f"The prevalence must lie between 0 and 1; it is {prevalence:g}.")
