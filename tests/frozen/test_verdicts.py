"""What a hospital gets back of each patient: everybody listed, numbers only where there is a right to one."""

import numpy as np
import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.evaluation.delong import delong_auc
from helpers.frozen import judged, verdicts
from helpers.frozen.bundle import Bundle
from helpers.frozen.domain import domain_summary
from helpers.frozen.new_hospital import VIRTUAL_ON_REAL, Measured, alarm
from helpers.frozen.told import tell
from helpers.study import small_counts
from helpers.study.pseudonyms import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.sites import Site
from helpers.study.study_file import Study

NAMES = ["original_glcm_Contrast", "original_firstorder_Mean"]
RNG = np.random.default_rng(4)
TRAINING = pd.DataFrame(RNG.normal([50, 150], [10, 30], (200, 2)), columns=NAMES)
SELECTION = {
    "features": NAMES,
    "coefficients": [1.0, 0.5],
    "intercept": 0.2,
    "mean": [50, 150],
    "sd": [10, 30],
}
MODEL = {
    "virtual": True,
    "predictors": ["age"],
    "selection": SELECTION,
    "domain": domain_summary(TRAINING, [-3.0, 3.0], pd.Series([120.0] * 200)),
    "drawing": {"slice step (mm)": {"low": 0.5, "high": 1.5}},
    "radiomics": {"intercept": 0.0, "coefficients": [1.0, 1.0]},
    "nomogram": {
        "coefficients": {"Intercept": -6.0, "age": 0.08, "rad_score": 1.2},
        "axes": {"age": [50, 60, 70, 80], "rad_score": [-3.0, 0.0, 3.0]},
        "levels": {},
        "method": "maximum likelihood",
    },
    "cutoffs": {"radiomics": 0.5, "nomogram": 0.4},
}
# P0 ordinary, P1 warned, P2 Rad-score beyond the axis, P3 another voltage, P4 a feature beyond, P5 refused,
# P6 excluded, P7 ordinary.
FEATURES = [[52, 140], [47, 160], [75, 215], [50, 150], [140, -110], None, None, [44, 133]]
KVP = [120.0, 120.0, 120.0, 80.0, 120.0, None, None, np.nan]


@pytest.fixture
def bundle(tmp_path):
    return Bundle(tmp_path, MODEL)


@pytest.fixture
def hospital(tmp_path):
    """Run, everyone screened, and what was measured."""
    sites = [
        Site(
            name="Here", role="external", table={"path": "t.csv"}, images="{patient_id}", masks="{patient_id}"
        )
    ]
    study = Study(
        name="own",
        title="Own",
        seed=1,
        extraction="e.yml",
        predictors=["age"],
        sites=sites,
        file=tmp_path / "s.yml",
    )
    run = Run(study, tmp_path / "run")
    run.folder.mkdir()
    raw = ["=cmd()", *(f"MRN-{n}" for n in range(1, 8))]
    names = pseudonyms(run, "Here", raw)
    screened = pd.DataFrame({"patient_id": names, "site": "Here", "age": 60.0, "exclusion": ""})
    screened.loc[6, "exclusion"] = "younger than 50 years"
    screened["outcome"] = [0, 1, 1, 0, 0, 1, np.nan, 1.0]
    measured = [n for n, row in enumerate(FEATURES) if row]
    features = pd.DataFrame([FEATURES[n] for n in measured], columns=NAMES, dtype=float)
    features.insert(0, "patient_id", [names[n] for n in measured])
    quality = pd.DataFrame({"patient_id": features["patient_id"], "kvp": [KVP[n] for n in measured]})
    quality = quality.assign(status="ok", reason="", step_height=1.0, step_width=0.7)
    quality.loc[1, ["status", "reason"]] = ["warned", "voxels of 5.0 mm"]
    quality.loc[3, ["status", "reason"]] = ["warned", "80 kV instead of 120 kV shifts HU"]
    refused = pd.DataFrame(
        {"patient_id": [names[5]], "reason": [f"{names[5]}: the mask is empty."], "kind": ["mask"]}
    )
    return run, screened, Measured(features, quality, refused), names


@pytest.fixture
def met(bundle, hospital):
    _, screened, measured, _ = hospital
    return verdicts.meet(bundle, screened, measured)


def test_everybody_has_a_status_and_a_reason_in_full(met, hospital):
    table, names = met.table.set_index("patient_id"), hospital[-1]
    expected = ["scored", "scored with warning", *["outside the domain"] * 3, "refused", "excluded", "scored"]
    assert table.loc[names, "status"].tolist() == expected
    reasons = table.loc[names, "reason"].tolist()
    assert reasons[0] == reasons[7] == "" and reasons[1] == "voxels of 5.0 mm"
    assert reasons[2].startswith("outside the model's domain: Rad-score 3.783 (training -3 to 3)")
    assert "tube voltage (kV) 80 (training 120); 80 kV instead" in reasons[3]
    assert "Contrast" in reasons[4] and "distance" in reasons[4]
    assert "the mask is empty" in reasons[5] and reasons[6] == "younger than 50 years"


def test_a_written_reason_opens_no_domain(bundle, hospital):
    """Rules on regions may be overruled by name; at another tube voltage there is no right to a score."""
    _, screened, measured, names = hospital
    let_in = "fat has -80 HU in this scan; let in by the hospital: seen by Dr. A"
    measured.quality.loc[3, ["status", "reason"]] = ["warned", let_in]
    row = verdicts.meet(bundle, screened, measured).table.set_index("patient_id").loc[names[3]]
    assert row["status"] == "outside the domain" and row["category"].startswith("another tube voltage")
    assert row["reason"].endswith(f"tube voltage (kV) 80 (training 120); {let_in}")
    measured.quality["kvp_calibrated"] = [np.nan] * 3 + [120.0] + [np.nan] * 2
    row = verdicts.meet(bundle, screened, measured).table.set_index("patient_id").loc[names[3]]
    assert row[["status", "reason"]].tolist() == ["scored with warning", let_in]


def test_a_scan_made_unlike_the_training_patients_carries_a_warning(bundle, hospital):
    _, screened, measured, names = hospital
    measured.quality["step_height"] = 2.0
    table = verdicts.meet(bundle, screened, measured).table.set_index("patient_id")
    told = "unlike the training patients: slice step (mm) 2 (training 0.5 to 1.5)"
    assert table.loc[names[0]].tolist()[1:3] == ["scored with warning", told]
    assert table.loc[names[1], "reason"] == f"voxels of 5.0 mm; {told}"


def test_only_who_is_in_the_domain_gets_a_number(bundle, hospital, met):
    run, screened, _, names = hospital
    people = screened[screened["exclusion"] == ""]
    table = verdicts.give_results(run, bundle, met, people)
    assert table["patient_id"].tolist() == [names[0], names[1], names[7]]
    assert table["warned"].tolist() == [False, True, False]
    assert run.read("scores")["patient_id"].tolist() == table["patient_id"].tolist()
    text = pd.read_csv(run.private / "scores.csv", dtype=str, keep_default_na=False)
    sheet = pd.read_excel(run.private / "scores.xlsx", engine="calamine", dtype={"patient_number": str})
    numbers = ["rad_score", "risk_radiomics", "risk_nomogram", "total_points", "above_cutoff"]
    for read in (text, sheet):
        rows = read.set_index("patient_id").loc[names]
        assert len(read) == 8
        empty = (rows[numbers].isna() | (rows[numbers] == "")).all(axis=1).tolist()
        assert empty == [False, False, True, True, True, True, True, False]
        assert rows.loc[names[1], "patient_number"] == "MRN-1"
    risk = float(text.set_index("patient_id").loc[names[0], "risk_nomogram"])
    assert risk == pytest.approx(1 / (1 + np.exp(6 - 4.8 - 1.2 * table["rad_score"].iloc[0])), abs=1e-4)


def test_no_patient_number_is_a_formula(bundle, hospital, met):
    run, screened, _, names = hospital
    verdicts.give_results(run, bundle, met, screened)
    lines = (run.private / "scores.csv").read_text(encoding="utf-8-sig").splitlines()
    assert any(f"{names[0]},'=cmd()," in line for line in lines)
    sheet = pd.read_excel(run.private / "scores.xlsx", engine="calamine")
    assert "=cmd()" in sheet["patient_number"].tolist()  # as text


def test_a_virtual_model_on_real_patients_is_said_beside_each_score(bundle, hospital, met):
    run, screened, *_ = hospital
    table = verdicts.positions(bundle, screened, met.given())
    rows = verdicts.results(run, bundle, met, table)
    told = rows["reasons"].str.contains("learnt from virtual patients")
    assert told.tolist() == rows["status"].str.startswith("scored").tolist() and told.any()
    assert VIRTUAL_ON_REAL in alarm(bundle, run.study) and "danger" in alarm(bundle, run.study)
    assert alarm(Bundle(bundle.folder, MODEL | {"virtual": False}), run.study) == ""
    simulated = run.study.model_copy(update={"simulated": True})
    assert alarm(bundle, simulated) == ""


def test_nobody_in_the_domain_is_told_and_listed(bundle, hospital):
    run, screened, measured, _ = hospital
    quality = measured.quality.assign(kvp=80.0)
    met = verdicts.meet(bundle, screened, Measured(measured.features, quality, measured.refused))
    with pytest.raises(StudyError, match="No patient gets a score.*scores.csv.*tube voltage"):
        verdicts.give_results(run, bundle, met, screened)
    rows = pd.read_csv(run.private / "scores.csv")
    assert len(rows) == 8 and rows["risk_nomogram"].isna().all()


def test_the_flow_adds_up_and_small_counts_are_not_told(met):
    whole = tell(met, 0).flow()
    total = whole.loc[whole["stage"] == "all", "patients"].item()
    assert total == 8 == whole.loc[whole["stage"] != "all", "patients"].sum()
    reasons = set(whole.loc[whole["stage"] == "outside the domain", "reason"])
    assert "another tube voltage than the training patients'" in reasons
    words = verdicts.flow_in_words(met, 10)
    assert (words["new-excluded"], words["new-refused"], words["new-outside"]) == ("<10", "<10", "<10")
    assert verdicts.warned_in_words(pd.Series([True] * 3 + [False] * 40), 10) == "<10 of 43"
    assert verdicts.warned_in_words(pd.Series([True] * 40 + [False] * 3), 10) == "most of 43"
    shared = small_counts.protect("new_hospital_flow", tell(met, 10).flow(), 10)
    assert not {1, 2, 3} & set(shared["patients"])


def test_the_middle_patient_is_one_without_a_warning():
    table = pd.DataFrame(
        {"patient_id": list("abc"), "nomogram": [0.1, 0.3, 0.8], "warned": [False, True, False]}
    )
    assert verdicts.middle_patient(table) == "a"
    assert verdicts.middle_patient(table.assign(warned=True)) == "b"


def many(n=300):
    """Patients of every status whose outcome is known, and risks that depend on it but for the warned."""
    outcome = RNG.binomial(1, 0.4, n).astype(float)
    status = np.repeat(["scored", "scored with warning", "outside the domain"], [n - 80, 50, 30])
    risk = np.clip(0.4 + 0.3 * (outcome - 0.4) * (status == "scored") + RNG.normal(0, 0.15, n), 0.01, 0.99)
    names = [f"P{i}" for i in range(n)]
    people = pd.DataFrame({"patient_id": names, "outcome": outcome})
    scores = pd.DataFrame({"patient_id": names, "rad_score": 0.0, "nomogram": risk})
    table = pd.DataFrame({"patient_id": names, "site": "x", "status": status, "reason": "", "category": ""})
    return people, verdicts.Met(table, scores, pd.DataFrame({"patient_id": []}))


def test_discrimination_is_given_with_and_without_the_doubtful():
    people, met = many()
    table = judged.discrimination_of_sets(people, met, ["nomogram"]).set_index("patients")
    parts = {
        "as scored": slice(0, 270),
        "without warned patients": slice(0, 220),
        "with those outside the domain": slice(0, 300),
    }
    for name, rows in parts.items():
        y, p = people["outcome"][rows], met.scores["nomogram"][rows]
        assert table.loc[name, "n"] == len(y) and table.loc[name, "events"] == y.sum()
        assert table.loc[name, "auc"] == pytest.approx(delong_auc(y, p).auc, rel=1e-12)
    hidden = judged.discrimination_of_sets(people, met, ["nomogram"], min_cell=40).set_index("patients")
    assert hidden.loc["as scored", "n"] == 270
    assert hidden.loc["with those outside the domain", "n"] == small_counts.HIDDEN
    assert hidden["auc"].notna().all()
    few = judged.discrimination_of_sets(people, met, ["nomogram"], min_cell=250).set_index("patients")
    assert few["auc"].isna().all()
    shared = small_counts.protect("new_hospital_sensitivity", hidden.reset_index(), 40)
    assert shared["n"].tolist()[2] == small_counts.HIDDEN


def test_few_patients_are_said_to_be_few():
    people = pd.DataFrame({"patient_id": list("abcdefgh"), "outcome": [0, 0, 0, 0, 0, 1, 1, 1.0]})
    scores = pd.DataFrame({"patient_id": list("abcdefgh"), "nomogram": np.linspace(0.1, 0.9, 8)})
    predictions = judged.predictions_of(people, scores, ["nomogram"])
    table = judged.frozen_performance(predictions, {"nomogram": 0.5})
    assert table["auc"].item() == 1 and np.isnan(table["auc_low"].item())
    shown = judged.printed_performance(table, "0 of 8")
    assert shown.loc["auc", "nomogram"] == "1.00 (no interval)"
    assert "only a hint" in shown.loc["remark", "nomogram"]
    assert "only a hint" in judged.outcomes_in_words(people, 0, "relapse")
    assert judged.title_of(predictions, "2 of 8").splitlines() == [
        "The new patients, n = 8: only a hint",
        "scored with a warning: 2 of 8",
    ]
    assert judged.how_few(400, 150) == "" and "interval" in judged.how_few(400, 60)
