"""The virtual patients are the paper's Table 1, and their bone follows the literature."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from helpers.errors import StudyError
from helpers.paper.reported import reported_values
from helpers.study.places import REPOSITORY
from helpers.virtual.patients import age_law, apportion, simulate_patients

PROTOCOL = yaml.safe_load((REPOSITORY / "data/virtual/protocol.yml").read_text(encoding="utf-8"))
SIZES = {"development": 600, "external": 263}
SEEDS = (1, 2, 3)


def included(role: str, patients: int, seed: int) -> pd.DataFrame:
    people = simulate_patients(PROTOCOL, role, patients, seed)
    people = people[people["allocation"] != ""]
    return people.assign(outcome=(people["t_score"] <= -2.5).astype(int))


@pytest.fixture(scope="module", params=SEEDS)
def published(request) -> pd.DataFrame:
    return pd.concat([included(role, size, request.param) for role, size in SIZES.items()])


def test_table_1_is_the_printed_one(published):
    printed = reported_values().query("item == 'Table 1'").set_index(["cohort", "subject", "metric"])["value"]
    printed = printed.sort_index()
    for (cohort, flag), group in published.groupby(["allocation", "outcome"]):
        paper = printed.loc[cohort, "osteoporosis" if flag else "non-osteoporosis"]
        assert len(group) == int(paper["n"])
        assert (group["sex"] == "male").sum() == int(paper["male"])
        assert (group["sex"] == "female").sum() == int(paper["female"])
        assert f"{group['age'].mean():.2f}" == f"{float(paper['age_mean']):.2f}"
        assert f"{group['age'].std(ddof=1):.2f}" == f"{float(paper['age_sd']):.2f}"


def test_ages_are_whole_years_within_the_printed_ranges(published):
    assert published["age"].dtype.kind == "i"
    external = published["allocation"] == "external"
    assert published.loc[~external, "age"].agg(["min", "max"]).tolist() == [50, 81]
    assert published.loc[external, "age"].agg(["min", "max"]).tolist() == [50, 85]


def test_t_scores_read_as_dxa_prints_them(published):
    assert np.allclose(published["t_score"] * 10, (published["t_score"] * 10).round())
    assert published["t_score"].between(-5, 2).all()
    osteopenia = published["t_score"].between(-2.4, -1.1).mean()
    assert 0.2 < osteopenia < 0.6


def test_bone_follows_the_literature():
    """Ranges of the protocol's sources, for means over the seeds, so that no single seed decides."""
    rows = []
    for seed in SEEDS:
        people = included("development", 600, seed)
        r = people[["t_score", "hu_l1", "hu_t12", "micro_structure", "age"]].corr()
        by_group = people.groupby(pd.cut(people["t_score"], [-9, -2.5, -1.05, 9]), observed=True)[
            "hu_l1"
        ].mean()
        rows.append(
            {
                "hu_r": r.loc["t_score", "hu_l1"],
                "neighbours_r": r.loc["hu_l1", "hu_t12"],
                "micro_r": r.loc["t_score", "micro_structure"],
                "denser": (people["hu_t12"] - people["hu_l1"]).mean(),
                "auc": roc_auc_score(people["outcome"], -people["hu_l1"]),
                "per_year": np.polyfit(people["age"], people["hu_l1"], 1)[0],
                **dict(zip(["osteoporosis", "osteopenia", "normal"], by_group, strict=True)),
            }
        )
    mean = pd.DataFrame(rows).mean()
    assert 0.35 < mean["hu_r"] < 0.56
    assert mean["neighbours_r"] > 0.87
    assert 0.65 < mean["micro_r"] < 0.75
    assert 0 < mean["denser"] < 15
    assert 0.65 < mean["auc"] < 0.76
    assert -2.5 < mean["per_year"] < -1
    assert abs(mean["osteoporosis"] - 118) < 15
    assert abs(mean["osteopenia"] - 143) < 15
    assert abs(mean["normal"] - 178) < 20


@pytest.mark.parametrize(("role", "size"), SIZES.items())
def test_rules_and_reasons_leave_exactly_the_included(role, size):
    people = simulate_patients(PROTOCOL, role, size, 1)
    stays = (people["age"] >= 50) & (people["interval_days"] < 30) & (people["exclusion"] == "")
    assert stays.sum() == size
    assert (stays == (people["allocation"] != "")).all()
    assert people["patient_id"].is_unique
    assert people.notna().all().all()


@pytest.mark.parametrize("size", [8, 24, 120])
def test_small_hospitals_keep_the_proportions(size):
    people = included("development", size, 1)
    assert len(people) == size
    assert people.groupby(["allocation", "outcome"]).size().min() >= 2
    assert people["age"].between(50, 81).all()


def test_too_small_a_hospital_is_refused():
    with pytest.raises(StudyError, match="at least 8"):
        simulate_patients(PROTOCOL, "development", 7, 1)


def test_the_seed_decides_everything():
    first, again, other = (simulate_patients(PROTOCOL, "external", 40, seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first, again)
    assert not first["hu_l1"].equals(other["hu_l1"])


@pytest.mark.parametrize("moments", [(50, 81, 66.09, 8.15), (50, 85, 56.55, 10.64)])
def test_age_law_has_the_moments_asked_for(moments):
    low, high, mean, sd = moments
    ages, chances = age_law(low, high, mean, sd)
    assert chances.sum() == pytest.approx(1)
    assert chances @ ages == pytest.approx(mean, abs=1e-6)
    assert np.sqrt(chances @ (ages - mean) ** 2) == pytest.approx(sd, abs=1e-6)


def test_apportion_follows_largest_remainders():
    assert apportion(10, np.array([1, 1, 1])).tolist() == [4, 3, 3]
    assert apportion(600, np.array([134, 286, 58, 122])).tolist() == [134, 286, 58, 122]
    assert apportion(8, np.array([97, 1, 1, 1]), least=2).tolist() == [2, 2, 2, 2]


def test_every_number_of_the_protocol_has_a_source():
    assert all(block["source"] for block in PROTOCOL["patients"].values())
