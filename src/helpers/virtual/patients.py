"""Who the virtual patients are: the paper's Table 1 exactly, DXA, body, bone state, exclusions.

Every number comes from the key ``patients`` of the protocol (data/virtual/protocol.yml), which names its
source. Table 1 fixes the groups: counts by cohort, outcome and sex, ages by their printed mean and SD. Within
a group, each patient has a T-score; the T-score, age and sex drive the latent bone (density in HU,
micro-structure), and the bone later drives the CT image. Nothing here knows what an analysis will find.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import root
from scipy.stats import norm, rankdata, truncexpon

from helpers.errors import StudyError

LATENT_COLUMNS = [
    "height_cm",
    "weight_kg",
    "hu_l1",
    "hu_t12",
    "micro_structure",
    "texture_individuality",
    "ligament_calcification",
    "osteophyte",
    "aortic_calcification",
]
TABLE_COLUMNS = [
    "patient_id",
    "allocation",
    "age",
    "sex",
    "t_score",
    "interval_days",
    "scanner",
    "exclusion",
]
_ROLES = {"development": 1, "external": 2}
_CUTOFF = -2.45  # printed to one decimal, whatever lies below it reads -2.5 or lower
_LEAST_PER_GROUP = 2
_AGE_MOVES = 4000  # ample: a group of 286 needs fewer than 100


def simulate_patients(protocol: dict, role: str, patients: int, seed: int) -> pd.DataFrame:
    """Simulate everyone whom one virtual hospital screened.

    Parameters
    ----------
    protocol : dict
        The protocol file as read; only its key ``patients`` is used.
    role : {"development", "external"}
        Which of the paper's two hospitals.
    patients : int
        How many are included. 600 and 263 give Table 1 of the paper exactly; other numbers scale each of its
        groups in proportion, with at least 2 patients a group.
    seed : int
        The same seed gives the same patients.

    Returns
    -------
    DataFrame
        One row a screened patient: patient_id, allocation ("training", "internal" or "external", "" for the
        excluded), age (whole years), sex, t_score (one decimal), interval_days (CT to DXA), scanner,
        exclusion (the radiologist's reason or ""), and `LATENT_COLUMNS`: height_cm, weight_kg, hu_l1 and
        hu_t12 (mean trabecular HU at 120 kV), micro_structure and texture_individuality (z; micro_structure
        is high in healthy bone), ligament_calcification and osteophyte (bool), aortic_calcification (0-1).
    """
    numbers = protocol["patients"]
    rng = np.random.default_rng(np.random.SeedSequence([seed, _ROLES[role]]))
    included = _included(numbers, role, patients, rng)
    everyone = pd.concat([included, _excluded(numbers, role, included, rng)], ignore_index=True)
    everyone["scanner"] = _scanners(numbers["scanners"][role], len(everyone), rng)
    everyone = everyone.iloc[rng.permutation(len(everyone))].reset_index(drop=True)
    everyone["patient_id"] = [f"{role[0].upper()}{number:04d}" for number in range(1, len(everyone) + 1)]
    everyone = everyone.assign(**_body(numbers, everyone, rng), **_bone(numbers, everyone, rng))
    return everyone[TABLE_COLUMNS + LATENT_COLUMNS]


def apportion(total: int, weights: np.ndarray, least: int = 0) -> np.ndarray:
    """Split ``total`` in proportion to ``weights`` by largest remainders, no part below ``least``."""
    if total < least * len(weights):
        raise StudyError(f"A virtual hospital of this role needs at least {least * len(weights)} patients.")
    quotas = total * np.asarray(weights) / np.sum(weights)
    parts = np.floor(quotas).astype(int)
    parts[np.argsort(parts - quotas, kind="stable")[: total - parts.sum()]] += 1
    while parts.min() < least:
        parts[parts.argmin()] += 1
        parts[parts.argmax()] -= 1
    return parts


def age_law(low: int, high: int, mean: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """The law on whole years that assumes nothing but a range, a mean and an SD (maximal entropy).

    It is proportional to exp(a x + b x^2): a truncated normal where that can be, and a skewed law where the
    SD is too large for one, as in the paper's external patients without osteoporosis.

    Returns
    -------
    ages, probabilities : ndarray
    """
    ages = np.arange(low, high + 1)
    scaled = 2 * (ages - low) / (high - low) - 1
    centre, spread = 2 * (mean - low) / (high - low) - 1, 2 * sd / (high - low)

    def law(exponents: np.ndarray) -> np.ndarray:
        exponent = exponents @ np.stack([scaled, scaled**2])
        weights = np.exp(exponent - exponent.max())
        return weights / weights.sum()

    def misfit(exponents: np.ndarray) -> list[float]:
        chances = law(exponents)
        return [chances @ scaled - centre, chances @ scaled**2 - spread**2 - centre**2]

    return ages, law(root(misfit, np.zeros(2)).x)


def _included(numbers: dict, role: str, patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """Those who stay: the groups of Table 1, each with its sexes, ages, T-scores and intervals."""
    groups = [group for group in numbers["table_1"]["groups"] if group["site"] == role]
    sizes = apportion(patients, [group["female"] + group["male"] for group in groups], _LEAST_PER_GROUP)
    law = _t_score_law(groups, numbers["t_score"]["sd"])
    limits = numbers["table_1"]["age_range"][role]
    frames = []
    for group, size in zip(groups, sizes, strict=True):
        females, males = apportion(size, [group["female"], group["male"]])
        ages = _ages(group, limits, size, rng)
        frames.append(
            pd.DataFrame(
                {
                    "allocation": group["cohort"],
                    "sex": np.repeat(["female", "male"], [females, males]),
                    "age": ages,
                    "t_score": _t_scores(group["osteoporosis"], ages, law, numbers["t_score"], rng),
                }
            )
        )
    included = pd.concat(frames, ignore_index=True)
    scale = numbers["interval_days"]["scale_days"]
    days = truncexpon.rvs(
        numbers["interval_days"]["limit"] / scale, scale=scale, size=patients, random_state=rng
    )
    return included.assign(interval_days=days.astype(int), exclusion="")


def _ages(group: dict, limits: list[int], size: int, rng: np.random.Generator) -> np.ndarray:
    """Whole years, in random order, whose mean and SD print as the group's where ``size`` allows it."""
    ages, chances = age_law(*limits, group["age_mean"], group["age_sd"])
    # One draw from each of `size` equal slices of the law: a small group keeps its shape too.
    slices = (np.arange(size) + rng.random(size)) / size
    drawn = ages[np.searchsorted(np.cumsum(chances)[:-1], slices, side="right")]
    return _printed_moments(rng.permutation(drawn), limits, group["age_mean"], group["age_sd"], rng)


def _printed_moments(
    ages: np.ndarray, limits: list[int], mean: float, sd: float, rng: np.random.Generator
) -> np.ndarray:
    """Move single patients by one year until mean and sample SD round to the two printed digits."""
    ages, size = ages.copy(), len(ages)
    missing = round(size * mean) - ages.sum()
    while missing:
        one = rng.integers(size)
        if limits[0] <= ages[one] + np.sign(missing) <= limits[1]:
            ages[one] += np.sign(missing)
            missing -= np.sign(missing)
    squares = (size - 1) * sd**2 - ages.var() * size
    for _ in range(_AGE_MOVES):
        if f"{ages.std(ddof=1):.2f}" == f"{sd:.2f}":
            break
        # A pair moved apart or together by a year each keeps the mean.
        older, younger = rng.integers(size, size=2)
        change = 2 * (ages[older] - ages[younger]) + 2
        inside = ages[older] < limits[1] and ages[younger] > limits[0]
        if older != younger and inside and abs(squares - change) < abs(squares):
            ages[older] += 1
            ages[younger] -= 1
            squares -= change
    return ages


def _t_score_law(groups: list[dict], sd: float) -> tuple[float, float]:
    """Mean and SD of one normal law of T-scores that has Table 1's share at or below -2.5."""
    sizes = {
        flag: sum(g["female"] + g["male"] for g in groups if g["osteoporosis"] == flag) for flag in (0, 1)
    }
    return _CUTOFF - sd * norm.ppf(sizes[1] / (sizes[0] + sizes[1])), sd


def _t_scores(
    osteoporosis: int, ages: np.ndarray, law: tuple[float, float], numbers: dict, rng: np.random.Generator
) -> np.ndarray:
    """T-scores on one side of the cut-off, lower in the group's older patients by ``age_r``."""
    mean, sd = law
    older = norm.ppf((rankdata(ages) - 0.5) / len(ages))
    latent = numbers["age_r"] * older + np.sqrt(1 - numbers["age_r"] ** 2) * rng.standard_normal(len(ages))
    low, high = (numbers["lowest"], _CUTOFF) if osteoporosis else (_CUTOFF, numbers["highest"])
    below, above = norm.cdf([low, high], mean, sd)
    exact = norm.ppf(below + norm.cdf(latent) * (above - below), mean, sd)
    printed = np.round(exact, 1) + 0.0  # no "-0.0"
    return np.minimum(printed, -2.5) if osteoporosis else np.maximum(printed, -2.4)


def _excluded(numbers: dict, role: str, included: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Those who go: each like a random included patient but for the reason of the exclusion."""
    shares = numbers["excluded_per_100_included"]
    counts = {reason: round(len(included) * share / 100) for reason, share in shares["reasons"].items()}
    late, young = (round(len(included) * shares[rule] / 100) for rule in ("late_dxa", "under_50"))
    reasons = np.repeat(["late", "young", *counts], [late, young, *counts.values()])
    excluded = included.iloc[rng.integers(len(included), size=len(reasons))].reset_index(drop=True)
    excluded["allocation"] = ""
    # Late DXA and young age are seen in the data; nobody writes them down as a reason.
    excluded["exclusion"] = np.where(np.isin(reasons, ["late", "young"]), "", reasons)
    days, years = numbers["interval_days"]["late"], shares["young_age_range"]
    excluded.loc[reasons == "late", "interval_days"] = rng.integers(days[0], days[1] + 1, late)
    excluded.loc[reasons == "young", "age"] = rng.integers(years[0], years[1] + 1, young)
    return excluded


def _scanners(shares: dict[str, float], size: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.repeat(list(shares), apportion(size, list(shares.values()))))


def _body(numbers: dict, people: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Height, weight, and the calcifications of age."""
    body, male, size = numbers["body"], (people["sex"] == "male").to_numpy(), len(people)
    decades = (people["age"].to_numpy() - 50) / 10
    by_sex = {
        key: np.where(male, body[key]["male"], body[key]["female"]) for key in ("height_cm", "height_sd")
    }
    height = by_sex["height_cm"] - body["height_loss_cm"] * decades
    height = height + by_sex["height_sd"] * rng.standard_normal(size)
    bmi = np.clip(body["bmi"] + body["bmi_sd"] * rng.standard_normal(size), *body["bmi_range"])

    def share(key: str) -> np.ndarray:
        return np.clip(numbers[key]["at_50"] + numbers[key]["per_decade"] * decades, 0, 1)

    aorta = share("aortic_calcification") + numbers["aortic_calcification"]["sd"] * rng.standard_normal(size)
    return {
        "height_cm": height.round(1),
        "weight_kg": (bmi * (height / 100) ** 2).round(1),
        "ligament_calcification": rng.random(size) < share("ligament_calcification"),
        "osteophyte": rng.random(size) < share("osteophyte"),
        "aortic_calcification": np.clip(aorta, 0, 1),
    }


def _bone(numbers: dict, people: pd.DataFrame, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Density (HU) and micro-structure (z): the signal that a radiomics model may find.

    One bone has one density at a given T-score, age and sex in both hospitals: T-scores are standardised by
    the development hospital's law.
    """
    bone, size = numbers["bone"], len(people)
    development = [group for group in numbers["table_1"]["groups"] if group["site"] == "development"]
    mean, sd = _t_score_law(development, numbers["t_score"]["sd"])
    health = (people["t_score"].to_numpy() - mean) / sd
    noise = rng.standard_normal((4, size))

    def follow(leader: np.ndarray, r: float, own: np.ndarray) -> np.ndarray:
        return r * leader + np.sqrt(1 - r**2) * own

    l1 = bone["hu_l1"] + bone["hu_sd"] * follow(health, bone["density_r"], noise[0])
    l1 += bone["hu_per_year"] * (people["age"].to_numpy() - bone["reference_age"])
    l1 += bone["hu_male"] * (people["sex"] == "male").to_numpy()
    t12 = bone["hu_l1"] + follow(l1 - bone["hu_l1"], bone["t12_l1_r"], bone["hu_sd"] * noise[1])
    return {
        "hu_l1": np.maximum(l1, bone["hu_floor"]),
        "hu_t12": np.maximum(t12 + bone["t12_minus_l1"], bone["hu_floor"]),
        "micro_structure": follow(health, bone["micro_structure_r"], noise[2]),
        "texture_individuality": noise[3],
    }
