"""Who is in the study: tables read and checked, inclusion, the 7:3 split, Figure 1 and Table 1.

Names for others: `load_screened`, `apply_inclusion`, `assign_cohorts`, `draw_second_reader`, `flow_chart`,
`table_1`, `check_tables`. Paper: sections 2.1 and 3.1, Figure 1, Table 1.
"""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.stats import chi2_contingency, fisher_exact, kruskal, mannwhitneyu

from helpers import privacy, schemas
from helpers.errors import StudyError
from helpers.figures import COHORT_TITLES, OUTCOME_COLOURS, OUTCOME_TITLES
from helpers.paper import reported_values
from helpers.study import Run, Site, Study
from helpers.tables import check_tables, read_table
from helpers.virtual import VirtualSite

SUBJECTS = {1: "osteoporosis", 0: "non-osteoporosis"}
_REASONS_SHOWN = 8
_LEAST_EXPECTED = 5  # below this expected count, Fisher's exact test stands in for chi-square


def load_screened(run: Run) -> pd.DataFrame:
    """Everyone who was screened, in every site of the study.

    Returns
    -------
    DataFrame
        As the contract "screened": patient_id (pseudonym), site, age (years), sex, t_score, exclusion (the
        written reason or ""), and interval_days, scanner, allocation and further predictors where known.

    Raises
    ------
    StudyError
        Listing everything that is wrong in all tables at once.
    """
    problems = check_tables(run.study)
    if problems:
        raise StudyError("\n".join(problems))
    screened = pd.concat([_people(run, site) for site in run.study.sites], ignore_index=True)
    blanks = {column: "" for column in ("exclusion", "allocation") if column in screened}
    return screened.fillna(blanks)


def _people(run: Run, site: Site) -> pd.DataFrame:
    if site.virtual is None:
        return read_table(run, site)
    protocol = run.study.path(site.virtual.protocol)
    people = VirtualSite(protocol, site.role, site.virtual.patients, run.study.seed).screened()
    return people.assign(site=site.name)


def apply_inclusion(screened: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Fill ``exclusion`` from the study's rules where nobody has written a reason.

    A written reason stands; then comes the CT-DXA interval, then age. A hospital that records no intervals
    at all keeps its patients.
    """
    rules = study.inclusion
    reasons = pd.Series("", index=screened.index)
    reasons[screened["age"] < rules.min_age] = f"younger than {rules.min_age} years"
    if "interval_days" in screened:
        days = screened["interval_days"]
        recorded = days.notna().groupby(screened["site"]).transform("any")
        reasons[days >= rules.max_interval_days] = f"CT and DXA {rules.max_interval_days} days apart or more"
        reasons[days.isna() & recorded] = "days between CT and DXA unknown"
    return screened.assign(exclusion=screened["exclusion"].where(screened["exclusion"] != "", reasons))


def assign_cohorts(
    screened: pd.DataFrame, study: Study, training_share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Give everyone who stays an outcome and a cohort.

    Patients of external sites are "external". Those of the development site follow the hospital's own
    ``allocation`` when it names a cohort for every one of them; otherwise they are split at random, within
    each outcome, ``training_share`` of them to training.

    Parameters
    ----------
    screened : DataFrame
        After `apply_inclusion`.
    study : Study
        Names the outcome rule and the role of each site.
    training_share : float
        Between 0 and 1; the paper's is 0.7.
    rng : Generator
        For the split.

    Returns
    -------
    DataFrame
        The included patients with columns ``osteoporosis`` (0/1) and ``cohort``.

    Raises
    ------
    StudyError
        When a cohort would have no patient, or only one, with or without osteoporosis.
    """
    included = screened[screened["exclusion"] == ""].reset_index(drop=True)
    included["osteoporosis"] = (included["t_score"] <= study.outcome.t_score_at_most).astype(int)
    home = _at_home(included, study)
    included["cohort"] = "external"
    if has_allocation(screened, study):
        included.loc[home, "cohort"] = included.loc[home, "allocation"]
    else:
        included.loc[home, "cohort"] = _split(included.loc[home, "osteoporosis"], training_share, rng)
    _check_sizes(included, study)
    return included.drop(columns=["allocation", "exclusion"], errors="ignore")


def has_allocation(screened: pd.DataFrame, study: Study) -> bool:
    """Whether the hospital's table puts everyone included at the development site in training or internal."""
    people = screened[(screened["exclusion"] == "") & _at_home(screened, study)]
    return "allocation" in people and bool(people["allocation"].isin(["training", "internal"]).all())


def _at_home(people: pd.DataFrame, study: Study) -> pd.Series:
    return people["site"].isin([site.name for site in study.sites if site.role == "development"])


def _split(outcome: pd.Series, training_share: float, rng: np.random.Generator) -> pd.Series:
    cohorts = pd.Series("internal", index=outcome.index)
    for _, group in outcome.groupby(outcome):
        chosen = rng.permutation(group.index)[: round(training_share * len(group))]
        cohorts[chosen] = "training"
    return cohorts


def _check_sizes(cohort: pd.DataFrame, study: Study) -> None:
    expected = ["training", "internal"]
    expected += ["external"] if any(site.role == "external" for site in study.sites) else []
    counts = pd.crosstab(cohort["cohort"], cohort["osteoporosis"])
    counts = counts.reindex(index=expected, columns=[0, 1], fill_value=0)
    small = [
        f"{COHORT_TITLES[name].lower()} has {row[1]} patients with osteoporosis and {row[0]} without"
        for name, row in counts.iterrows()
        if row.min() < 2
    ]
    if small:
        raise StudyError(
            f"Too few patients: {'; '.join(small)}. Each set needs at least 2 of both: check the outcome "
            "rule (t_score_at_most) and the exclusions, or add patients."
        )


def has_second_reading(cohort: pd.DataFrame, run: Run) -> pd.Series:
    """Whether a second reader's mask can be had for each patient (boolean, indexed as ``cohort``)."""
    sites = {site.name: site for site in run.study.sites}
    raw = privacy.raw_ids(run)

    def available(patient: pd.Series) -> bool:
        site = sites[patient["site"]]
        if site.virtual is not None or site.second_reader is None:
            return site.virtual is not None
        return run.study.path(site.second_reader.format(patient_id=raw[patient["patient_id"]])).exists()

    return cohort.apply(available, axis=1).astype(bool)


def draw_second_reader(cohort: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.Series:
    """Mark ``n`` random training cases for the second reader (all of them where there are fewer).

    Only training cases: choosing features by their reliability is part of the training (paper 2.3 draws 40
    of the first hospital).

    Returns
    -------
    Series
        Booleans, indexed as ``cohort``.
    """
    training = cohort.index[cohort["cohort"] == "training"]
    drawn = rng.choice(training, size=min(n, len(training)), replace=False)
    return pd.Series(cohort.index.isin(drawn), index=cohort.index)


def flow_chart(screened: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Counts of Figure 1.

    Returns
    -------
    DataFrame
        One row a box or reason, in reading order: site, stage ("screened", "excluded", "included", or a
        cohort), reason (of an exclusion), patients, osteoporosis (how many of them; included only).
    """
    rows = []
    for site, people in screened.groupby("site", sort=False):
        stayed = cohort[cohort["site"] == site]
        rows.append((site, "screened", "", len(people), pd.NA))
        reasons = people.loc[people["exclusion"] != "", "exclusion"].value_counts()
        rows += [(site, "excluded", reason, count, pd.NA) for reason, count in reasons.items()]
        rows.append((site, "included", "", len(stayed), stayed["osteoporosis"].sum()))
        for name in [name for name in schemas.COHORTS if name in set(stayed["cohort"])]:
            members = stayed.loc[stayed["cohort"] == name, "osteoporosis"]
            rows.append((site, name, "", len(members), members.sum()))
    flow = pd.DataFrame(rows, columns=["site", "stage", "reason", "patients", "osteoporosis"])
    return flow.astype({"patients": int, "osteoporosis": "Int64"})


def plot_flow_chart(flow: pd.DataFrame) -> Figure:
    """Draw Figure 1: one column a site, from those screened to the cohorts."""
    sites = flow["site"].unique()
    figure, axes = plt.subplots(1, len(sites), figsize=(4.9 * len(sites), 4.8), squeeze=False)
    for axis, site in zip(axes[0], sites, strict=True):
        _draw_site(axis, flow[flow["site"] == site])
    return figure


def _draw_site(axis: Axes, flow: pd.DataFrame) -> None:
    axis.set(xlim=(0, 10), ylim=(0, 10))
    axis.axis("off")
    count = flow.set_index("stage")["patients"]
    screened = _box(axis, (2.3, 9.2), f"{flow['site'].iloc[0]}\nscreened: {count['screened']}")
    excluded = _box(axis, (7.1, 6.35), _excluded_text(flow[flow["stage"] == "excluded"]), align="left")
    included = _box(axis, (2.3, 3.4), f"Included: {count['included']}")
    _arrow(axis, screened, included)
    corner = axis.text(2.3, 6.35, "")
    _arrow(axis, corner, excluded)
    cohorts = flow[flow["stage"].isin(schemas.COHORTS)]
    places = [2.3, 7.3] if len(cohorts) > 1 else [2.3]
    for place, row in zip(places, cohorts.itertuples(), strict=True):
        text = f"{COHORT_TITLES[row.stage]}: {row.patients}\nosteoporosis: {row.osteoporosis}"
        _arrow(axis, included, _box(axis, (place, 0.8), text))


def _excluded_text(excluded: pd.DataFrame) -> str:
    """Total and reasons, the rarer ones taken together where there are many."""
    lines = [f"Excluded: {excluded['patients'].sum()}"]
    for row in excluded.head(_REASONS_SHOWN).itertuples():
        lines += textwrap.wrap(f"{row.reason}: {row.patients}", 38, subsequent_indent="   ")
    rest = excluded["patients"].iloc[_REASONS_SHOWN:].sum()
    return "\n".join(lines + ([f"other reasons: {rest}"] if rest else []))


def _box(axis: Axes, place: tuple[float, float], text: str, align: str = "center") -> Text:
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "#555555"}
    return axis.text(
        *place, text, ha="center", va="center", multialignment=align, fontsize=8.5, bbox=frame, zorder=3
    )


def _arrow(axis: Axes, start: Text, end: Text) -> None:
    """From the edge of one box to the edge of another."""
    # Drawn after the boxes, whose frames take their places only when drawn.
    style = {"arrowstyle": "-|>", "color": "#555555", "lw": 1.2, "shrinkA": 0, "shrinkB": 1}
    edges = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
    axis.annotate("", end.get_position(), start.get_position(), arrowprops=style | edges, zorder=4)


def table_1(cohort: pd.DataFrame, predictors: list[str]) -> pd.DataFrame:
    """Table 1 in long form: patients with and without osteoporosis within each cohort.

    Continuous characteristics: mean and sample SD, Mann-Whitney U test (normal approximation with
    continuity and tie correction, as R's ``wilcox.test(exact = FALSE)``). Categories: counts, chi-square
    test without Yates' correction, which is what gives the paper's P of 0.013 (0.021 with it); Fisher's
    exact test where an expected count of a 2 x 2 table is below 5 (paper 2.6). Standardised mean differences
    are osteoporosis minus non-osteoporosis (Austin 2009, doi 10.1002/sim.3697).

    Parameters
    ----------
    cohort : DataFrame
        With cohort, osteoporosis, age, sex and the predictors.
    predictors : list of str
        Rows besides age and sex, which are always there.

    Returns
    -------
    DataFrame
        Columns cohort, subject, metric (as in data/paper/reported_values.csv), characteristic, value (NaN
        where it cannot be computed), paper (text as printed; missing where the paper prints nothing).
    """
    rows = []
    for name, people in _by_cohort(cohort):
        rows.append((name, "patients", "cohort", "n", len(people)))
        rows += [
            (name, "patients", SUBJECTS[flag], "n", (people["osteoporosis"] == flag).sum()) for flag in (1, 0)
        ]
        for characteristic in characteristics(predictors):
            rows += [(name, characteristic, *row) for row in _compare_outcomes(people, characteristic)]
    table = pd.DataFrame(rows, columns=["cohort", "characteristic", "subject", "metric", "value"])
    printed = reported_values().query("item == 'Table 1'").set_index(["cohort", "subject", "metric"])["value"]
    keys = pd.MultiIndex.from_frame(table[["cohort", "subject", "metric"]])
    return table.assign(value=table["value"].astype(float), paper=printed.reindex(keys).to_numpy())


def characteristics(predictors: list[str]) -> list[str]:
    """Rows of Table 1: age, sex, and the study's further predictors."""
    return ["age", "sex", *(name for name in predictors if name not in ("age", "sex"))]


def is_continuous(values: pd.Series) -> bool:
    """Whether a characteristic is summed up by mean and SD: numbers of more than two kinds."""
    return pd.api.types.is_numeric_dtype(values) and values.nunique() > 2


def _by_cohort(cohort: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [
        (name, cohort[cohort["cohort"] == name]) for name in schemas.COHORTS if name in set(cohort["cohort"])
    ]


def _compare_outcomes(people: pd.DataFrame, characteristic: str) -> list[tuple[str, str, float]]:
    """Subject, metric and value of one characteristic in one cohort."""
    groups = {flag: people.loc[people["osteoporosis"] == flag, characteristic] for flag in (1, 0)}
    rows: list[tuple[str, str, float]] = []
    if is_continuous(people[characteristic]):
        for flag, values in groups.items():
            rows.append((SUBJECTS[flag], f"{characteristic}_mean", values.mean()))
            rows.append((SUBJECTS[flag], f"{characteristic}_sd", values.std(ddof=1)))
        p_value = mannwhitneyu(groups[1], groups[0], method="asymptotic").pvalue
        difference = smd(groups[1], groups[0])
    else:
        levels = sorted(people[characteristic].unique(), reverse=True)
        for flag, values in groups.items():
            rows += [
                (SUBJECTS[flag], _level(characteristic, level), (values == level).sum()) for level in levels
            ]
        p_value = categories_p(people[characteristic], people["osteoporosis"])
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
        From `table_1`.

    Returns
    -------
    DataFrame
        Columns in two levels: group (or P, SMD), then "computed" and "paper".
    """
    rows = {}
    for (name, characteristic), part in table.groupby(["cohort", "characteristic"], sort=False):
        if characteristic == "patients":
            sizes = part.set_index("subject")[["value", "paper"]].astype(float)
            continue
        cells = part.set_index(["subject", "metric"])
        tests = _printed_tests(cells.loc[characteristic])
        for metric in cells.loc[SUBJECTS[1]].index.drop(f"{characteristic}_sd", errors="ignore"):
            texts = {
                (subject, source): _printed_cell(
                    cells.loc[subject, column], metric, sizes.loc[subject, column]
                )
                for subject in SUBJECTS.values()
                for source, column in (("computed", "value"), ("paper", "paper"))
            }
            rows[COHORT_TITLES[name], _row_title(metric)] = {**texts, **tests}
            tests = dict.fromkeys(tests, "")
    printed = pd.DataFrame.from_dict(rows, orient="index")
    return printed.rename_axis(index=["cohort", "characteristic"])


def _row_title(metric: str) -> str:
    if metric.endswith("_mean"):
        return f"{metric.removesuffix('_mean')}, mean ± SD"
    return f"{metric}, n (%)"


def _printed_cell(values: pd.Series, metric: str, size: float) -> str:
    """Mean ± SD or n (%) of one group; "" where there is no number."""
    value = float(values[metric]) if pd.notna(values[metric]) else np.nan
    if np.isnan(value):
        return ""
    if metric.endswith("_mean"):
        return f"{value:.2f} ± {float(values[metric.removesuffix('mean') + 'sd']):.2f}"
    return f"{value:.0f} ({100 * value / size:.2f}%)"


def _printed_tests(tests: pd.DataFrame) -> dict[tuple[str, str], str]:
    p_value, difference = tests.loc["p_value"], tests.loc["smd", "value"]
    return {
        ("P", "computed"): printed_p(p_value["value"]),
        ("P", "paper"): "" if pd.isna(p_value["paper"]) else p_value["paper"],
        ("SMD", "computed"): "" if np.isnan(difference) else f"{difference:.2f}",
    }


def printed_p(p_value: float) -> str:
    """Three decimals, or "<0.001"; "" where there is none."""
    if np.isnan(p_value):
        return ""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def compare_cohorts(cohort: pd.DataFrame, predictors: list[str]) -> pd.DataFrame:
    """Do the cohorts differ from each other? Characteristics and prevalence, all outcomes together.

    Kruskal-Wallis test for continuous characteristics, chi-square for categories; standardised mean
    differences of each validation cohort minus training (of the share of the first category named).

    Returns
    -------
    DataFrame
        characteristic, one column of text a cohort, p_value, and smd_internal, smd_external.
    """
    cohorts = dict(_by_cohort(cohort))
    return pd.DataFrame(
        [_across(cohort, cohorts, name) for name in [*characteristics(predictors), "osteoporosis"]]
    )


def _across(cohort: pd.DataFrame, cohorts: dict[str, pd.DataFrame], name: str) -> dict[str, str | float]:
    groups = {title: people[name] for title, people in cohorts.items()}
    if is_continuous(cohort[name]):
        title = f"{name}, mean ± SD"
        texts = {key: f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" for key, values in groups.items()}
        p_value = kruskal(*groups.values()).pvalue
    else:
        level = max(cohort[name].unique())
        title = f"{_level(name, level)}, n (%)" if name != "osteoporosis" else "osteoporosis, n (%)"
        groups = {key: values == level for key, values in groups.items()}
        texts = {key: f"{flags.sum()} ({100 * flags.mean():.2f}%)" for key, flags in groups.items()}
        p_value = categories_p(cohort[name], cohort["cohort"])
    others = [key for key in groups if key != "training"]
    differences = {f"smd_{key}": smd(groups[key], groups["training"]) for key in others}
    return {"characteristic": title, **texts, "p_value": float(p_value), **differences}


def plot_ages(cohort: pd.DataFrame) -> Figure:
    """Ages by cohort and outcome, in bins of 5 years, as shares of each outcome group."""
    cohorts = _by_cohort(cohort)
    figure, axes = plt.subplots(
        1, len(cohorts), figsize=(3.1 * len(cohorts), 3.2), sharey=True, squeeze=False
    )
    low, high = cohort["age"].min(), cohort["age"].max()
    bins = np.arange(5 * (low // 5), high + 5, 5)
    for axis, (name, people) in zip(axes[0], cohorts, strict=True):
        for flag, values in people.groupby("osteoporosis")["age"]:
            axis.hist(
                values,
                bins=bins,
                weights=np.full(len(values), 100 / len(values)),
                histtype="stepfilled",
                alpha=0.45,
                color=OUTCOME_COLOURS[flag],
                label=OUTCOME_TITLES[flag],
            )
        axis.set(title=f"{COHORT_TITLES[name]} (n = {len(people)})", xlabel="Age (years)")
    axes[0, 0].set_ylabel("Share of the outcome group (%)")
    axes[0, -1].legend()
    return figure
