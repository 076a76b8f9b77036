"""Table 1: patients with and without the outcome within each cohort, and cohorts beside each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, fisher_exact, kruskal, mannwhitneyu

from helpers.study.cohorts import cohort_title, ordered_cohorts
from helpers.study.number_texts import p_text
from helpers.study.study_file import Study

PAPER_GROUPS = {1: "osteoporosis", 0: "non-osteoporosis"}
_LEAST_EXPECTED = 5  # below this expected count, Fisher's exact test stands in for chi-square


def table_1(
    cohort: pd.DataFrame, predictors: list[str], groups: dict[int, str] = PAPER_GROUPS
) -> pd.DataFrame:
    """Table 1 in long form: patients with and without the outcome within each cohort.

    Continuous characteristics: mean and sample SD, Mann-Whitney U test (normal approximation with
    continuity and tie correction, as R's ``wilcox.test(exact = FALSE)``). Categories: counts, chi-square
    test without Yates' correction, which is what gives the paper's P of 0.013 (0.021 with it); Fisher's
    exact test where an expected count of a 2 x 2 table is below 5 (paper 2.6). Standardised mean differences
    are those with the outcome minus those without (Austin 2009, doi 10.1002/sim.3697).

    Parameters
    ----------
    cohort : DataFrame
        With cohort, outcome, age, sex and the predictors.
    predictors : list of str
        Rows besides age and sex, which are there wherever the tables have them.
    groups : dict
        What patients with (1) and without the outcome (0) are called.

    Returns
    -------
    DataFrame
        Columns cohort, characteristic, subject, metric (as in data/paper/reported_values.csv), value (NaN
        where it cannot be computed).
    """
    rows = []
    for name, people in by_cohort(cohort):
        rows.append((name, "patients", "cohort", "n", len(people)))
        rows += [(name, "patients", groups[flag], "n", (people["outcome"] == flag).sum()) for flag in (1, 0)]
        for characteristic in [name for name in characteristics(predictors) if name in cohort]:
            rows += [
                (name, characteristic, *row) for row in _compare_outcomes(people, characteristic, groups)
            ]
    table = pd.DataFrame(rows, columns=["cohort", "characteristic", "subject", "metric", "value"])
    return table.astype({"value": float})


def groups_of(study: Study) -> dict[int, str]:
    """What Table 1 calls patients with (1) and without the outcome (0): in the paper's design as it does."""
    return PAPER_GROUPS if study.is_of_paper_design else study.outcome.groups


def characteristics(predictors: list[str]) -> list[str]:
    """Rows of Table 1: age, sex, and the study's further predictors."""
    return ["age", "sex", *(name for name in predictors if name not in ("age", "sex"))]


def is_continuous(values: pd.Series) -> bool:
    """Whether a characteristic is summed up by mean and SD: numbers of more than two kinds."""
    return pd.api.types.is_numeric_dtype(values) and values.nunique() > 2


def by_cohort(cohort: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and patients of each cohort that has any, in the paper's order."""
    return [(name, cohort[cohort["cohort"] == name]) for name in ordered_cohorts(cohort["cohort"])]


def _compare_outcomes(
    people: pd.DataFrame, characteristic: str, names: dict[int, str]
) -> list[tuple[str, str, float]]:
    """Subject, metric and value of one characteristic in one cohort."""
    groups = {flag: people.loc[people["outcome"] == flag, characteristic] for flag in (1, 0)}
    rows: list[tuple[str, str, float]] = []
    if is_continuous(people[characteristic]):
        for flag, values in groups.items():
            rows.append((names[flag], f"{characteristic}_mean", values.mean()))
            rows.append((names[flag], f"{characteristic}_sd", values.std(ddof=1)))
        p_value = mannwhitneyu(groups[1], groups[0], method="asymptotic").pvalue
        difference = smd(groups[1], groups[0])
    else:
        levels = sorted(people[characteristic].unique(), reverse=True)
        for flag, values in groups.items():
            rows += [
                (names[flag], _level(characteristic, level), (values == level).sum()) for level in levels
            ]
        p_value = categories_p(people[characteristic], people["outcome"])
        difference = smd(groups[1] == levels[0], groups[0] == levels[0])
    return [*rows, (characteristic, "p_value", p_value), (characteristic, "smd", difference)]


def _level(characteristic: str, level: str | float) -> str:
    return level if characteristic == "sex" else f"{characteristic}={level}"


def smd(first: pd.Series, second: pd.Series) -> float:
    """Standardised mean difference, first minus second, by the root of the mean of both variances.

    Booleans are shares, with variance p(1 - p). NaN when neither group varies.
    """
    shares = first.dtype == bool
    variances = [group.astype(float).var(ddof=0 if shares else 1) for group in (first, second)]
    spread = np.sqrt(np.mean(variances))
    return float((first.mean() - second.mean()) / spread) if spread > 0 else np.nan


def categories_p(values: pd.Series, groups: pd.Series) -> float:
    """P of a table of counts: chi-square without Yates, Fisher when a 2 x 2 table expects fewer than 5."""
    counts = pd.crosstab(values, groups).to_numpy()
    if min(counts.shape) < 2:
        return np.nan
    test = chi2_contingency(counts, correction=False)
    if counts.shape == (2, 2) and test.expected_freq.min() < _LEAST_EXPECTED:
        return float(fisher_exact(counts).pvalue)
    return float(test.pvalue)


def printed_table_1(table: pd.DataFrame) -> pd.DataFrame:
    """Table 1 as one reads it: a row a cohort and characteristic, each computed cell beside the paper's.

    Parameters
    ----------
    table : DataFrame
        From `table_1`; of a study of the paper's design with ``paper``: the printed texts, missing where the
        paper prints nothing.

    Returns
    -------
    DataFrame
        Columns: group (or P, SMD); where there is something printed, in two levels with "computed" and
        "paper" below.
    """
    rows = {}
    has_paper = "paper" in table
    table = table if has_paper else table.assign(paper=pd.NA)
    for (name, characteristic), part in table.groupby(["cohort", "characteristic"], sort=False):
        if characteristic == "patients":
            sizes = part.set_index("subject")[["value", "paper"]].apply(pd.to_numeric, errors="coerce")
            groups = [name for name in sizes.index if name != "cohort"]
            continue
        cells = part.set_index(["subject", "metric"])
        tests = _printed_tests(cells.loc[characteristic])
        for metric in cells.loc[groups[0]].index.drop(f"{characteristic}_sd", errors="ignore"):
            texts = {
                (subject, source): _printed_cell(
                    cells.loc[subject, column], metric, sizes.loc[subject, column]
                )
                for subject in groups
                for source, column in (("computed", "value"), ("paper", "paper"))
            }
            rows[cohort_title(name), _row_title(metric)] = {**texts, **tests}
            tests = dict.fromkeys(tests, "")
    if not rows:  # neither age nor sex nor other predictors
        return pd.DataFrame()
    printed = pd.DataFrame.from_dict(rows, orient="index")
    printed = printed.rename_axis(index=["set", "characteristic"])
    return printed if has_paper else printed.xs("computed", axis=1, level=1)


def _row_title(metric: str) -> str:
    if metric.endswith("_mean"):
        return f"{metric.removesuffix('_mean')}, mean ± SD"
    return f"{metric}, n (%)"


def _printed_cell(values: pd.Series, metric: str, size: float) -> str:
    """Mean ± SD or n (%) of one group; "" where there is no number, the text where a count is not shown."""
    value = pd.to_numeric(values[metric], errors="coerce")
    if np.isnan(value):
        return "" if pd.isna(values[metric]) else values[metric]
    if metric.endswith("_mean"):
        return f"{value:.2f} ± {float(values[metric.removesuffix('mean') + 'sd']):.2f}"
    return f"{value:.0f} ({100 * value / size:.2f}%)"


def _printed_tests(tests: pd.DataFrame) -> dict[tuple[str, str], str]:
    p_value, difference = tests.loc["p_value"], tests.loc["smd", "value"]
    return {
        ("P", "computed"): p_text(p_value["value"]),
        ("P", "paper"): "" if pd.isna(p_value["paper"]) else p_value["paper"],
        ("SMD", "computed"): "" if np.isnan(difference) else f"{difference:.2f}",
    }


def compare_cohorts(
    cohort: pd.DataFrame, predictors: list[str], positive: str = PAPER_GROUPS[1]
) -> pd.DataFrame:
    """Do the cohorts differ from each other? Characteristics and prevalence, all outcomes together.

    Kruskal-Wallis test for continuous characteristics, chi-square for categories; standardised mean
    differences of each validation cohort minus training (of the share of the first category named).
    ``positive`` is what patients with the outcome are called.

    Returns
    -------
    DataFrame
        A row a characteristic and cohort: characteristic, cohort, n, mean and sd or else count and share (of
        1), p_value (the same in all rows of a characteristic), smd (missing in training).
    """
    names = [name for name in [*characteristics(predictors), "outcome"] if name in cohort]
    return pd.DataFrame([row for name in names for row in _across(cohort, name, positive)])


def _across(cohort: pd.DataFrame, name: str, positive: str) -> list[dict[str, str | float]]:
    """One characteristic in each cohort."""
    groups = {title: people[name] for title, people in by_cohort(cohort)}
    if is_continuous(cohort[name]):
        title, p_value = f"{name}, mean ± SD", kruskal(*groups.values()).pvalue
        found = [{"mean": values.mean(), "sd": values.std(ddof=1)} for values in groups.values()]
    else:
        level = max(cohort[name].unique())
        title = f"{_level(name, level)}, n (%)" if name != "outcome" else f"{positive}, n (%)"
        groups = {key: values == level for key, values in groups.items()}
        p_value = categories_p(cohort[name], cohort["cohort"])
        found = [{"count": flags.sum(), "share": flags.mean()} for flags in groups.values()]
    differences = [np.nan if key == "training" else smd(groups[key], groups["training"]) for key in groups]
    return [
        {"characteristic": title, "cohort": key, "n": len(values), **numbers}
        | {"p_value": float(p_value), "smd": difference}
        for (key, values), numbers, difference in zip(groups.items(), found, differences, strict=True)
    ]


def printed_cohorts(table: pd.DataFrame) -> pd.DataFrame:
    """`compare_cohorts` as one reads it: a row a characteristic, a column a cohort.

    Returns
    -------
    DataFrame
        characteristic, one column of text a cohort, p_value, and smd_internal, smd_external.
    """
    rows = []
    for title, part in table.groupby("characteristic", sort=False):
        cells = part.set_index("cohort")
        differences = cells["smd"].drop("training").add_prefix("smd_")
        texts = {cohort: _printed_numbers(cells.loc[cohort]) for cohort in cells.index}
        tests = {"p_value": cells["p_value"].iloc[0], **differences}
        rows.append({"characteristic": title, **texts, **tests})
    return pd.DataFrame(rows)


def _printed_numbers(row: pd.Series) -> str:
    """Mean ± SD or n (%) of a cohort; the text where a count is not shown."""
    if isinstance(row["count"], str):
        return row["count"]
    if pd.notna(row.get("mean")):
        return f"{row['mean']:.2f} ± {row['sd']:.2f}"
    return f"{row['count']:.0f} ({100 * row['share']:.2f}%)"
