"""Checks of diagnostic performance: confusion matrices, AUCs, their intervals and DeLong tests."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from helpers.evaluation.cutoffs import PROPORTIONS
from helpers.paper.printed import CONSISTENT, INCONSISTENT, ROUNDING, Entry, Printed, compare, recompute
from helpers.paper.publication import UNDECIDED, Check, Publication, p_formula, sentence_of
from helpers.study.number_texts import estimate_text, p_text, span

_WIDTH_IN_SE = 2 * norm.ppf(0.975)
# An SE outside this multiple of Hanley and McNeil's would mean a set of another size: too small by a factor
# of 2.25, or too large by a factor of 4.
SE_RATIO = (0.5, 1.5)


def confusion_matrices(paper: Publication) -> pd.DataFrame:
    """All two-by-two tables in whole patients that give the printed proportions.

    Returns
    -------
    DataFrame
        item, cohort, subject, printed (how many of the five proportions are printed), tp, fn, tn, fp; one row
        a solution, or one with missing counts where there is none.
    """
    rows = []
    for entry in paper.reported.select(metric="sensitivity"):
        if sizes := paper.sizes(entry.cohort):
            values = [paper.reported.get(*entry[:3], metric) for metric in PROPORTIONS]
            printed = sum(value is not None for value in values)
            found = np.argwhere(matched_proportions(values, *sizes) == printed).tolist()
            counts = [(tp, sizes[0] - tp, tn, sizes[1] - tn) for tp, tn in found] or [(pd.NA,) * 4]
            rows += [(*entry[:3], printed, *solution) for solution in counts]
    columns = ["item", "cohort", "subject", "printed", "tp", "fn", "tn", "fp"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[4:], "Int64"))


def proportion_counts(tp: NDArray, fn: NDArray, tn: NDArray, fp: NDArray) -> dict[str, tuple]:
    """Part and whole (patients) of each of the five proportions, for numbers or arrays of them."""
    parts = tp, tn, tp + tn, tp, tn
    wholes = tp + fn, tn + fp, tp + fn + tn + fp, tp + fp, tn + fn
    return dict(zip(PROPORTIONS, zip(parts, wholes, strict=True), strict=True))


def matched_proportions(values: list[Printed | None], n_cases: int, n_controls: int) -> NDArray[np.int64]:
    """How many printed proportions each pair of counts gives, shape (n_cases + 1, n_controls + 1).

    Parameters
    ----------
    values : list of Printed or None
        Sensitivity, specificity, accuracy, PPV and NPV.
    n_cases, n_controls : int
        The element [tp, tn] of the result stands for tp of n_cases and tn of n_controls called rightly.
    """
    tp, tn = np.ogrid[: n_cases + 1, : n_controls + 1]
    fn, fp = n_cases - tp, n_controls - tn
    with np.errstate(invalid="ignore"):
        shares = [part / whole for part, whole in proportion_counts(tp, fn, tn, fp).values()]
    matched = np.zeros((n_cases + 1, n_controls + 1), dtype=int)
    for value, share in zip(values, shares, strict=True):
        if value is not None:
            slack = 1e-9
            matched += (share >= value.low - slack) & (share <= value.high + slack)
    return matched


def check_confusion(paper: Publication) -> Iterator[Check]:
    """Sensitivity, specificity, accuracy, PPV and NPV belong to one table in whole patients."""
    for key, rows in confusion_matrices(paper).groupby(["item", "cohort", "subject"], sort=False):
        values = [value.text for metric in PROPORTIONS if (value := paper.reported.get(*key, metric))]
        first, solutions = rows.iloc[0], len(rows.dropna())
        found = f"TP {first.tp}, FN {first.fn}, TN {first.tn}, FP {first.fp}" if solutions else "none"
        more = f", and {solutions - 1} more" if solutions > 1 else ""
        what = "These whole" if solutions else "No whole"
        sentence = f"{what} numbers of patients give all {len(values)} printed proportions{more}."
        verdict = CONSISTENT if solutions else INCONSISTENT
        name, where = "confusion matrices in whole patients", f"{key[0]}: {key[1]}, {key[2]}"
        yield Check(name, where, ", ".join(values), found + more, verdict, sentence)


def check_delong_z(paper: Publication) -> Iterator[Check]:
    """Two-sided P values follow from their Z."""
    for entry in paper.reported.select(metric="delong_z"):
        if p_value := paper.reported.get(*entry[:3], "delong_p"):
            found = recompute(lambda z: float(2 * norm.sf(abs(z))), entry.value)
            verdict = compare(p_value, found.low, found.high)
            text = f"Z {entry.value.text}, P {p_value.text}"
            sentence = sentence_of(p_formula(p_value.text), verdict, f"Z = {entry.value.text}")
            yield Check(
                "DeLong Z to P", entry.where, text, p_formula(p_text(found.number)), verdict, sentence
            )


def check_auc_symmetry(paper: Publication) -> Iterator[Check]:
    """AUCs lie in the middle of their intervals, as Wald's and DeLong's do.

    Bootstrap and logit intervals need not: an off-centre interval counts as inconsistent only where most of
    the paper's intervals are centred.
    """
    entries = [entry for entry in paper.reported.select(metric="auc") if entry.interval]
    middles = [recompute(lambda low, high: (low + high) / 2, *entry.interval) for entry in entries]
    verdicts = [compare(e.value, middle.low, middle.high) for e, middle in zip(entries, middles, strict=True)]
    usual = sum(verdict != INCONSISTENT for verdict in verdicts) > len(verdicts) / 2
    for entry, middle, verdict in zip(entries, middles, verdicts, strict=True):
        if verdict == INCONSISTENT and not usual:
            verdict = UNDECIDED
        sentence = {
            CONSISTENT: "The AUC lies in the middle of its interval.",
            ROUNDING: "The AUC lies in the middle of its interval but for the last digit.",
            INCONSISTENT: "The AUC is not in the middle of its interval, as this paper's others are.",
            UNDECIDED: "The interval is not symmetric; bootstrap and logit intervals need not be.",
        }[verdict]
        found = f"middle {middle.number:.4f}"
        yield Check("symmetry of AUC intervals", entry.where, entry.text, found, verdict, sentence)


def auc_intervals(paper: Publication) -> pd.DataFrame:
    """Each printed AUC interval beside that of Hanley and McNeil for the cohort's size.

    Returns
    -------
    DataFrame
        item, cohort, subject, auc, ci_low, ci_high, se (implied by the printed width), expected_se, ratio,
        ratio_low, ratio_high (range that rounding allows).
    """
    rows = []
    for entry in paper.reported.select(metric="auc"):
        sizes = paper.sizes(entry.cohort)
        if sizes and entry.interval:
            se = recompute(lambda low, high: (high - low) / _WIDTH_IN_SE, *entry.interval)
            expected = hanley_mcneil_se(entry.value.number, *sizes)
            printed = [number.number for number in entry[4:]]
            rows.append([*entry[:3], *printed, se.number, expected, *(value / expected for value in se)])
    columns = "item cohort subject auc ci_low ci_high se expected_se ratio ratio_low ratio_high".split()
    return pd.DataFrame(rows, columns=columns)


def hanley_mcneil_se(auc: float, n_cases: int, n_controls: int) -> float:
    """SE of an AUC that only its value and the two sizes give (Hanley and McNeil 1982).

    Notes
    -----
    :doi:`10.1148/radiology.143.1.7063747`. Exact for exponential scores, near enough for others.
    """
    both_cases, both_controls = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc)
    variance += (n_cases - 1) * (both_cases - auc**2) + (n_controls - 1) * (both_controls - auc**2)
    return float(np.sqrt(variance / (n_cases * n_controls)))


def check_auc_width(paper: Publication) -> Iterator[Check]:
    """Widths of AUC intervals fit the numbers of patients."""
    for row in auc_intervals(paper).itertuples():
        fits = row.ratio_high >= SE_RATIO[0] and row.ratio_low <= SE_RATIO[1]
        verdict = CONSISTENT if fits else INCONSISTENT
        text = estimate_text(row.auc, row.ci_low, row.ci_high, ".3f")
        found = f"SE {row.se:.4f}, expected {row.expected_se:.4f}"
        sentence = f"The interval implies {row.ratio:.2f} times the SE expected for so many patients" + (
            "." if fits else ": it belongs to another number of patients, or another AUC."
        )
        where = f"{row.item}: {row.cohort}, {row.subject}"
        yield Check("width of AUC intervals", where, text, found, verdict, sentence)


def check_auc_bounds(paper: Publication) -> Iterator[Check]:
    """A ROC curve through the printed point can have the printed AUC.

    It rises from (0, 0) to (1, 1), so that its area is at least sensitivity x specificity and at most
    1 - (1 - sensitivity)(1 - specificity). If the point is Youden's optimum with index J, the area is at most
    1/2 + J - J^2/2.
    """
    for entry in paper.reported.select(metric="sensitivity"):
        auc, specificity = (paper.reported.get(*entry[:3], metric) for metric in ("auc", "specificity"))
        if not auc or not specificity:
            continue
        point = entry.value, specificity
        low = recompute(lambda a, b: a * b, *point).low
        high = recompute(lambda a, b: 1 - (1 - a) * (1 - b), *point).high
        youden = recompute(lambda a, b: a + b - 1, *point)
        largest = 0.5 + youden.high - youden.high**2 / 2
        sentence = (
            f"Sensitivity and specificity allow an AUC of {low:.3f} to {high:.3f}; the cut-off "
            f"{'may' if auc.low <= largest else 'cannot'} be Youden's (J = {youden.number:.3f}: AUC up to "
            f"{largest:.3f})."
        )
        text = f"AUC {auc.text}, {entry.value.text}, {specificity.text}"
        verdict, found = compare(auc, low, high), span(low, high, ".3f")
        yield Check("AUC against its cut-off", entry.where, text, found, verdict, sentence)


def check_auc_differences(paper: Publication) -> Iterator[Check]:
    """DeLong's P belongs to the printed AUCs: they imply a correlation between -1 and 1.

    Z and the difference give the SE of the difference; with the SEs of both AUCs (from their intervals) that
    gives the correlation of the two estimates, (se1^2 + se2^2 - se^2) / (2 se1 se2).
    """
    for entry in paper.reported.select(metric="delong_p"):
        z = paper.reported.get(*entry[:3], "delong_z") or _z_of(entry.value)
        pair = [_interval_of(paper, entry.cohort, model) for model in entry.subject.split(" vs ")]
        if not z or z.low * z.high <= 0 or len(pair) != 2 or None in pair:
            continue
        first, second = pair
        difference = _difference(first.value, second.value)
        found = recompute(_correlation, difference, z, *first.interval, *second.interval)
        verdict = CONSISTENT if found.high >= -1 and found.low <= 1 else INCONSISTENT
        text = f"{first.value.text}, {second.value.text}, {p_formula(entry.value.text)}"
        sentence = (
            f"The difference, its P and the intervals {'can' if verdict == CONSISTENT else 'cannot'} belong "
            f"together: they imply a correlation of the two AUCs of {found.low:.2f} to {found.high:.2f}."
        )
        shown = f"correlation {found.number:.2f}"
        yield Check("DeLong P against AUCs", entry.where, text, shown, verdict, sentence)


def _interval_of(paper: Publication, cohort: str, model: str) -> Entry | None:
    """A model's AUC with its interval, from a table where one prints it."""
    rows = paper.reported.select(metric="auc", cohort=cohort, subject=model)
    found = [entry for entry in rows if entry.interval]
    return min(found, key=lambda entry: not entry.in_table, default=None)


def _z_of(p_value: Printed) -> Printed | None:
    """|Z| of a printed two-sided P value; None for a limit."""
    if p_value.is_limit:
        return None
    ps = min(p_value.high, 1.0), p_value.number, max(p_value.low, 1e-12)
    low, number, high = (float(norm.isf(p / 2)) for p in ps)
    return Printed(f"{number:.3f}", number, low, high, p_value.unit)


def _difference(first: Printed, second: Printed) -> Printed:
    """Absolute difference of two printed numbers with its range."""
    number, half = abs(first.number - second.number), (first.unit + second.unit) / 2
    return Printed(f"{number:.3f}", number, max(number - half, 0.0), number + half, first.unit)


def _correlation(difference: float, z: float, low1: float, high1: float, low2: float, high2: float) -> float:
    se1, se2 = (high1 - low1) / _WIDTH_IN_SE, (high2 - low2) / _WIDTH_IN_SE
    return (se1**2 + se2**2 - (difference / z) ** 2) / (2 * se1 * se2)
