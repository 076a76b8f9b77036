"""Checks of the baseline table: sums, percentages, means and SDs, P values, odds ratios."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, fisher_exact, norm, ttest_ind_from_stats
from statsmodels.stats.oneway import anova_generic

from helpers.paper.printed import CONSISTENT, INCONSISTENT, Entry, Recomputed, compare, recompute
from helpers.paper.publication import (
    UNDECIDED,
    VERDICTS,
    Check,
    Moments,
    Publication,
    judged,
    p_formula,
    sentence_of,
)
from helpers.study.number_texts import estimate_text, p_text


def check_sums(paper: Publication) -> Iterator[Check]:
    """Groups add up to their cohort, cohorts to their total, levels to their group."""
    counted = ["n", *(level for pair in paper.design.categories.values() for level in pair)]
    for entry in paper.reported.select(subject="cohort"):
        total = paper.count(entry.cohort, entry.metric) if entry.metric in counted else None
        if total is not None:
            source = f"the groups of {paper.design.baseline}"
            yield judged("sums of patients", entry, Recomputed.exact(total), source, decimals=0)
    for entry in paper.reported.select(item=paper.design.baseline, metric="n"):
        for pair in paper.design.categories.values():
            parts = [paper.reported.get(entry.item, entry.cohort, entry.subject, level) for level in pair]
            if None not in parts:
                total = Recomputed.exact(sum(part.number for part in parts))
                yield judged("sums of patients", entry, total, " + ".join(pair), decimals=0)


def check_percentages(paper: Publication) -> Iterator[Check]:
    """Percentages follow from the counts."""
    for entry in paper.reported:
        counts = share_of(paper, entry) if entry.value else None
        if counts is not None:
            percent = Recomputed.exact(100 * counts[0] / counts[1])
            yield judged("percentages", entry, percent, f"{counts[0]:.0f} of {counts[1]:.0f}")


def share_of(paper: Publication, entry: Entry) -> tuple[float, float] | None:
    """Part and whole (patients) of which ``entry`` is the percentage; None if it is none."""
    name = entry.metric.removesuffix("_percent")
    group = None if entry.subject == "cohort" else entry.subject
    if name == entry.metric:
        return None
    counted = ("n", paper.design.cases) if name == "prevalence" else (name, group)
    part = paper.count(entry.cohort, *counted)
    whole = paper.count(entry.cohort, "n", group)
    return (part, whole) if part is not None and whole else None


def check_pooled(paper: Publication) -> Iterator[Check]:
    """Mean and SD of a whole cohort follow from those of its groups."""
    for entry in paper.reported.select(subject="cohort"):
        found = pooled_moment(paper, entry)
        if found is not None:
            yield judged("pooled means and SDs", entry, found, f"the groups of {paper.design.baseline}")


def pooled_moment(paper: Publication, entry: Entry) -> Recomputed | None:
    """Pooled mean or SD of the cohort of ``entry``, with the range that its groups' rounding allows."""
    name, _, kind = entry.metric.rpartition("_")
    moments = paper.moments(entry.cohort, name) if kind in ("mean", "sd") else None
    if moments is None:
        return None

    def formula(*values: float) -> float:
        half = len(values) // 2
        return pooled(moments.sizes, values[:half], values[half:])[kind == "sd"]

    return recompute(formula, *moments.means, *moments.sds)


def pooled(sizes: NDArray, means: NDArray, sds: NDArray) -> tuple[float, float]:
    """Mean and sample SD of all patients together, from those of groups, each of shape (groups,)."""
    n, mean, sd = (np.asarray(values, dtype=float) for values in (sizes, means, sds))
    centre = n @ mean / n.sum()
    squares = (n - 1) @ sd**2 + n @ (mean - centre) ** 2
    return float(centre), float(np.sqrt(squares / (n.sum() - 1)))


def check_ranges(paper: Publication) -> Iterator[Check]:
    """Mean and SD of each group can exist between the smallest and the largest printed value.

    The variance is at most (largest - mean) x (mean - smallest), Bhatia and Davis. A mean less than one SD
    above the smallest value is possible for strongly skewed values only.
    """
    for entry in paper.reported.select(item=paper.design.baseline):
        name, _, kind = entry.metric.rpartition("_")
        limits = paper.limits(entry.cohort, name) if kind == "mean" else None
        sd, size = (paper.reported.get(*entry[:3], metric) for metric in (f"{name}_sd", "n"))
        if not (limits and sd and size):
            continue
        (low, high), mean = limits, entry.value.number
        largest = np.sqrt(max((high - mean) * (mean - low), 0) * size.number / (size.number - 1))
        above = (mean - low) / sd.number
        verdict = INCONSISTENT if sd.low > largest else CONSISTENT if above >= 1 else UNDECIDED
        ending = {
            CONSISTENT: "can well exist",
            UNDECIDED: "is possible only if most values lie close to the smallest and a few far above",
            INCONSISTENT: "cannot exist",
        }[verdict]
        text = f"{entry.value.text} ± {sd.text}"
        place = f"the mean is {above:.2f} SD above the smallest"
        sentence = f"{text} between {low:g} and {high:g} {ending}: {place}."
        found = f"SD at most {largest:.2f}"
        yield Check("mean and SD within the range", entry.where, text, found, verdict, sentence)


def check_baseline_p(paper: Publication) -> Iterator[Check]:
    """P values between patients with and without the disease, in every cohort."""
    for entry in paper.reported.select(item=paper.design.baseline, metric="p_value"):
        if entry.subject in paper.design.categories:
            yield from _tested_counts(entry, paper.counts_by_group(entry.cohort, entry.subject))
        elif moments := paper.moments(entry.cohort, entry.subject):
            p = recompute(partial(_welch_p, moments.sizes), *moments.means, *moments.sds)
            yield _tested(entry, {"Welch's t test": p}, decides=False)


def _welch_p(sizes: list[int], mean1: float, mean2: float, sd1: float, sd2: float) -> float:
    test = ttest_ind_from_stats(mean1, sd1, sizes[0], mean2, sd2, sizes[1], equal_var=False)
    return float(test.pvalue)


def check_cohorts_p(paper: Publication) -> Iterator[Check]:
    """P values between the cohorts: prevalence, two-level characteristics, means."""
    for entry in paper.reported.select(metric="p_value"):
        cohorts = paper.design.totals.get(entry.cohort)
        if not cohorts:
            continue
        if entry.subject in ("prevalence", *paper.design.categories):
            yield from _tested_counts(entry, paper.counts_by_cohort(cohorts, entry.subject))
        elif None not in (moments := [paper.moments(cohort, entry.subject) for cohort in cohorts]):
            p = Recomputed.exact(_variance_analysis_p(moments))
            yield _tested(entry, {"analysis of variance": p}, decides=False)


def _variance_analysis_p(moments: list[Moments]) -> float:
    """P of a one-way analysis of variance between cohorts, each pooled from its groups."""
    found = [
        pooled(sizes, [mean.number for mean in means], [sd.number for sd in sds])
        for sizes, means, sds in moments
    ]
    means, sds = np.transpose(found)
    sizes = [sum(cohort.sizes) for cohort in moments]
    return float(anova_generic(means, sds**2, np.array(sizes), use_var="equal").pvalue)


def _tested_counts(entry: Entry, counts: NDArray | None) -> Iterator[Check]:
    """A printed P value against the tests in use for a table of counts; nothing where it has a gap."""
    if counts is None:
        return
    tests = {"chi-square test": chi2_contingency(counts, correction=False).pvalue}
    if counts.shape == (2, 2):
        tests["chi-square test with Yates' correction"] = chi2_contingency(counts, correction=True).pvalue
        tests["Fisher's exact test"] = fisher_exact(counts).pvalue
    yield _tested(entry, {name: Recomputed.exact(float(p)) for name, p in tests.items()}, decides=True)


def _tested(entry: Entry, tests: dict[str, Recomputed], decides: bool) -> Check:
    """A printed P value against the tests that may have given it: the one that fits best speaks."""
    verdicts = {name: compare(entry.value, p.low, p.high) for name, p in tests.items()}
    best = min(verdicts, key=lambda name: VERDICTS.index(verdicts[name]))
    verdict = verdicts[best] if decides or verdicts[best] == CONSISTENT else UNDECIDED
    found = f"{p_formula(p_text(tests[best].number))} ({best})"
    source = f"{'the counts' if decides else 'means and SDs'}: {found}"
    sentence = sentence_of(f"{p_formula(entry.value.text)} for {entry.subject}", verdict, source)
    name = "P values of patients' characteristics"
    return Check(name, entry.where, entry.value.text, found, verdict, sentence)


def check_odds_ratios(paper: Publication) -> Iterator[Check]:
    """Univariable odds ratios: of a two-level characteristic from its counts, of a continuous one roughly."""
    for entry in paper.reported.select(metric="univariable_or"):
        if entry.subject in paper.design.categories:
            counts = paper.counts_by_group(entry.cohort, entry.subject)
            if counts is not None and counts.all():
                yield _count_ratio_row(entry, *count_odds_ratio(counts))
        elif entry.interval and (moments := paper.moments(entry.cohort, entry.subject)):
            yield _normal_ratio_row(entry, moments)


def _count_ratio_row(entry: Entry, ratio: float, low: float, high: float) -> Check:
    verdict = compare(entry.value, ratio, ratio)
    found = estimate_text(ratio, low, high, ".3f")
    sentence = sentence_of(f"An odds ratio of {entry.value.text}", verdict, f"the printed counts: {found}")
    return Check("odds ratios", entry.where, entry.text, found, verdict, sentence)


def _normal_ratio_row(entry: Entry, moments: Moments) -> Check:
    """A stand-in: with normal values and one SD, the log odds ratio is difference of means / variance."""
    variance = np.average([sd.number**2 for sd in moments.sds], weights=np.subtract(moments.sizes, 1))
    ratio = np.exp((moments.means[0].number - moments.means[1].number) / variance)
    verdict = CONSISTENT if entry.ci_low.low <= ratio <= entry.ci_high.high else UNDECIDED
    sentence = (
        f"Means and SDs suggest an odds ratio of about {ratio:.3f}, "
        f"{'inside' if verdict == CONSISTENT else 'outside'} the printed interval."
    )
    return Check("odds ratios", entry.where, entry.text, f"about {ratio:.3f}", verdict, sentence)


def count_odds_ratio(counts: NDArray) -> tuple[float, float, float]:
    """Odds ratio of a two-by-two table, no count 0, with its 95 % Wald (Woolf) interval.

    Rows are the first and second level, columns with and without the disease.
    """
    (a, b), (c, d) = np.asarray(counts, dtype=float)
    centre, half = np.log(a * d / (b * c)), norm.ppf(0.975) * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return float(np.exp(centre)), float(np.exp(centre - half)), float(np.exp(centre + half))
