"""Paper against reproduction: every printed number beside the one that a run computed.

Computed numbers come from the tables in share/tables, so that nothing stands here that may not leave the
hospital, and lambda from the selection. The status of a number follows from these rules, the first that fits:

- by construction: it agrees because it was put in: Table 1 of virtual patients, a number of features that
  the settings fix;
- within rounding: it rounds to the printed number, or misses it by one unit of the last printed digit at
  most: the audit's rule for "consistent" and "rounding" (`helpers.paper.printed.compare`);
- inside the paper's CI: it lies in the printed 95 % confidence interval; for sensitivity and its like, in
  Wilson's interval of the paper's own counts;
- same conclusion: P and Z: both significant at 0.05 in the same direction, or both not; for a printed limit
  ("<0.05"): it keeps it;
- overlaps: ranges of thresholds: both have thresholds in common;
- differs: none of these;
- not computed here: this run has no such number; the reason stands beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.evaluation.cutoffs import PROPORTIONS, proportion
from helpers.paper.baseline import pooled_moment, share_of
from helpers.paper.performance import confusion_matrices, proportion_counts
from helpers.paper.printed import INCONSISTENT, Entry, Printed, Reported, compare
from helpers.paper.publication import Publication
from helpers.study.number_texts import p_text
from helpers.study.run_folder import Run

BUILT_IN, ROUNDED, INSIDE = "by construction", "within rounding", "inside the paper's CI"
AGREES, OVERLAPS, DIFFERS, ABSENT = "same conclusion", "overlaps", "differs", "not computed here"
STATUSES = [BUILT_IN, ROUNDED, INSIDE, AGREES, OVERLAPS, DIFFERS, ABSENT]
# Agreement that was not put in.
COULD_HAVE_FAILED = [ROUNDED, INSIDE, AGREES, OVERLAPS]
COMBINED = ("clinical", "radiomics", "nomogram")
# The settings fix these numbers of features, whatever the patients.
FIXED_STEPS = ("extracted", "after mRMR")
# Rows of the comparison of the cohorts, by the subject that the paper's numbers have.
ACROSS = {"age, mean ± SD": "age", "male, n (%)": "sex", "osteoporosis, n (%)": "prevalence"}
ALPHA = 0.05
Key = tuple[str, str, str]


class Computed(NamedTuple):
    """A computed number with its interval; NaN where there is none."""

    value: float
    low: float = np.nan
    high: float = np.nan


def _baseline(table: pd.DataFrame, paper: Publication) -> dict[Key, Computed]:
    """Table 1, and what the paper prints of whole cohorts, from the same groups."""
    numbers = table.assign(value=pd.to_numeric(table["value"], errors="coerce")).dropna(subset="value")
    baseline = paper.design.baseline
    found, entries = {}, {}
    for *key, number in numbers[["cohort", "subject", "metric", "value"]].itertuples(index=False):
        found[tuple(key)] = Computed(number)
        entries[baseline, *key] = Entry(baseline, *key, Printed.exact(number), None, None)
    here = Publication(Reported(entries), paper.design)
    for entry in paper.reported:
        value = _derived(here, entry)
        if value is not None:
            found.setdefault(entry[1:4], Computed(value))
    return found


def _derived(here: Publication, entry: Entry) -> float | None:
    if share := share_of(here, entry):
        return 100 * share[0] / share[1]
    if entry.subject != "cohort":
        return None
    moment = pooled_moment(here, entry)
    return moment.number if moment else here.count(entry.cohort, entry.metric)


def _across(table: pd.DataFrame, paper: Publication) -> dict[Key, Computed]:
    rows = zip(table["characteristic"], table["p_value"], strict=True)
    return {("all", ACROSS[name], "p_value"): Computed(p) for name, p in rows if name in ACROSS}


def _odds_ratios(table: pd.DataFrame, paper: Publication) -> dict[Key, Computed]:
    found = {}
    for row in table.itertuples():
        interval = row.profile_low, row.profile_high
        found[row.cohort, row.predictor, f"{row.analysis}_or"] = Computed(row.odds_ratio, *interval)
    return found


def _funnel(table: pd.DataFrame, paper: Publication) -> dict[Key, Computed]:
    rows = zip(table["step"], table["computed"], strict=True)
    return {("training", "features", step): Computed(float(count)) for step, count in rows}


def _performance(table: pd.DataFrame, paper: Publication) -> dict[Key, Computed]:
    found = {}
    for row in table.to_dict("records"):
        key = (row["cohort"], row["model"])
        found[*key, "auc"] = Computed(row["auc"], row["ci_low"], row["ci_high"])
        found |= {(*key, metric): Computed(row[metric]) for metric in PROPORTIONS}
    return found


def _tests(table: pd.DataFrame, paper: Publication) -> dict[Key, Computed]:
    found = {}
    for row in table.itertuples():
        found[row.cohort, row.subject, "delong_z"] = Computed(row.z)
        found[row.cohort, row.subject, "delong_p"] = Computed(row.p_value)
    return found


def _ranges(table: pd.DataFrame, paper: Publication) -> dict[Key, Computed]:
    longest = table[table["longest"].astype(bool)].itertuples()
    key = "nomogram", "dca_highest_net_benefit_range"
    return {(row.cohort, *key): Computed(np.nan, row.low, row.high) for row in longest}


# Shared table: the notebook that writes it, and how it is read.
SOURCES = {
    "table_1": ("01", _baseline),
    "table_1_cohorts": ("01", _across),
    "table_2": ("06", _odds_ratios),
    "feature_funnel": ("04", _funnel),
    "table_3": ("05", _performance),
    "table_5": ("06", _performance),
    "delong_pairs": ("07", _tests),
    "delong_models": ("07", _tests),
    "decision_ranges": ("08", _ranges),
}
LAMBDA = ("selection", "04")


def computed_values(run: Run, paper: Publication) -> tuple[dict[Key, Computed], set[str]]:
    """Values that the run has, and the names of the tables that are not there."""
    found: dict[Key, Computed] = {}
    missing = set()
    for name, (_, read) in SOURCES.items():
        table = run.read_table(name)
        if table is None:
            missing.add(name)
        else:
            found |= read(table, paper)
    if not run.json_path(LAMBDA[0]).is_file():
        return found, missing | {LAMBDA[0]}
    chosen = float(run.read_json(LAMBDA[0])["lambda"])
    found["training", "LASSO", "lambda"] = Computed(chosen)
    found["training", "LASSO", "ln_lambda"] = Computed(float(np.log(chosen)))
    return found, missing


def source_of(entry: Entry, paper: Publication) -> tuple[str, str]:
    """The shared table in which the computed counterpart stands, and the notebook that writes it."""
    models = entry.subject.split(" vs ")
    combined = any(model in COMBINED for model in models)
    if entry.subject == "LASSO":
        return LAMBDA
    if entry.subject == "features":
        name = "feature_funnel"
    elif entry.metric.startswith("delong"):
        name = "delong_models" if combined else "delong_pairs"
    elif entry.metric.startswith("dca"):
        name = "decision_ranges"
    elif entry.metric.endswith("_or"):
        name = "table_2"
    elif entry.metric in ("auc", *PROPORTIONS):
        name = "table_5" if combined else "table_3"
    else:
        across = entry.metric == "p_value" and entry.cohort in paper.design.totals
        name = "table_1_cohorts" if across else "table_1"
    return name, SOURCES[name][0]


def figure_of(entry: Entry) -> str:
    """The paper's figure that shows the number too, or nothing."""
    if entry.subject in ("features", "LASSO"):
        return "Figure 3"
    if entry.metric == "auc":
        return "Figure 6" if entry.subject in COMBINED and entry.item != "Table 3" else "Figure 4"
    if entry.metric.startswith("dca"):
        return "Figure 8"
    return "Figure 1" if entry.metric == "n" and entry.subject == "cohort" else ""


@dataclass(frozen=True)
class Judge:
    """The rules of this module, for one paper and one run."""

    paper: Publication
    computed: dict[Key, Computed]
    missing: set[str]
    is_virtual: bool
    paper_counts: dict[tuple[str, str], dict[str, tuple[int, int]]]

    def status(self, entry: Entry) -> tuple[str, str]:
        """Status of a printed number, and why."""
        found = self.computed.get(entry[1:4])
        if found is None or (np.isnan(found.value) and np.isnan(found.low)):
            return ABSENT, self._absence(entry, found)
        if entry.value is None:
            common = found.low <= entry.ci_high.high and found.high >= entry.ci_low.low
            return OVERLAPS if common else DIFFERS, "the longest range in which the nomogram is best"
        rounds = compare(entry.value, found.value, found.value) != INCONSISTENT
        if entry.metric in ("p_value", "delong_p", "delong_z"):
            status, why = self._test(entry, found.value, rounds)
        elif rounds:
            status, why = (AGREES, "keeps the limit") if entry.value.is_limit else (ROUNDED, "")
        else:
            status, why = self._number(entry, found.value)
        if status in (ROUNDED, AGREES) and (reason := self._put_in(entry)):
            return BUILT_IN, reason
        return status, why

    def _absence(self, entry: Entry, found: Computed | None) -> str:
        name, chapter = source_of(entry, self.paper)
        if name in self.missing:
            return f"notebook {chapter} has not run in this folder"
        if entry.metric.endswith(("_min", "_max")):
            return "the value of a single patient is not shown"
        return "not estimable, or too few patients" if found else "this study has no such number"

    def _put_in(self, entry: Entry) -> str:
        if entry.subject == "features" and entry.metric in FIXED_STEPS:
            return "the settings fix this number"
        drawn = self.is_virtual and source_of(entry, self.paper)[0].startswith("table_1")
        return "the virtual patients were drawn so" if drawn else ""

    def _number(self, entry: Entry, value: float) -> tuple[str, str]:
        """Held against the paper's interval: printed here, printed in a table, or Wilson's of its counts."""
        if entry.value.is_limit:
            return DIFFERS, "beyond the printed limit"
        cohort, subject, metric = entry[1:4]
        printed = self.paper.reported.select(cohort=cohort, subject=subject, metric=metric)
        rows = [entry, *(row for row in printed if row.in_table)]
        intervals = [row.interval for row in rows if row.interval]
        if intervals:
            name, low, high = "CI", intervals[0][0].low, intervals[0][1].high
        elif counts := self.paper_counts.get((cohort, subject), {}).get(metric):
            wilson = proportion(*counts)
            name, low, high = "Wilson's CI", wilson["wilson_low"], wilson["wilson_high"]
        else:
            return DIFFERS, "no interval printed"
        return INSIDE if low <= value <= high else DIFFERS, f"{name} {low:.3f} to {high:.3f}"

    def _test(self, entry: Entry, value: float, rounds: bool) -> tuple[str, str]:
        """Of P and Z: whether they print alike, or lead to the same conclusion."""
        if entry.metric == "delong_z":
            limit = norm.isf(ALPHA / 2)
            printed, here = (np.sign(z) * (abs(z) >= limit) for z in (entry.value.number, value))
        else:
            printed, here = entry.value.high <= ALPHA, value < ALPHA
            if printed and here and entry.metric == "delong_p":
                printed, here = self._direction(entry)
        if printed != here:
            why = "significant in the other direction" if printed and here else "the other side of 0.05"
            return DIFFERS, why
        return (ROUNDED, "") if rounds and not entry.value.is_limit else (AGREES, "")

    def _direction(self, entry: Entry) -> tuple[float, float]:
        """Signs of the printed and the computed difference of two AUCs."""
        rows = self.paper.reported.select(metric="auc", cohort=entry.cohort)
        aucs = {row.subject: row.value.number for row in rows if row.in_table}
        pair = entry.subject.split(" vs ")
        here = [self.computed.get((entry.cohort, model, "auc"), Computed(np.nan)).value for model in pair]
        printed = [aucs.get(model, np.nan) for model in pair]
        return np.sign(printed[0] - printed[1]), np.sign(here[0] - here[1])


def compare_with_paper(run: Run, paper: Publication) -> pd.DataFrame:
    """Every printed number beside the computed one.

    Parameters
    ----------
    run : Run
        Its share/tables and selection are read; what is not there yet is said to be missing.
    paper : Publication
        The printed numbers and what they mean.

    Returns
    -------
    DataFrame
        item, figure, cohort, subject, metric, paper and computed (text, with intervals), difference (computed
        minus printed; NaN for P values and limits), status, why, chapter (notebook): tables first, then text.
    """
    computed, missing = computed_values(run, paper)
    judge = Judge(paper, computed, missing, run.study.is_virtual, _paper_counts(paper))
    rows = []
    for entry in sorted(paper.reported, key=lambda entry: (not entry.in_table, entry.item)):
        found = computed.get(entry[1:4], Computed(np.nan))
        texts = entry.text, _shown(entry, found), _difference(entry, found.value)
        chapter = source_of(entry, paper)[1]
        rows.append([entry.item, figure_of(entry), *entry[1:4], *texts, *judge.status(entry), chapter])
    columns = "item figure cohort subject metric paper computed difference status why chapter".split()
    return pd.DataFrame(rows, columns=columns)


def aucs_beside(run: Run, paper: Publication) -> pd.DataFrame:
    """AUCs of the clinical model, the radiomics model and the nomogram, printed in a table and computed.

    Returns
    -------
    DataFrame
        cohort, model, paper, paper_low, paper_high, computed, computed_low, computed_high; NaN where there is
        none.
    """
    computed, _ = computed_values(run, paper)
    columns = [f"{whose}{end}" for whose in ("paper", "computed") for end in ("", "_low", "_high")]
    rows = []
    for entry in paper.reported.select(metric="auc"):
        if entry.in_table and entry.subject in COMBINED:
            ends = [np.nan if number is None else number.number for number in entry[4:]]
            rows.append([*entry[1:3], *ends, *computed.get(entry[1:4], Computed(np.nan))])
    return pd.DataFrame(rows, columns=["cohort", "model", *columns])


def _paper_counts(paper: Publication) -> dict[tuple[str, str], dict[str, tuple[int, int]]]:
    """Numerator and denominator of each proportion, where the printed ones leave one solution."""
    keys = ["cohort", "subject"]
    matrices = confusion_matrices(paper).dropna().drop_duplicates(["item", *keys], keep=False)
    rows = matrices.drop_duplicates(keys).itertuples()
    return {(row.cohort, row.subject): proportion_counts(row.tp, row.fn, row.tn, row.fp) for row in rows}


def _shown(entry: Entry, found: Computed) -> str:
    """The computed number with the decimals of the printed one, and its interval."""
    if entry.metric in ("p_value", "delong_p") and found.value < 0.001:
        return p_text(found.value)
    low, value, high = (f"{number:.{_decimals(entry)}f}" for number in (found.low, found.value, found.high))
    interval = "" if np.isnan(found.low) else f"{low} to {high}"
    if np.isnan(found.value):
        return interval
    return f"{value} ({interval})" if interval else value


def _decimals(entry: Entry) -> int:
    printed = entry.value or entry.ci_low
    if printed.is_limit:
        return 3
    decimals = max(0, round(-np.log10(printed.unit))) if printed.unit else 0
    return decimals + printed.text.startswith("about")


def _difference(entry: Entry, value: float) -> float:
    """Computed minus printed number, as both are shown."""
    tested = entry.metric in ("p_value", "delong_p")
    if tested or entry.value is None or entry.value.is_limit:
        return np.nan
    return round(round(value, _decimals(entry)) - entry.value.number, 10)


def status_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Number of printed values by place and status, with the totals in the last row."""
    counts = pd.crosstab(table["item"], table["status"]).reindex(columns=STATUSES, fill_value=0)
    counts = counts.reindex(dict.fromkeys(table["item"]))
    counts.loc["all"] = counts.sum()
    return counts.rename_axis(index=None, columns=None)
