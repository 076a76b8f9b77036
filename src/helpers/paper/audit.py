"""Does a paper's arithmetic hold? Every check here needs its printed numbers only, no patient.

`helpers.paper.printed` describes the CSV of printed numbers, `helpers.paper.publication` the metrics that are
understood and the design file. Each function ``check_...`` takes a publication and gives rows.

Every printed number stands for the range of values that round to it, and every recomputed number for the
range that such inputs allow. Verdicts:

- consistent: the two ranges meet;
- rounding: they miss each other by no more than one unit of the last printed digit;
- inconsistent: they miss each other by more;
- cannot be checked: the printed numbers do not decide it. A stand-in (a t test for a Mann-Whitney test) can
  confirm a printed value but not refute it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.paper import baseline, performance, places
from helpers.paper.clinical import check_clinical
from helpers.paper.printed import INCONSISTENT
from helpers.paper.publication import UNDECIDED, VERDICTS, Check, Publication

CHECKS = [
    baseline.check_sums,
    baseline.check_percentages,
    baseline.check_pooled,
    baseline.check_ranges,
    baseline.check_baseline_p,
    baseline.check_cohorts_p,
    baseline.check_odds_ratios,
    performance.check_confusion,
    performance.check_delong_z,
    performance.check_auc_symmetry,
    performance.check_auc_width,
    performance.check_auc_bounds,
    performance.check_auc_differences,
    places.check_repeated,
    places.check_features,
    places.check_lambda,
    places.check_events,
    places.check_choice,
]


def audit(paper: Publication, simulated: pd.DataFrame) -> pd.DataFrame:
    """All checks of a paper's printed numbers.

    Parameters
    ----------
    paper : Publication
        From `read_publication`.
    simulated : DataFrame
        From `simulate_clinical_aucs`.

    Returns
    -------
    DataFrame
        check, where, reported, recomputed, verdict, sentence: one row a check.
    """
    rows = [row for check in CHECKS for row in check(paper)]
    return pd.DataFrame([*rows, *check_clinical(paper, simulated)], columns=Check._fields)


def verdict_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Number of rows by check and verdict, the checks that hold throughout first."""
    counts = pd.crosstab(table["check"], table["verdict"]).reindex(columns=VERDICTS, fill_value=0)
    counts = counts.reindex(dict.fromkeys(table["check"]))
    open_questions = np.sign(counts[[INCONSISTENT, UNDECIDED]].sum(axis=1))
    return counts.loc[open_questions.sort_values(kind="stable").index].rename_axis(columns=None)
