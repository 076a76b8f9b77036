"""Ten virtual cohorts beside the paper's numbers: how much one draw of patients differs from the next."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from helpers.chapters.virtual_evidence import BY_VALUE, interval_row
from helpers.evaluation.delong import delong_auc
from helpers.paper.reported import reported_values
from helpers.study.cohorts import PAPER
from helpers.study.places import REPOSITORY

TEN_SEEDS = REPOSITORY / "data" / "virtual" / "ten_seeds.csv"
# The same seeds before the cohort was made harder: hospitals scanned alike, bone was uniform, shape told it.
EASIER_SEEDS = REPOSITORY / "data" / "virtual" / "ten_seeds_easier.csv"
EVALUATION_SEEDS = range(101, 111)  # fixed before anything was computed with them
MODELS = ["clinical", "radiomics", "nomogram"]
# Why agreement of these tells nothing.
_FITTED = "calibrated after the paper"
_DIRECTION = "only a direction"
_WIDE = "a range of our own"


def ten_seeds() -> pd.DataFrame:
    """Results of the whole analysis on seeds fixed beforehand, one row a seed."""
    return pd.read_csv(TEN_SEEDS)


def easier_beside_now(now: pd.DataFrame) -> pd.DataFrame:
    """Mean and SD over the same seeds of each AUC, before the cohort was made harder and now.

    Parameters
    ----------
    now : DataFrame
        From `ten_seeds`.

    Returns
    -------
    DataFrame
        model, cohort, paper (NaN where it prints none), easier, easier_sd, now, now_sd, difference (now minus
        easier, seed by seed), difference_sd.
    """
    before, now = pd.read_csv(EASIER_SEEDS).set_index("seed"), now.set_index("seed")
    paper = published_aucs().set_index(["model", "cohort"])["auc"]
    rows = []
    for model in [*MODELS, "hu"]:
        for cohort in PAPER:
            old, new = before[f"{model}_{cohort}"], now[f"{model}_{cohort}"]
            spread = old.mean(), old.std(), new.mean(), new.std(), (new - old).mean(), (new - old).std()
            rows.append((model, cohort, paper.get((model, cohort), np.nan), *spread))
    columns = "model cohort paper easier easier_sd now now_sd difference difference_sd".split()
    return pd.DataFrame(rows, columns=columns)


def seeds_table(seeds: pd.DataFrame) -> pd.DataFrame:
    """Mean over the seeds of every AUC and feature count, beside the paper's: rows as `evidence_table`."""
    rows = [
        interval_row(
            f"AUC, {model}, {cohort}",
            seeds[f"{model}_{cohort}"].mean(),
            *_interval(model, cohort),
            BY_VALUE if model == "clinical" else _FITTED,
        )
        for model in MODELS
        for cohort in PAPER
    ]
    rows += [
        interval_row(
            f"AUC, {better} minus {worse}, {cohort}",
            (seeds[f"{better}_{cohort}"] - seeds[f"{worse}_{cohort}"]).mean(),
            0,
            np.nan,
            f"The paper: {better} above {worse}",
            _DIRECTION,
        )
        for worse, better in pairwise(MODELS)
        for cohort in PAPER
    ]
    hu = "The paper's introduction: 0.65 to 0.72; 0.74 in doi 10.1186/s13244-023-01400-1"
    rows += [
        interval_row(f"AUC, HU alone, {cohort}", seeds[f"hu_{cohort}"].mean(), 0.65, 0.76, hu)
        for cohort in PAPER
    ]
    steps = {
        "mann_whitney": "Mann-Whitney U",
        "spearman": "Spearman",
        "mrmr": "mRMR",
        "lasso": "LASSO",
    }
    for key, step in steps.items():
        printed = _printed("Text 3.2", "training", "features", f"after {step}")["value"]
        limits = float(printed) / 2, 2 * float(printed)
        source = f"The paper 3.2: {printed}, within a factor of 2"
        rows.append(interval_row(f"Features after {step}", seeds[key].mean(), *limits, source, _WIDE))
    return pd.DataFrame(rows)


def _interval(model: str, cohort: str) -> tuple[float, float, str]:
    printed = _printed("Table 5", cohort, model, "auc")
    source = "The paper's Table 5: 95 % CI"
    if cohort == "external" and model == "clinical":
        source += "; does not follow from its Table 1"
    return printed["ci_low"], printed["ci_high"], source


def _printed(*keys: str) -> pd.Series:
    table = reported_values().set_index(["item", "cohort", "subject", "metric"]).sort_index()
    return table.loc[keys]


def model_aucs(predictions: pd.DataFrame) -> dict[str, float]:
    """AUC of the three models by <model>_<cohort>, from the ``predictions`` artifact."""
    chosen = predictions[predictions["model"].isin(MODELS)]
    return {
        f"{model}_{cohort}": delong_auc(rows["outcome"], rows["probability"]).auc
        for (model, cohort), rows in chosen.groupby(["model", "cohort"])
    }


def published_aucs() -> pd.DataFrame:
    """The paper's AUCs: model, cohort, auc, low, high (95 % CI)."""
    rows = [
        (model, cohort, _printed("Table 5", cohort, model, "auc")) for cohort in PAPER for model in MODELS
    ]
    return pd.DataFrame(
        [(model, cohort, float(row["value"]), row["ci_low"], row["ci_high"]) for model, cohort, row in rows],
        columns=["model", "cohort", "auc", "low", "high"],
    )


def seeds_summary(seeds: pd.DataFrame, this_run: dict[str, float]) -> pd.DataFrame:
    """Spread of each AUC over the seeds, and where this run falls: how many seeds lie below it."""
    table = published_aucs()
    columns = [seeds[f"{row.model}_{row.cohort}"] for row in table.itertuples()]
    found = [this_run.get(f"{row.model}_{row.cohort}", np.nan) for row in table.itertuples()]
    return table.assign(
        mean=[values.mean() for values in columns],
        sd=[values.std(ddof=1) for values in columns],
        lowest=[values.min() for values in columns],
        highest=[values.max() for values in columns],
        this_run=found,
        seeds_below=[int((values < value).sum()) for values, value in zip(columns, found, strict=True)],
    )
