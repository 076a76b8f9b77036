"""Small counts of patients stay out of what leaves the hospital.

A count from 1 to ``min_cell`` - 1 is written as "<10" (with ``min_cell`` 10); zero concerns nobody and stays.
What would give such a count away goes with it: other counts of the same sum ("hidden", the smallest first),
and what was computed from the small group alone (left empty). The whole table stays in private/tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.study.cohorts import is_cohort

HIDDEN = "hidden"
_PERFORMANCE = ("sensitivity", "specificity", "accuracy", "ppv", "npv")


@dataclass(frozen=True)
class Counts:
    """Which columns of a shared table count patients, and which of them add up to what is shown elsewhere.

    Attributes
    ----------
    groups : tuple of str
        Columns with the number of patients of whom the row tells.
    across : tuple of str
        Columns that add up to the row's group.
    down : tuple of str, optional
        Rows with the same text in these columns (all rows, when there are none) add up to something shown.
        A row for "all" is such a sum.
    """

    groups: tuple[str, ...] = ("n", "patients", "cases")
    across: tuple[str, ...] = ()
    down: tuple[str, ...] | None = None


# Patients with the outcome, of the group in the same row; those without it are the rest.
EVENTS = ("events", "outcome")
FLOW_CHARTS = ("flow_chart", "flow_chart_tables")
TABLES = {
    **dict.fromkeys(FLOW_CHARTS, Counts(down=("site", "stage"))),
    "calibration": Counts(across=("left_out",)),
    "preprocessing_summary": Counts(across=("ok", "warned", "refused"), down=()),
    "scanners": Counts(down=("cohort",)),
    "rad_score": Counts(down=("cohort",)),
    "sensitivity_analysis": Counts(across=("n", "set_aside")),
    "strict_subgroups": Counts(down=("cohort", "characteristic")),
    "strict_hospitals": Counts(down=("model",)),
    "strict_hospital_measures": Counts(down=("model", "measure")),
    "strict_external_measures": Counts(down=("model", "measure")),
    "new_hospital_flow": Counts(down=()),
    "new_hospital_sites": Counts(down=("model",)),
    "new_hospital_site_measures": Counts(down=("model", "measure")),
    "new_hospital_domain": Counts(groups=("n",), across=("within", "outside")),
    "strict_scanners": Counts(across=("scanner in training", "scanner not in training")),
}
# Numbers of patients that a study would need, not that it has.
NOT_PATIENTS = {"strict_sample_size"}


def shown_count(count: int, min_cell: int) -> str:
    """A number of patients as it may stand in a shared table, figure or sentence."""
    return f"<{min_cell}" if 0 < count < min_cell else f"{count}"


def protect(name: str, table: pd.DataFrame, min_cell: int, sizes: pd.DataFrame | None = None) -> pd.DataFrame:
    """The shared table ``name`` without counts below ``min_cell`` and what would give them away.

    Parameters
    ----------
    name : str
        As in share/tables; `TABLES` says what its columns count. Columns called n, patients, cases, events
        and outcome count patients in every table.
    table : DataFrame
        Whole; it is not changed.
    min_cell : int
        0 or 1: nothing is small.
    sizes : DataFrame, optional
        Patients (``n``) and those with the outcome (``events``) of each cohort (index): with them a
        sensitivity tells a number of missed patients.
    """
    if min_cell < 2 or name in NOT_PATIENTS:
        return table
    whole = table.reset_index(drop=True)
    table = whole.astype({column: object for column in whole.select_dtypes("number")})
    if name == "table_1":
        return _table_1(table, min_cell).infer_objects()
    if name == "table_1_cohorts":
        return _table_1_cohorts(table, min_cell).infer_objects()
    table = _counts(table, TABLES.get(name, Counts()), min_cell)
    if name == "new_hospital_domain":  # those scored are those within, in other tables
        few = table["outside"].map(lambda count: isinstance(count, str))
        table.loc[few, "n"] = HIDDEN
    if name == "preprocessing_summary":
        of_few = _is_small(pd.to_numeric(whole["patients"]), min_cell).any()
        table.loc[(table["cohort"] == "all") & of_few, ["patients", "ok", "warned", "refused"]] = HIDDEN
    if name.startswith("flow_chart"):
        table = _flow_chart(table, whole, min_cell)
    if sizes is not None and "cohort" in table:
        table = _performance(table, min_cell, sizes)
    return table.infer_objects()


def _counts(table: pd.DataFrame, shape: Counts, min_cell: int) -> pd.DataFrame:
    """Counts in columns of their own, and what was computed from small groups."""
    columns = [name for name in dict.fromkeys((*shape.groups, *shape.across, *EVENTS)) if name in table]
    counts = table[columns].apply(pd.to_numeric, errors="coerce").dropna(axis=1, how="all")
    group = next((name for name in shape.groups if name in counts), None)
    small = _is_small(counts, min_cell)
    hidden = small.copy()
    for name in counts.columns.intersection(EVENTS if group else ()):
        hidden[name] |= _is_small(counts[group] - counts[name], min_cell)
    told = [name for name in (group, *EVENTS) if name in counts]
    computed = table.columns[table.columns.get_loc(group) + 1 :] if group else []
    computed = [c for c in computed if c not in counts and not c.startswith("paper")]
    table.loc[hidden[told].any(axis=1), computed] = np.nan
    # Zeros concern nobody; a row's only number is known from the row's total, hidden or not.
    across = [name for name in shape.across if name in counts]
    useful = counts.gt(0)
    useful.loc[counts[across].gt(0).sum(axis=1) == 1, across] &= small
    for rows, names in _sums(table, counts, shape) * 3:  # what one sum hides, a crossing one may give away
        _hide_more(counts, hidden, useful, rows, names, min_cell)
    bounded = small.copy()
    for rows, names in _sums(table, counts, shape):  # a bound beside a known sum may tell the number
        cells = counts.loc[rows, names].stack()[hidden.loc[rows, names].stack()]
        if len(cells) and not _leaves_open(cells, min_cell):
            bounded.loc[rows, names] = False
    shown = counts.astype("Int64").astype(object).where(~hidden, HIDDEN).mask(bounded, f"<{min_cell}")
    shown = shown.where(counts.notna(), table[counts.columns])  # what the table itself hides
    return table.assign(**shown)


def _sums(table: pd.DataFrame, counts: pd.DataFrame, shape: Counts) -> list[tuple[pd.Index, list[str]]]:
    """Rows and columns of the cells that add up to what is shown elsewhere."""
    across = [name for name in shape.across if name in counts]
    sums = [(table.index[[row]], across) for row in range(len(table))] if across else []
    if shape.down is not None:
        parts = table[~table.isin(["all"]).any(axis=1)]
        groups = parts.groupby(list(shape.down)).groups.values() if shape.down else [parts.index]
        sums += [(rows, [name]) for rows in groups for name in counts]
    return sums


def _hide_more(
    counts: pd.DataFrame,
    hidden: pd.DataFrame,
    useful: pd.DataFrame,
    rows: pd.Index,
    names: list[str],
    min_cell: int,
) -> None:
    """Hide the smallest of the shown cells of a sum until the hidden ones cannot be told from the total."""
    cells = counts.loc[rows, names].stack()
    choice = useful.loc[rows, names].stack().reindex(cells.index, fill_value=False)
    while True:
        covered = hidden.loc[rows, names].stack().reindex(cells.index) & choice
        total = cells[covered].sum()
        enough = covered.sum() > 1 and total >= min_cell and _leaves_open(cells[covered], min_cell)
        shown = cells[choice & ~covered]
        if not covered.any() or enough or shown.empty:
            return
        hidden.loc[shown.idxmin()] = True


def _leaves_open(cells: pd.Series, min_cell: int) -> bool:
    """Whether hidden cells of a known sum could be others, also to who knows which of them are small.

    Two small counts of 9 that are 18 together are told by that, and so is a 1 beside a 10. A small sum is not
    told itself, but as many small counts as it may be at most are 1 each.
    """
    small = int(_is_small(cells, min_cell).sum())
    large, total = len(cells) - small, cells.sum()
    if not small:
        return True
    if total < min_cell:
        return small < min_cell - 1
    if large:
        return total >= small + 1 + large * min_cell
    return small < total < small * (min_cell - 1)


# From those screened, less those excluded, the sum of a site's cohorts follows too.
_SUMS_OF_COHORTS = {"outcome": ("included", "analysed"), "patients": ("screened", "included", "analysed")}


def _flow_chart(table: pd.DataFrame, whole: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """The flow chart without the sums from which a hidden number could be had."""
    unsaid = table[["patients", "outcome"]].map(lambda count: isinstance(count, str))
    for _, rows in whole.groupby("site"):
        in_cohorts = unsaid.loc[rows.index[rows["stage"].map(is_cohort)]].any()
        for name, stages in _SUMS_OF_COHORTS.items():
            sums = rows.index[rows["stage"].isin(stages)]
            if in_cohorts[name]:
                table.loc[sums[~unsaid.loc[sums, name]], name] = HIDDEN
        left_out = rows.index[(rows["stage"] == "excluded") & unsaid.loc[rows.index, "patients"]]
        if 0 < whole.loc[left_out, "patients"].sum() < min_cell:
            table.loc[rows.index[rows["stage"] == "screened"], "patients"] = HIDDEN
        _included(table, rows, min_cell)
    return table


def _included(table: pd.DataFrame, rows: pd.DataFrame, min_cell: int) -> None:
    """Hide how many of a site were included where a small number of them could not be used.

    Those screened, less those excluded, would tell it again.
    """
    included, analysed = (rows[rows["stage"] == stage] for stage in ("included", "analysed"))
    if included.empty or analysed.empty:
        return
    lost = included[["patients", "outcome"]].iloc[0] - analysed[["patients", "outcome"]].iloc[0]
    counts = pd.Series([lost["outcome"], lost["patients"] - lost["outcome"], lost["patients"]]).astype(int)
    if not _is_small(counts, min_cell).any():
        return
    table.loc[included.index, "outcome"] = HIDDEN
    if _is_small(counts, min_cell).iloc[2]:
        table.loc[included.index, "patients"] = HIDDEN
        excluded = rows.index[rows["stage"] == "excluded"]
        if not table.loc[excluded, "patients"].map(lambda count: isinstance(count, str)).any():
            table.loc[rows.index[rows["stage"] == "screened"], "patients"] = HIDDEN


def _performance(table: pd.DataFrame, min_cell: int, sizes: pd.DataFrame) -> pd.DataFrame:
    """Results of cohorts: none where the outcome is rare, no sensitivity and the like that tell few calls."""
    sizes = sizes.reindex(table["cohort"]).set_index(table.index)
    whole = {"sensitivity": sizes["events"], "specificity": sizes["n"] - sizes["events"]}

    def tells(shares: pd.Series, patients: pd.Series) -> pd.Series:
        hits = (pd.to_numeric(shares, errors="coerce") * patients).round()
        return _is_small(hits, min_cell) | _is_small(patients - hits, min_cell)

    for end in ("", "_strict"):
        named = [f"{name}{end}{limit}" for name in _PERFORMANCE for limit in ("", "_low", "_high")]
        measures = table.columns.intersection(named, sort=False)
        for name in [name for name in whole if f"{name}{end}" in table]:
            table.loc[tells(table[f"{name}{end}"], whole[name]), measures] = np.nan
    modes = table.columns.intersection(["paper_mode", "usual_mode", "strict_mode", "difference"])
    for quantity, patients in whole.items() if "quantity" in table else ():
        few = pd.concat([tells(table[mode], patients) for mode in modes[:2]], axis=1).any(axis=1)
        table.loc[few & (table["quantity"] == quantity), modes] = np.nan
    rare = _is_small(whole["sensitivity"], min_cell) | _is_small(whole["specificity"], min_cell)
    numbers = [name for name in table if table[name].map(lambda value: isinstance(value, float)).any()]
    kept = {"threshold", *(name for name in table if name.startswith("paper_") and name not in modes)}
    table.loc[rare, [name for name in numbers if name not in kept]] = np.nan
    return table


def _is_small(counts: pd.Series, min_cell: int) -> pd.Series:
    return counts.gt(0) & counts.lt(min_cell)


def _table_1(table: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """Table 1 in long form: a characteristic of a cohort with one small count shows none of its counts.

    Sums over both outcomes stand in the comparison of the cohorts, so that a single hidden count could be
    worked out; P and SMD give it away as well.
    """
    values = table["value"].astype(float)
    small = _is_small(values, min_cell)
    tests = table["metric"].isin(["p_value", "smd"])
    moments = table["metric"].str.contains("_mean$|_sd$")
    counts = ~tests & ~moments & (table["subject"] != "cohort")
    few = table.loc[small & (table["metric"] == "n"), ["cohort", "subject"]].apply(tuple, axis=1).tolist()
    of_few = table[["cohort", "subject"]].apply(tuple, axis=1).isin(few)
    block = [table["cohort"], table["characteristic"]]
    unsaid = (small & counts).groupby(block).transform("any")
    untested = unsaid | (moments & of_few).groupby(block).transform("any")
    table.loc[counts & unsaid, "value"] = HIDDEN
    told = _told_by_bounds(table.assign(value=values)[counts & unsaid], min_cell)
    bounded = (counts | (table["metric"] == "n")) & ~table.index.isin(told)
    table.loc[bounded & small, "value"] = f"<{min_cell}"
    table.loc[(tests & untested) | (moments & of_few), "value"] = np.nan
    return table


def _told_by_bounds(hidden: pd.DataFrame, min_cell: int) -> pd.Index:
    """Rows of Table 1's blocks in which a bound beside a known sum would tell the hidden counts."""
    lines = [["cohort", "characteristic", "metric"], ["cohort", "characteristic", "subject"]]
    block = [hidden["cohort"], hidden["characteristic"]]
    tells = pd.Series(False, hidden.index)
    for line in lines:
        tells |= ~hidden.groupby(line)["value"].transform(_leaves_open, min_cell).astype(bool)
    return hidden.index[tells.groupby(block).transform("any")]


def _table_1_cohorts(table: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """The comparison of the cohorts: no small count, none whose rest is small, and no test of either."""
    count, n = table["count"].astype(float), table["n"].astype(float)
    small = _is_small(count, min_cell)
    unsaid = small | (_is_small(n - count, min_cell) & (count > 0))
    tested = unsaid.groupby(table["characteristic"]).transform("any")
    table.loc[unsaid, "count"] = HIDDEN
    table.loc[small, "count"] = f"<{min_cell}"
    table.loc[_is_small(n, min_cell), "n"] = f"<{min_cell}"
    table.loc[unsaid, "share"] = np.nan
    table.loc[tested, ["p_value", "smd"]] = np.nan
    return table
