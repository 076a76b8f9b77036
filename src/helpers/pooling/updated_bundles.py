"""A finished update as bundles that a hospital can apply: the nomogram recalibrated, and refitted."""

from __future__ import annotations

import pandas as pd

from helpers.errors import StudyError
from helpers.frozen.bundle import bundle_hash, load_bundle
from helpers.frozen.updated import RECALIBRATED, REFITTED, Updated, recalibrated_coefficients, save_updated
from helpers.pooling.contract import named
from helpers.pooling.round_files import NOMOGRAM, RECALIBRATION
from helpers.pooling.updating import State, Update

BUNDLES = "update_bundles"
_FITS = {RECALIBRATED: RECALIBRATION, REFITTED: NOMOGRAM}


def save_bundles(update: Update, state: State) -> pd.DataFrame:
    """Write ``bundle_recalibrated`` and ``bundle_refitted`` beside the rounds.

    Returns
    -------
    DataFrame
        bundle (its folder in the pooled folder), cutoff (of its nomogram), checksum (in short), remark (why
        there is none).
    """
    rows = []
    for way in _FITS:
        folder = update.folder / f"bundle_{way}"
        try:
            saved = load_bundle(save_updated(update.bundle, folder, _updated(update, state, way)))
            found = (saved.model["cutoffs"]["nomogram"], named("bundle", bundle_hash(saved)), "")
        except StudyError as error:
            found = (None, "", str(error))
        rows.append((folder.relative_to(update.pooled.folder).as_posix(), *found))
    return pd.DataFrame(rows, columns=["bundle", "cutoff", "checksum", "remark"])


def _updated(update: Update, state: State, way: str) -> Updated:
    fit, calibration = (state.fits.get(name) for name in (_FITS[way], RECALIBRATION))
    if calibration is None or not calibration.done or fit is None or not fit.done:
        raise StudyError(f"The nomogram was not {way}, or there is no recalibration to move its cut-off by.")
    intercept, slope = (float(value) for value in calibration.coefficients)
    coefficients = recalibrated_coefficients(update.bundle, intercept, slope)
    if way == REFITTED:
        names, values, _ = update.unscaled(fit)
        coefficients = dict(zip(names, values.tolist(), strict=True))
    sites = update.participants(state, _FITS[way])
    return Updated(
        way,
        coefficients,
        intercept,
        slope,
        update.pooled.id,
        [hospital.label for site in sites for hospital in site.hospitals],
        update.pooled.is_virtual,
    )
