"""Sites of a new hospital are shown apart with their own numbers, and never where that tells of few."""

import numpy as np
import pandas as pd
import pytest

from helpers.evaluation.by_hospital import judged_apart
from helpers.evaluation.delong import delong_auc
from helpers.frozen import sites_apart

SIZES = {"North": 60, "South": 40, "Harbour": 30}
CUTOFFS = {"nomogram": 0.4}


@pytest.fixture
def people():
    rng = np.random.default_rng(6)
    site = rng.permutation(np.repeat(list(SIZES), list(SIZES.values())))
    outcome = rng.permutation(np.arange(site.size) % 3 == 0).astype(int)
    return pd.DataFrame({"patient_id": [f"P{n}" for n in range(site.size)], "site": site, "outcome": outcome})


def predicted(people):
    rng = np.random.default_rng(7)
    risk = np.clip(0.3 + 0.3 * people["outcome"] + rng.normal(0, 0.2, len(people)), 0.02, 0.98)
    return people.assign(cohort="external", model="nomogram", probability=risk).drop(columns="site")


def test_each_site_has_the_numbers_of_its_own_patients(people):
    apart = sites_apart.by_site(predictions := predicted(people), people, 0)
    found = judged_apart(apart, ["nomogram"])
    rates = sites_apart.sites_performance(apart, CUTOFFS, 0).set_index("site")
    shown = sites_apart.printed_sites(found, rates.reset_index())
    assert shown["site"].tolist() == rates.index.tolist() == list(dict.fromkeys(people["site"]))
    for row in shown.itertuples():
        own = predictions[people["site"] == row.site]
        area = delong_auc(own["outcome"], own["probability"])
        assert (row.n, row.events) == (len(own), own["outcome"].sum())
        assert row.AUC.startswith(f"{area.auc:.2f} (")
        positive = own.loc[own["outcome"] == 1, "probability"] >= CUTOFFS["nomogram"]
        assert rates.loc[row.site, "sensitivity"] == pytest.approx(positive.mean())
    assert found.has_summary and found.summary["hospitals"].tolist() == [3] * 4
    assert "3 sites: each" in sites_apart.in_words(apart, people)


def test_a_site_of_one_outcome_has_a_row_and_no_curve(people):
    people.loc[people["site"] == "Harbour", "outcome"] = 0
    apart = sites_apart.by_site(predicted(people), people, 5)
    assert set(sites_apart.with_curve(apart)["cohort"]) == {"external: North", "external: South"}
    rates = sites_apart.sites_performance(apart, CUTOFFS, 5)
    shown = sites_apart.printed_sites(judged_apart(apart, ["nomogram"]), rates).set_index("site")
    assert shown.loc["Harbour", "AUC"] == "one outcome only" and shown.loc["Harbour", "n"] == SIZES["Harbour"]
    assert "one outcome only" not in set(shown.loc["North"])


@pytest.mark.parametrize("min_cell", [0, 10])
def test_one_small_site_would_be_told_by_the_others(people, min_cell):
    here = people["site"] == "Harbour"
    people.loc[here, "outcome"] = (np.arange(here.sum()) < 7).astype(int)
    apart = sites_apart.by_site(predicted(people), people, min_cell)
    assert apart.empty == (min_cell == 10)
    told = sites_apart.in_words(apart, people)
    assert ("too few to be shown apart" in told) == apart.empty
    assert judged_apart(apart, ["nomogram"]).hospitals["hospital"].nunique() == (0 if apart.empty else 3)


def test_a_hospital_of_one_site_says_nothing_more(people):
    people["site"] = "Only"
    apart = sites_apart.by_site(predicted(people), people, 0)
    assert apart.empty and sites_apart.in_words(apart, people) == ""


def test_only_the_site_that_drifts_has_drifted(people):
    rng = np.random.default_rng(8)
    train, new = (pd.Series(rng.normal(size=n)) for n in (400, len(people)))
    cuts, shares = np.quantile(train, np.arange(1, 10) / 10), np.full(10, 0.1)
    low, high = np.quantile(train, [0.01, 0.99])
    known = {"mean": train.mean(), "sd": train.std(ddof=0), "low": low, "high": high}
    summary = {"patients": 400, "features": {"original_glcm_Idn": known | {"cuts": cuts, "shares": shares}}}
    sites = people.set_index("patient_id")["site"]
    values = pd.DataFrame({"original_glcm_Idn": new.to_numpy()}, index=sites.index)
    values[sites == "South"] += 2
    drifted = sites_apart.drift_by_site(summary, values, sites, 10).set_index("site")
    assert drifted["drifted"].to_dict() == {"North": 0, "South": 1, "Harbour": 0}
    assert drifted.loc["South", "largest shift"] == pytest.approx(2, abs=0.5)
    assert sites_apart.drift_by_site(summary, values, sites, 31).empty
