"""What an update found, as tables: recalibration of each hospital and of all, the nomogram's coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.pooling.contract import SiteFile
from helpers.pooling.round_files import NOMOGRAM, RECALIBRATION
from helpers.pooling.updating import State, Update

RECALIBRATIONS, COEFFICIENTS, PARTS = "update_recalibration", "update_coefficients", "update_parts"
ALL = "all that take part"
_HALF = norm.ppf(0.975)


def recalibrations(update: Update, state: State) -> pd.DataFrame:
    """New log odds = intercept + slope x frozen log odds, of each hospital and of all.

    Returns
    -------
    DataFrame
        hospital, intercept, intercept_se, slope, slope_se. A hospital's own are those that its site.json
        tells (missing where it does not); those of `ALL` are the fit on all patients together.
    """
    rows = [row for site in update.pooled.sites for row in _of_site(site)]
    fit = state.fits.get(RECALIBRATION)
    if fit is not None and fit.done:
        errors = np.sqrt(np.diag(fit.covariance))
        rows.append((ALL, fit.coefficients[0], errors[0], fit.coefficients[1], errors[1]))
    return pd.DataFrame(rows, columns=["hospital", "intercept", "intercept_se", "slope", "slope_se"])


def _of_site(site: SiteFile) -> list[tuple]:
    rows = []
    for hospital in site.hospitals:
        told = hospital.models[NOMOGRAM].calibration
        values = [told.intercept, told.covariance[0][0], told.slope, told.covariance[1][1]]
        numbers = [np.nan if isinstance(value, str) else value for value in values]
        numbers[1::2] = np.sqrt(numbers[1::2]).tolist()
        rows.append((hospital.label, *numbers))
    return rows


def coefficients(update: Update, state: State) -> pd.DataFrame:
    """The nomogram refitted on all patients together, beside the frozen one.

    Returns
    -------
    DataFrame
        column, frozen, updated, se, low, high (95 %, Wald); no row where it was not refitted.
    """
    names = ["column", "frozen", "updated", "se", "low", "high"]
    fit = state.fits.get(NOMOGRAM)
    if fit is None or not fit.done:
        return pd.DataFrame(columns=names)
    columns, values, errors = update.unscaled(fit)
    frozen = [update.bundle.nomogram_intercept, *update.bundle.nomogram_slopes(columns[1:])]
    table = pd.DataFrame({"column": columns, "frozen": frozen, "updated": values, "se": errors})
    return table.assign(low=values - _HALF * errors, high=values + _HALF * errors)


def parts(update: Update, state: State) -> pd.DataFrame:
    """Who took part in what: fit, hospital, part ("takes part", or why not)."""
    rows = []
    for fit, refused in state.refused.items():
        for site in update.sites.values():
            label = ", ".join(hospital.label for hospital in site.hospitals)
            rows.append((fit, label, refused.get(label, "takes part")))
        ended = state.fits.get(fit)
        if ended is not None and ended.failed:
            rows.append(
                (fit, ALL, "did not converge: a predictor separates the outcome, or follows from others")
            )
    return pd.DataFrame(rows, columns=["fit", "hospital", "part"])
