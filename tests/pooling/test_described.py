"""Protects: what a hospital tells of its patients' ages, sexes and scans gives no small count away, with a
limit of 3, 5 or 10; attacked from the published numbers alone.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from synthetic_site import patients as judged_people

from helpers.pooling.described import Patients, described_hospital

CUTOFFS = {"clinical": 0.42, "nomogram": 0.41}
BUNDLE = SimpleNamespace(
    models=list(CUTOFFS), features=["feature"], model={"cutoffs": CUTOFFS, "predictors": ["age", "sex"]}
)


def described(n, unjudged, min_cell, seed):
    """A hospital of which some were measured and not judged; ages are whole years."""
    rng = np.random.default_rng(seed)
    table = judged_people(n + unjudged, seed)
    ids = [f"P{number:04d}" for number in range(n + unjudged)]
    sexes = rng.choice(["female", "male", "other"], n + unjudged, p=[0.85, 0.13, 0.02])
    people = pd.DataFrame({"patient_id": ids, "age": table["age"].round(), "sex": sexes})
    keys = table[["outcome"]].assign(patient_id=ids, cohort="external")[:n]
    predictions = pd.concat([keys.assign(model=name, probability=table[name][:n]) for name in CUTOFFS])
    quality = pd.DataFrame({"patient_id": ids, "trabecular_hu": 1.0})
    quality["kernel"] = rng.choice(["A", "B", "C", "D"], len(ids), p=[0.6, 0.3, 0.06, 0.04])
    features = pd.DataFrame({"patient_id": ids, "feature": rng.normal(size=len(ids))})
    whose = Patients(predictions, people, features, quality)
    return described_hospital(BUNDLE, whose, min_cell, "H", "external"), people[:n], quality[:n]


def numbers_that_fit(mean, sd, candidates):
    """Of how many patients whole ages can have this mean and SD, as far as both are written out."""
    half = [0.5 * 10.0 ** -decimals(value) + 1e-9 for value in (mean, sd)]
    found = []
    for n in candidates:
        sums = np.arange(np.ceil((mean - half[0]) * n), np.floor((mean + half[0]) * n) + 1)
        low, high = (n * ((sd + sign * half[1]) ** 2 + (sums / n) ** 2) for sign in (-1, 1))
        if (np.floor(high) >= np.ceil(low)).any():
            found.append(n)
    return found


def decimals(value):
    return len(f"{value!r}".partition(".")[2])


@pytest.mark.parametrize("min_cell", [3, 5, 10])
@pytest.mark.parametrize("seed", range(6))
def test_a_mean_of_whole_years_does_not_tell_of_how_many(min_cell, seed):
    """Few were measured and not judged: their number is hidden, and a mean times it is a whole number."""
    unjudged = 1 + seed % (min_cell - 1)
    told, _, _ = described(40 + 45 * seed, unjudged, min_cell, seed)
    assert told.described == "hidden"
    candidates = range(told.patients, told.patients + min_cell + 5)
    age = told.predictors["age"]
    assert len(numbers_that_fit(age.mean, age.sd, candidates)) == len(candidates)


def test_the_attack_finds_the_number_behind_an_exact_mean():
    ages = np.random.default_rng(3).normal(65, 8, 163).round()
    assert numbers_that_fit(float(ages.mean()), float(ages.std()), range(160, 175)) == [163]


@pytest.mark.parametrize("min_cell", [3, 5, 10])
@pytest.mark.parametrize("seed", range(6))
def test_no_category_and_no_rest_of_it_is_small(min_cell, seed):
    told, people, quality = described(60 + 40 * seed, 0, min_cell, seed)
    for part, truth in ((told.predictors["sex"], people["sex"]), (told.scans["kernel"], quality["kernel"])):
        counts = [count for count in part.values() if isinstance(count, int)]
        assert sum(counts) in (0, len(truth)) or len(counts) < len(part)
        assert all(count == 0 or count >= min_cell for count in counts)
        known = {name: (truth == name).sum() for name in part if name != "other"}
        assert {name: part[name] for name in known} == known
