"""Our ICC beside that of the package pingouin, for a few features (chapter 03)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

AGREEMENT = "ICC(A,1)"  # McGraw and Wong's name of ICC(2,1), which pingouin uses
FEWEST = 3  # patients read twice; pingouin refuses fewer
ROUNDING = 1e-9  # two ways of computing the same differ by less


def readings(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Both readers' features one below the other, of the patients whom both have read.

    Parameters
    ----------
    first, second : DataFrame
        Features tables of the two readers.

    Returns
    -------
    DataFrame
        patient_id, reader (1 or 2), and one column a feature.
    """
    both = [
        table[table["patient_id"].isin(other["patient_id"])].assign(reader=number)
        for number, (table, other) in enumerate([(first, second), (second, first)], start=1)
    ]
    return pd.concat(both, ignore_index=True)


def first_of_each_class(agreement: pd.DataFrame, cases: int) -> pd.DataFrame:
    """The first feature of each class that has an ICC: a rule that does not look at how large it is.

    Parameters
    ----------
    agreement : DataFrame
        The artifact "icc".
    cases : int
        Patients whom both readers have read; no row comes out when there are fewer than three.
    """
    known = agreement[agreement["icc"].notna() & (cases >= FEWEST)]
    return known.groupby("feature_class", sort=False).head(1)


def pingouin_beside(ours: pd.DataFrame, theirs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """ICC(2,1) and its 95 % interval, ours and pingouin's.

    Parameters
    ----------
    ours : DataFrame
        Rows of the artifact "icc".
    theirs : mapping of str to DataFrame
        What ``pingouin.intraclass_corr`` gives, by feature.

    Returns
    -------
    DataFrame
        feature, icc, ci_low, ci_high, pingouin_icc, pingouin_low, pingouin_high, and difference: the largest
        of the three in size; missing where pingouin gives no interval (readers who differ by a constant).
    """
    table = ours[["feature", "icc", "ci_low", "ci_high"]].reset_index(drop=True)
    rows = [theirs[name].set_index("Type").loc[AGREEMENT] for name in table["feature"]]
    columns = ["pingouin_icc", "pingouin_low", "pingouin_high"]
    table[columns] = pd.DataFrame([(row["ICC"], *row["CI95"]) for row in rows], columns=columns, dtype=float)
    gaps = table[["icc", "ci_low", "ci_high"]].to_numpy() - table[columns].to_numpy()
    return table.assign(difference=abs(gaps).max(axis=1))


def in_words(beside: pd.DataFrame) -> str:
    """How far the two packages differ, in a sentence."""
    if beside.empty:
        return "Too few patients were read twice to compare anything here."
    largest = beside["difference"].max()
    if largest < ROUNDING:
        return f"In these {len(beside)} features estimates and limits differ by rounding only."
    return f"The largest difference in these {len(beside)} features, of estimate or limit, is {largest:.2g}."
