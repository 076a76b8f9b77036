"""Tables as a notebook shows them: what stands in a cell or a header is text, never markup.

A study's tables hold words that came from a hospital's files. pandas escapes them in a plain table, in a
styled one only where each call asks for it.
"""

from __future__ import annotations

import copy
import html
from collections.abc import Mapping

import numpy as np
import pandas as pd
from IPython import get_ipython
from pandas.io.formats.style import Styler

from helpers.study.cohorts import cohort_title
from helpers.study.number_texts import p_text

# Headers of tables as one reads them; a name that stands here nowhere loses its underscores.
HEADERS = {
    "patient_id": "patient",
    "site": "hospital",
    "cohort": "set",
    "events": "with the outcome",
    "age": "age (years)",
    "t_score": "T-score",
    "interval_days": "CT to DXA (days)",
    "exclusion": "excluded because",
    "p_value": "P",
    "p_holm": "P, Holm",
    "paper_p": "P, paper",
    "paper_z": "Z, paper",
    "z": "Z",
    "smd": "SMD",
    "auc_all": "AUC of all",
    "ppv": "PPV",
    "npv": "NPV",
    "cv_auc": "cross-validated AUC",
    "cv_sd": "SD over folds",
    "ci_low": "95 % CI from",
    "ci_high": "to",
    "subject": "models",
    "in_plane_mm": "in plane (mm)",
    "slice_step_mm": "slice step (mm)",
    "tube_kv": "tube (kV)",
    "volume_mean": "volume (mm³), mean",
    "volume_std": "volume (mm³), SD",
    "trabecular_hu_mean": "HU, mean",
    "trabecular_hu_std": "HU, SD",
    "feature_class": "class",
    "image_type": "image type",
    "log_sigma_mm": "sigma (mm)",
    "pingouin_icc": "ICC, pingouin",
    "pingouin_low": "pingouin, from",
    "pingouin_high": "pingouin, to",
    "median_icc": "median ICC",
    "above": "ICC above",
    "lower_limit_above": "lower limit above",
    "undefined": "no ICC",
    "icc": "ICC",
    "frequency": "kept in resamples",
    "coefficient": "coefficient (per SD)",
    "longest": "longest run",
    "low": "from",
    "high": "to",
    "paper_low": "paper, from",
    "paper_high": "paper, to",
    "set_aside": "set aside",
    "cutoff": "cut-off",
    "tp": "TP",
    "fn": "FN",
    "tn": "TN",
    "fp": "FP",
    "auc_first": "AUC, first",
    "auc_second": "AUC, second",
    "auc_low": "AUC, from",
    "auc_high": "AUC, to",
    "beforehand_low": "beforehand, from",
    "beforehand_high": "beforehand, to",
    "odds_ratio": "odds ratio",
    "or_low": "odds ratio, from",
    "or_high": "odds ratio, to",
    "pi_low": "prediction interval from",
    "pi_high": "prediction interval to",
    "i2": "I² (%)",
    "tau2": "tau²",
    "q": "Q",
    "q_p": "P of Q",
    "smote": "SMOTE",
    "psi": "PSI",
    "sd_ratio": "ratio of SDs",
    "kvp": "tube voltage (kV)",
    "spacing_x": "pixel (mm)",
    "spacing_z": "slice step (mm)",
    "total_points": "total points",
    "rad_score": "Rad-score",
}
# What a model is measured by: as a header, or as a row's name.
MEASURES = {
    "auc": "AUC",
    "c_index": "AUC",
    "slope": "calibration slope",
    "intercept": "calibration intercept",
    "in_the_large": "calibration in the large",
    "brier": "Brier score",
    "observed_expected": "observed / expected",
}
_P_VALUES = ("p_value", "p_holm", "q_p")
_YES_NO = {True: "yes", False: "no"}


def shown(table: pd.DataFrame, **headers: str) -> pd.DataFrame:
    """A table as one reads it: headers in words with their units, sets by their titles, yes and no.

    Parameters
    ----------
    table : DataFrame
        Not changed. Its column ``cohort`` holds sets, ``measure`` names of measures.
    **headers : str
        Headers of this table that are not those of `HEADERS`, by column.
    """
    read = table.copy()
    for name, column in table.items():
        if name == "cohort":
            read[name] = column.map(cohort_title)
        elif name == "measure":
            read[name] = column.map(lambda measure: _header(measure, {}))
        elif pd.api.types.is_bool_dtype(column):
            read[name] = column.map(_YES_NO)
    return read.rename(columns=lambda name: _header(name, headers))


def _header(name: str, headers: Mapping[str, str]) -> str:
    if known := headers.get(name) or HEADERS.get(name) or MEASURES.get(name):
        return known
    text = str(name)
    if text.startswith("smd_"):
        return f"SMD, {text.removeprefix('smd_')}"
    # A hospital's own words stay as they are.
    return text.replace("_", " ") if text.isidentifier() else text


def styled(table: pd.DataFrame, precision: int = 3, missing: str = "", **headers: str) -> Styler:
    """A table as `shown`, without its index; P values as the paper writes them.

    Parameters
    ----------
    table : DataFrame
        Not changed.
    precision : int
        Decimals of other numbers.
    missing : str
        What stands for a number that there is not.
    **headers : str
        As of `shown`.
    """
    read = shown(table, **headers)
    titles = dict(zip(table.columns, read.columns, strict=True))
    style = read.style.hide().format(precision=precision, na_rep=missing)
    numbers = [title for name, title in titles.items() if pd.api.types.is_float_dtype(table[name])]
    style = style.format(f"{{:z.{precision}f}}", subset=numbers, na_rep=missing)
    return style.format(starred_p, subset=[title for name, title in titles.items() if name in _P_VALUES])


def escape_styled_tables() -> None:
    """Let this notebook show styled tables by `escaped_html`; nothing happens outside a notebook."""
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["text/html"].for_type(Styler, escaped_html)


def escaped_html(styled: Styler) -> str:
    """A styled table as HTML in which cells, headers and their names are plain text.

    Parameters
    ----------
    styled : Styler
        Not changed. Its formats get escaped texts; styles by column names are not supported for columns whose
        names hold markup.
    """
    plain = copy.copy(styled)
    plain.data = escaped(styled.data)
    plain.index, plain.columns = plain.data.index, plain.data.columns
    return plain.to_html()


def escaped(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its texts, headers, index and their names escaped for HTML."""
    names = {"index": table.index.names, "columns": table.columns.names}
    plain = table.map(_escaped).rename(index=_escaped, columns=_escaped)
    return plain.rename_axis(**{axis: [_escaped(name) for name in given] for axis, given in names.items()})


def _escaped(value: object) -> object:
    # Quotation marks are plain outside of attributes, and stay as they are for formats that look at texts.
    return html.escape(value, quote=False) if isinstance(value, str) else value


def shown_tests(table: pd.DataFrame) -> Styler:
    """Tests of `helpers.evaluation.delong.pairwise_tests` as `shown`, P values as the paper writes them."""
    numbers = [name for name in table if pd.api.types.is_float_dtype(table[name])]
    read = shown(table, difference="difference of AUC")
    titles = dict(zip(table.columns, read.columns, strict=True))
    style = read.style.hide().format("{:z.3f}", subset=[titles[name] for name in numbers], na_rep="")
    return style.format(starred_p, subset=[titles[name] for name in ("p_value", "p_holm")])


def starred_p(p: float) -> str:
    """A P value with an asterisk below 0.05, as the paper prints it; "n/e" where it is not estimable."""
    return "n/e" if np.isnan(p) else p_text(p) + ("*" if p < 0.05 else "")
