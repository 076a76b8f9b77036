"""Who is in the study: tables read and checked, inclusion, the 7:3 split, Figure 1 and Table 1."""

from __future__ import annotations

import re
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.stats import chi2_contingency, fisher_exact, kruskal, mannwhitneyu

from helpers.errors import StudyError
from helpers.figures import OUTCOME_COLOURS, font_families
from helpers.paper import reported_values
from helpers.study import pseudonyms
from helpers.study.contracts import COHORT_TITLES, COHORTS, OUTCOME_TITLES
from helpers.study.run_folder import Run
from helpers.study.study_file import Site, Study
from helpers.table_columns import YES_NO
from helpers.tables import check_tables, read_table
from helpers.virtual import VirtualSite

SUBJECTS = {1: "osteoporosis", 0: "non-osteoporosis"}
OTHER_REASONS = "other reasons"
# Reasons for refusing a patient name patient and file: a chart shows their category, the first that fits.
REFUSALS = {
    "image or mask missing": re.compile(r"there is no '"),
    "no features in the feature table": re.compile(r"^no features in the feature table"),
    "image unusable": re.compile(r"^\w+, (image|folder) |the image has"),
    "T12 or L1 missing": re.compile(r"excluded by the rule 'missing_vertebra'|neither T12 nor L1"),
    "vertebral fracture": re.compile(r"excluded by the rule 'fracture'"),
    "metal or cement": re.compile(r"excluded by the rule 'metal'"),
    "contrast-enhanced scan": re.compile(r"excluded by the rule 'contrast'"),
    "layer missing in the mask": re.compile(r"mask lacks"),
    "mask unusable": re.compile(r"^\w+, mask |\bmasks?\b"),
}
_REASONS_SHOWN = 8
_LEAST_EXPECTED = 5  # below this expected count, Fisher's exact test stands in for chi-square


def load_screened(run: Run) -> pd.DataFrame:
    """Everyone who was screened, in every site of the study.

    Returns
    -------
    DataFrame
        As the contract "screened": patient_id (pseudonym), site, age (years), sex, exclusion (the written
        reason or ""), and where known t_score, osteoporosis, interval_days, scanner, allocation, fracture,
        contrast (both missing for a site whose table does not say), and further predictors.

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
    answers = {column: "boolean" for column in YES_NO if column in screened}
    return screened.fillna(blanks).astype(answers)


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
    if "age" in screened:
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
    included["osteoporosis"] = outcome(included, study).astype(int)
    home = _at_home(included, study)
    included["cohort"] = "external"
    if has_allocation(screened, study):
        included.loc[home, "cohort"] = included.loc[home, "allocation"]
    else:
        included.loc[home, "cohort"] = _split(included.loc[home, "osteoporosis"], training_share, rng)
    require_sizes(included, study)
    return included.drop(columns=["allocation", "exclusion"], errors="ignore")


def outcome(people: pd.DataFrame, study: Study) -> pd.Series:
    """Osteoporosis as 0, 1 or missing, by the study's rule; all missing where a table has no outcomes."""
    if study.outcome.given and "osteoporosis" in people:
        return people["osteoporosis"].astype("Int64")
    if study.outcome.given or "t_score" not in people:
        return pd.Series(pd.NA, index=people.index, dtype="Int64")
    positive = (people["t_score"] <= study.outcome.t_score_at_most).astype("Int64")
    return positive.where(people["t_score"].notna())


def outcome_rule(study: Study) -> str:
    """What makes a patient a case of osteoporosis in this study, as a part of a sentence."""
    if study.outcome.given:
        return "what the hospital's own table says (its column osteoporosis)"
    return f"a DXA T-score of {study.outcome.t_score_at_most:g} or lower, at whichever site it is lowest"


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


def require_sizes(cohort: pd.DataFrame, study: Study) -> None:
    """Stop when a set has fewer than two patients with, or without, osteoporosis.

    Raises
    ------
    StudyError
        Naming the sets and how many they have.
    """
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
    """Whether a second reader's masks can be had for each patient (boolean, indexed as ``cohort``)."""
    sites = {site.name: site for site in run.study.sites}
    raw = pseudonyms.raw_ids(run)

    def available(patient: pd.Series) -> bool:
        site = sites[patient["site"]]
        if site.virtual is not None or site.second_reader is None:
            return site.virtual is not None
        masks = site.second_reader if isinstance(site.second_reader, dict) else {"": site.second_reader}
        number = raw[patient["patient_id"]]
        return any(run.study.path(one.replace("{patient_id}", number)).exists() for one in masks.values())

    return pd.Series([available(row) for _, row in cohort.iterrows()], index=cohort.index, dtype=bool)


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


def final_flow_chart(run: Run) -> pd.DataFrame:
    """Counts of Figure 1 when features are there (notebook 03): `flow_chart` with those who dropped out."""
    cohort, features = run.read("cohort"), run.read("features")
    quality = None if run.study.has_features else run.read("preprocessing")
    unusable = unusable_patients(cohort, features, quality)
    return flow_chart(run.read("screened"), cohort, unusable, run.study.min_cell)


def unusable_patients(
    cohort: pd.DataFrame, features: pd.DataFrame, quality: pd.DataFrame | None
) -> pd.DataFrame:
    """Who of the cohort drops out, and why, in categories that name nobody.

    Parameters
    ----------
    cohort, features : DataFrame
        Artifacts of these names.
    quality : DataFrame or None
        Artifact "preprocessing"; None where features came ready-made.

    Returns
    -------
    DataFrame
        patient_id, reason.
    """
    lost = cohort.loc[~cohort["patient_id"].isin(features["patient_id"]), ["patient_id"]]
    if quality is None:
        return lost.assign(reason="no features in the feature table")
    refused = quality[quality["status"] == "refused"].set_index("patient_id")["reason"]
    reasons = lost["patient_id"].map(refused.map(refusal_category))
    return lost.assign(reason=reasons.fillna("features cannot be computed"))


def refusal_category(reason: str) -> str:
    """Short category of a refused patient's reason."""
    return next(
        (name for name, pattern in REFUSALS.items() if pattern.search(reason)), "other technical reason"
    )


def flow_chart(
    screened: pd.DataFrame, cohort: pd.DataFrame, unusable: pd.DataFrame | None = None, min_cell: int = 0
) -> pd.DataFrame:
    """Counts of Figure 1.

    Parameters
    ----------
    screened, cohort : DataFrame
        As in their contracts.
    unusable : DataFrame, optional
        From `unusable_patients`; without it images have not been looked at yet.
    min_cell : int
        Reasons of fewer patients are taken together as "other reasons".

    Returns
    -------
    DataFrame
        One row a box or reason, in reading order: site, stage ("screened", "excluded", "included",
        "unusable", "analysed", or a cohort), reason (of an exclusion), patients, osteoporosis (how many of
        them; of those included and after).
    """
    rows = []
    for site, people in screened.groupby("site", sort=False):
        stayed = cohort[cohort["site"] == site]
        rows.append((site, "screened", "", len(people), pd.NA))
        rows += _reason_rows(site, "excluded", people.loc[people["exclusion"] != "", "exclusion"], min_cell)
        rows.append((site, "included", "", len(stayed), stayed["osteoporosis"].sum()))
        if unusable is not None:
            lost = stayed["patient_id"].isin(unusable["patient_id"])
            reasons = unusable.loc[unusable["patient_id"].isin(stayed["patient_id"]), "reason"]
            rows += _reason_rows(site, "unusable", reasons, min_cell)
            stayed = stayed[~lost]
            rows.append((site, "analysed", "", len(stayed), stayed["osteoporosis"].sum()))
        for name in [name for name in COHORTS if name in set(stayed["cohort"])]:
            members = stayed.loc[stayed["cohort"] == name, "osteoporosis"]
            rows.append((site, name, "", len(members), members.sum()))
    flow = pd.DataFrame(rows, columns=["site", "stage", "reason", "patients", "osteoporosis"])
    return flow.astype({"patients": int, "osteoporosis": "Int64"})


def _reason_rows(site: str, stage: str, reasons: pd.Series, min_cell: int) -> list[tuple]:
    """A row a reason, the most frequent first, rare ones taken together at the end."""
    counts = reasons.value_counts()
    rare = int(counts[counts < min_cell].sum())
    rows = [(site, stage, reason, count, pd.NA) for reason, count in counts.items() if count >= min_cell]
    return rows + ([(site, stage, OTHER_REASONS, rare, pd.NA)] if rare else [])


def plot_flow_chart(flow: pd.DataFrame) -> Figure:
    """Draw Figure 1: one column a site, from those screened to the cohorts.

    Parameters
    ----------
    flow : DataFrame
        From `flow_chart`, or as `Run.write_table` returns it, with small counts as text.
    """
    sites = flow["site"].unique()
    height = 7.2 if "analysed" in set(flow["stage"]) else 4.8
    figure, axes = plt.subplots(1, len(sites), figsize=(4.9 * len(sites), height), squeeze=False)
    for axis, site in zip(axes[0], sites, strict=True):
        _draw_site(axis, flow[flow["site"] == site])
    return figure


def _draw_site(axis: Axes, flow: pd.DataFrame) -> None:
    count = flow.set_index("stage")["patients"]
    steps = [("Included", "excluded", "Excluded", count["included"])]
    if "analysed" in count:
        steps.append(("Analysed", "unusable", "Image, mask or features unusable", count["analysed"]))
    top = 4 + 6 * len(steps)
    axis.set(xlim=(0, 10), ylim=(0, top))
    axis.axis("off")
    box = _box(axis, (2.3, top - 0.8), f"{flow['site'].iloc[0]}\nscreened: {count['screened']}")
    for number, (title, stage, leaving, staying) in enumerate(steps):
        height = top - 3.65 - 6 * number
        gone = _box(axis, (7.1, height), _gone_text(leaving, flow[flow["stage"] == stage]), align="left")
        stayed = _box(axis, (2.3, height - 2.95), f"{title}: {staying}")
        _arrow(axis, box, stayed)
        _arrow(axis, axis.text(2.3, height, ""), gone)
        box = stayed
    _draw_cohorts(axis, box, flow[flow["stage"].isin(COHORTS)])


def _draw_cohorts(axis: Axes, above: Text, cohorts: pd.DataFrame) -> None:
    places = [2.3, 7.3] if len(cohorts) > 1 else [2.3]
    height = above.get_position()[1] - 2.6
    for place, row in zip(places, cohorts.itertuples(), strict=False):
        text = f"{COHORT_TITLES[row.stage]}: {row.patients}\nosteoporosis: {row.osteoporosis}"
        _arrow(axis, above, _box(axis, (place, height), text))


def _gone_text(title: str, gone: pd.DataFrame) -> str:
    """Total and reasons, the rarer ones taken together where there are many."""
    total = _sum(gone["patients"])
    lines = [title if total is None else f"{title}: {total}"]
    for row in gone.head(_REASONS_SHOWN).itertuples():
        lines += textwrap.wrap(f"{row.reason}: {row.patients}", 38, subsequent_indent="   ")
    rest = _sum(gone["patients"].iloc[_REASONS_SHOWN:])
    return "\n".join(lines + ([f"{OTHER_REASONS}: {rest}"] if rest else []))


def _sum(counts: pd.Series) -> int | None:
    """Sum of counts; None when one of them is not shown."""
    numbers = pd.to_numeric(counts, errors="coerce")
    return None if numbers.isna().any() else int(numbers.sum())


def _box(axis: Axes, place: tuple[float, float], text: str, align: str = "center") -> Text:
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "#555555"}
    return axis.text(
        *place,
        text,
        ha="center",
        va="center",
        multialignment=align,
        fontsize=8.5,
        fontfamily=font_families(text),
        bbox=frame,
        zorder=3,
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
        Rows besides age and sex, which are there wherever the tables have them.

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
        for characteristic in [name for name in characteristics(predictors) if name in cohort]:
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
    return [(name, cohort[cohort["cohort"] == name]) for name in COHORTS if name in set(cohort["cohort"])]


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
            sizes = part.set_index("subject")[["value", "paper"]].apply(pd.to_numeric, errors="coerce")
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
    if not rows:  # neither age nor sex nor other predictors
        return pd.DataFrame()
    printed = pd.DataFrame.from_dict(rows, orient="index")
    return printed.rename_axis(index=["cohort", "characteristic"])


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
        [
            _across(cohort, cohorts, name)
            for name in [*characteristics(predictors), "osteoporosis"]
            if name in cohort
        ]
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
