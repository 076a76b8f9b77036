"""Each hospital is judged by a model that never saw it; one that cannot be judged is listed, not hidden."""

import numpy as np
import pandas as pd
import pytest

from helpers.chapters.hospitals_in_turn import hospitals_in_turn, hospitals_in_words, paper_way
from helpers.chapters.strict_validation import Procedure
from helpers.evaluation.by_hospital import SCALES
from helpers.evaluation.delong import delong_auc
from helpers.learning.selection import SelectionSettings

SETTINGS = SelectionSettings(icc_threshold=None, smote="none", folds=3, mrmr_features=8)
COMMON = {"settings": SETTINGS, "seed": 3, "folds": 2}


def patients(sizes, signal=1.0, seed=1, number=20):
    """Hospitals A, B, ... with these numbers of patients, a third with the outcome; two features carry it."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    table = pd.DataFrame(
        {
            "site": np.repeat([f"Hospital {letter}" for letter in "ABCDEF"[: len(sizes)]], sizes),
            "outcome": (np.arange(n) % 3 == 0).astype(int),
            "age": rng.normal(65, 8, n),
        },
        index=[f"P{i:03d}" for i in range(n)],
    )
    values = rng.normal(size=(n, number))
    values[:, :2] += signal * table["outcome"].to_numpy()[:, None]
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(number)], index=table.index), table


@pytest.fixture(scope="module")
def four():
    features, table = patients([60, 45, 36, 45])
    return features, table, hospitals_in_turn(features, table, ["age"], **COMMON)


def test_a_hospital_is_judged_by_the_others_alone(four):
    """By hand the same numbers come out; outcomes there change neither the model nor what is expected."""
    features, table, found = four
    away = table["site"] == "Hospital B"
    made = paper_way(features[~away], table[~away], ["age"], Procedure({}, SETTINGS), 3)
    row = found.hospitals.set_index(["hospital", "model"]).loc[("Hospital B", "nomogram")]
    risk = made.risks(features[away], table[away])["nomogram"]
    by_hand = delong_auc(table.loc[away, "outcome"], risk)
    assert (row["auc"], row["auc_low"], row["auc_high"]) == (by_hand.auc, by_hand.ci_low, by_hand.ci_high)
    other = table.assign(outcome=table["outcome"].where(~away, 1 - table["outcome"]))
    changed = hospitals_in_turn(features, other, ["age"], **COMMON).hospitals
    same = ["features", "apparent", "beforehand", "others_events"]
    for frame in (changed, found.hospitals):
        frame.set_index(["hospital", "model"], inplace=True)
    one = ("Hospital B", "radiomics")
    assert changed.loc[one, same].tolist() == found.hospitals.loc[one, same].tolist()
    assert changed.loc[one, "auc"] == pytest.approx(1 - found.hospitals.loc[one, "auc"])
    found.hospitals.reset_index(inplace=True)


def test_what_is_expected_beforehand_sees_no_patient_whom_it_judges(four):
    """Age is noise here: a model that had seen the patients would find something in it."""
    features, table, found = four
    rows = found.hospitals.set_index(["model", "hospital"])
    assert rows["beforehand"].notna().all()
    clinical, both, radiomics = (rows.loc[name] for name in ("clinical", "nomogram", "radiomics"))
    assert (clinical["apparent"] >= 0.5).all() and clinical["beforehand"].mean() < 0.55
    assert (both["beforehand"] - radiomics["beforehand"]).max() < 0.02


def test_tables_fit_together(four):
    _, _, found = four
    assert set(found.hospitals["model"]) == {"radiomics", "clinical", "nomogram"}
    assert (found.hospitals["n"] + found.hospitals["others"] == 186).all()
    auc = found.measures[found.measures["measure"] == "auc"].set_index(["hospital", "model"])["estimate"]
    pd.testing.assert_series_equal(
        auc, found.hospitals.set_index(["hospital", "model"])["auc"], check_names=False
    )
    assert len(found.summary) == 3 * len(SCALES) and (found.summary["hospitals"] == 4).all()
    weights = found.measures.groupby(["model", "measure"])["weight"].sum()
    np.testing.assert_allclose(weights, 100)


def test_without_predictors_there_is_the_radiomics_model_alone():
    found = hospitals_in_turn(*patients([40, 40, 40]), [], **COMMON)
    assert set(found.hospitals["model"]) == {"radiomics"}


def test_noise_is_expected_and_found_to_be_noise_though_it_looks_good():
    """The apparent AUC is flattered; what is expected beforehand and what is found are chance."""
    found = hospitals_in_turn(*patients([60, 60, 60], signal=0, number=150), [], **COMMON).hospitals
    assert found["apparent"].mean() > 0.65
    assert abs(found["beforehand"].mean() - 0.5) < 0.12 and abs(found["auc"].mean() - 0.5) < 0.12


def test_hospitals_that_cannot_be_judged_are_listed():
    features, table = patients([50, 40, 40, 9, 6])
    table.loc[table["site"] == "Hospital E", "outcome"] = 0
    found = hospitals_in_turn(features, table, [], **COMMON)
    status = found.hospitals.set_index("hospital")["status"].to_dict()
    assert status == {
        **{"Hospital A": "judged", "Hospital B": "judged", "Hospital C": "judged"},
        **{"Hospital D": "small", "Hospital E": "one class"},
    }


def test_others_without_both_outcomes_are_a_reason_and_two_hospitals_no_summary():
    features, table = patients([40, 40])
    table.loc[table["site"] == "Hospital A", "outcome"] = 0
    found = hospitals_in_turn(features, table, [], **COMMON)
    assert found.hospitals["status"].tolist() == ["one class", "not fitted"]
    assert "same outcome" in found.hospitals["reason"].iloc[1]
    assert "Without Hospital B no model could be made" in hospitals_in_words(found)["hospitals-which"]
    assert found.measures.empty and found.summary.empty
    found = hospitals_in_turn(*patients([40, 40]), [], **COMMON)
    assert (found.summary["hospitals"] == 2).all() and found.summary["estimate"].isna().all()


def test_readers_count_where_patients_were_read_twice():
    """A feature on which readers disagree is left out; none where nobody of the others was read twice."""
    features, table = patients([45, 45, 45])
    read = features[table["site"] == "Hospital A"]
    second = read.assign(f0=np.random.default_rng(0).normal(size=len(read)))
    settings = SelectionSettings(smote="none", folds=3, mrmr_features=8)
    found = hospitals_in_turn(features, table, [], settings, 3, second, folds=2).hospitals
    assert found["status"].tolist() == ["judged"] * 3
    away = table["site"] == "Hospital B"
    chosen = paper_way(features[~away], table[~away], [], Procedure(second, settings), 3).selection
    assert "f0" not in chosen["features"] and "f1" in chosen["features"]
