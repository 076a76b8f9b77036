"""The clinical model's AUC, simulated from the baseline table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import root
from scipy.special import ndtri, softmax
from scipy.stats import rankdata

from helpers.evaluation.delong import placement_values
from helpers.learning.logistic import maximum_likelihood
from helpers.paper.printed import CONSISTENT, INCONSISTENT, Entry, compare
from helpers.paper.publication import UNDECIDED, Check, Publication, capital

# Within a group, those of the first level (men) are much younger, younger, of the same age, or older.
CORRELATIONS = (-0.6, -0.3, 0.0, 0.3, 0.6)
_LIKELY = 0.3  # stronger ones are possible, and seen in few hospitals
_FOLLOWS = {
    CONSISTENT: "can",
    UNDECIDED: "is unlikely (only where the two go together strongly) but possible to",
    INCONSISTENT: "does not",
}


class Group(NamedTuple):
    """Patients of one cohort with, or without, the disease, as the baseline table prints them."""

    size: int
    first_level: int
    mean: float
    sd: float
    ages: tuple[NDArray, NDArray] | None  # as `entropy_law` gives them


def simulate_clinical_aucs(paper: Publication, rng: np.random.Generator, draws: int = 400) -> pd.DataFrame:
    """AUCs of the clinical model in studies drawn from the printed counts, means and SDs.

    Each draw has the printed numbers of patients by cohort, group and level. The continuous characteristic is
    drawn within each group by one of two laws: "normal", or "range", the law of maximal entropy on the whole
    numbers between the smallest and the largest printed value that has the printed mean and SD. Within a
    group it is independent of the level, or goes with it (Gaussian copula, one of `CORRELATIONS`). A
    logistic regression is fitted on the drawn patients of one cohort and judged on all.

    Parameters
    ----------
    paper : Publication
        Without a ``clinical`` key in its design nothing is simulated.
    rng : Generator
        Random numbers.
    draws : int
        Studies for each law and each correlation.

    Returns
    -------
    DataFrame
        law, correlation, cohort, draw, auc.
    """
    groups = _groups(paper)
    columns = ["law", "correlation", "cohort", "draw", "auc"]
    if not groups:
        return pd.DataFrame(columns=columns)
    # Without printed limits, or where no law fits them, ages are normal.
    ranged = all(group.ages for pair in groups.values() for group in pair)
    blocks = []
    for law, correlation in product(["normal", "range"] if ranged else ["normal"], CORRELATIONS):
        drawn = {cohort: _draw(pair, law, correlation, draws, rng) for cohort, pair in groups.items()}
        coefficients, _ = maximum_likelihood(*drawn[paper.design.clinical.fitted_on])
        for cohort, (regressors, outcome) in drawn.items():
            scores = (regressors @ coefficients[:, :, None])[..., 0]
            aucs = placement_values(outcome, scores)[0].mean(axis=1)
            block = pd.DataFrame({"cohort": cohort, "draw": range(draws), "auc": aucs})
            blocks.append(block.assign(law=law, correlation=correlation))
    return pd.concat(blocks, ignore_index=True)[columns]


def _groups(paper: Publication) -> dict[str, list[Group]]:
    """Groups of each cohort that the baseline table describes in full, cases first."""
    clinical = paper.design.clinical
    if clinical is None:
        return {}
    found = {}
    for entry in paper.reported.select(item=paper.design.baseline, subject=paper.design.cases, metric="n"):
        moments = paper.moments(entry.cohort, clinical.continuous)
        counts = paper.counts_by_group(entry.cohort, clinical.category)
        if moments is not None and counts is not None:
            limits = paper.limits(entry.cohort, clinical.continuous)
            found[entry.cohort] = []
            for size, first, mean, sd in zip(moments.sizes, counts[0], *moments[1:], strict=True):
                ages = entropy_law(*limits, mean.number, sd.number) if limits else None
                found[entry.cohort].append(Group(size, int(first), mean.number, sd.number, ages))
    return found if clinical.fitted_on in found else {}


def _draw(
    groups: list[Group], law: str, correlation: float, draws: int, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Regressors, shape (draws, patients, 3), and outcome, shape (patients,), of one cohort."""
    ages, first_level = [], []
    for group in groups:
        if law == "normal":
            age = rng.normal(group.mean, group.sd, (draws, group.size))
        else:
            values, chances = group.ages
            age = rng.choice(values, (draws, group.size), p=chances)
        # Those of the first level are the highest in a latent variable that follows the rank of age.
        rank = ndtri((rankdata(age, axis=1) - 0.5) / group.size)
        latent = correlation * rank + np.sqrt(1 - correlation**2) * rng.standard_normal(age.shape)
        first_level.append(rankdata(-latent, axis=1, method="ordinal") <= group.first_level)
        ages.append(age)
    age, level = np.hstack(ages).astype(float), np.hstack(first_level).astype(float)
    outcome = np.repeat([1, 0], [group.size for group in groups])
    return np.stack([np.ones_like(age), age, level], axis=-1), outcome


def entropy_law(low: float, high: float, mean: float, sd: float) -> tuple[NDArray, NDArray] | None:
    """Whole numbers and their chances: the law of maximal entropy with this range, mean and SD.

    It is proportional to exp(a x + b x^2); None where no such law exists.
    """
    values = np.arange(round(low), round(high) + 1)
    scaled = (values - mean) / sd

    def chances(exponents: NDArray) -> NDArray:
        return softmax(exponents @ np.stack([scaled, scaled**2]))

    def misfit(exponents: NDArray) -> list[float]:
        return [chances(exponents) @ scaled, chances(exponents) @ scaled**2 - 1]

    solved = root(misfit, np.array([0.0, -0.5]))
    return (values, chances(solved.x)) if np.abs(misfit(solved.x)).max() < 1e-6 else None


class Drawn(NamedTuple):
    """A printed AUC of the clinical model beside those of studies drawn from the baseline table."""

    entry: Entry
    middle: float
    low: float
    high: float
    verdict: str


def drawn_aucs(paper: Publication, simulated: pd.DataFrame) -> Iterator[Drawn]:
    """Whether the clinical model's AUC lies where 95 % of ``simulated`` ones do, under any assumption.

    Where only a correlation of the two characteristics stronger than is likely makes it follow, the printed
    numbers do not decide.
    """
    if simulated.empty:
        return
    for entry in paper.reported.select(metric="auc", subject=paper.design.clinical.model):
        part = simulated[simulated["cohort"] == entry.cohort]
        if part.empty or not entry.in_table:
            continue
        limits = part.groupby(["law", "correlation"])["auc"].quantile([0.025, 0.975]).unstack()
        meets = [compare(entry.value, *pair) == CONSISTENT for pair in limits.to_numpy()]
        strength = limits.index.get_level_values("correlation").to_series().abs().to_numpy()
        verdict = CONSISTENT if any(meets) else INCONSISTENT
        if verdict == CONSISTENT and strength[meets].min() > _LIKELY:
            verdict = UNDECIDED
        middle = part.loc[part["correlation"] == 0, "auc"].median()
        yield Drawn(entry, middle, limits[0.025].min(), limits[0.975].max(), verdict)


def check_clinical(paper: Publication, simulated: pd.DataFrame) -> Iterator[Check]:
    """`drawn_aucs` as rows of the audit."""
    clinical = paper.design.clinical
    for entry, middle, low, high, verdict in drawn_aucs(paper, simulated):
        what = f"{clinical.continuous} and {clinical.category} drawn from {paper.design.baseline}"
        widest = f"{low:.3f} to {high:.3f}"
        sentence = (
            f"{capital(what)} give about {middle:.3f}, and {widest} over all assumptions: {entry.value.text} "
            f"{_FOLLOWS[verdict]} follow from them."
        )
        found = f"{middle:.3f} ({widest})"
        yield Check("clinical AUC by simulation", entry.where, entry.value.text, found, verdict, sentence)


def clinical_in_words(paper: Publication, simulated: pd.DataFrame) -> str:
    """One sentence on `drawn_aucs`; empty where nothing could be drawn."""
    doubtful = {UNDECIDED: "is unlikely to follow", INCONSISTENT: "does not follow"}
    found = list(drawn_aucs(paper, simulated))
    told = [
        f"{row.entry.value.text} in the {row.entry.cohort} set {doubtful[row.verdict]} "
        f"(drawn: {row.middle:.3f}; over all assumptions {row.low:.3f} to {row.high:.3f})"
        for row in found
        if row.verdict != CONSISTENT
    ]
    if not told:
        return "The clinical model's AUCs can follow from the baseline table." if found else ""
    return f"Of the clinical model's AUCs, {'; '.join(told)}."
