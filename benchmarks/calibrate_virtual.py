"""Run the paper's analysis on virtual cohorts of several seeds: where the simulator's AUCs fall, and how far.

    .venv/bin/python benchmarks/calibrate_virtual.py                     # the ten evaluation seeds
    .venv/bin/python benchmarks/calibrate_virtual.py --seeds 1 2 3 --out calibration.csv

Parameters of data/virtual/protocol.yml are moved on seeds 1 to 3 only and judged on seeds 101 to 110; both
lists, and the default study's seed, were fixed before anything was computed with them. Each seed is the whole
published design (863 patients, about 13 minutes of one core). The steps are those of notebooks 01 to 06 with
their default parameters. One row a seed goes to the CSV file as soon as it is there, and as JSON to the
standard output. A seed that the file has already, from the same simulator, is not computed again; patients of
an interrupted seed are kept in runs/seed_<seed> until it is done. What the evaluation seeds gave before the
cohort was made harder stays in data/virtual/ten_seeds_easier.csv; chapter 12 sets both side by side.
"""

import argparse
import json
import shutil
from pathlib import Path

import pandas as pd

from helpers.chapters.replicates import EVALUATION_SEEDS, MODELS, TEN_SEEDS
from helpers.evaluation.delong import delong_auc
from helpers.features import extraction, prepare, reliability
from helpers.learning import classifiers, nomogram, selection
from helpers.learning.logistic import fit_logistic
from helpers.patients import cohort
from helpers.study.places import REPOSITORY, replacing
from helpers.study.run_folder import Run
from helpers.study.study_file import load_study
from helpers.virtual import VirtualSite

STUDY = REPOSITORY / "data" / "studies" / "virtual.yml"
STEPS = ["icc", "mann_whitney", "spearman", "mrmr", "lasso"]


def analyse(run: Run, workers: int) -> dict[str, float]:
    """AUC of the three models and of mean HU in each cohort, and how many features each step leaves."""
    patients = measure(run, workers)
    features = run.read("features").set_index("patient_id")
    training = patients["cohort"] == "training"
    outcome = patients.loc[training, "outcome"].to_numpy()
    icc = run.read("icc").set_index("feature")["icc"]
    seed = int(run.study.rng("selection").integers(2**31))
    names = patients.loc[training, "patient_id"]
    chosen = selection.select_features(features.loc[names], outcome, icc, selection.SelectionSettings(), seed)
    predictions = predict(run, patients, features, chosen.as_dict(), workers)
    counts = {step: len(chosen.survivors[step]) for step in STEPS}
    return aucs(predictions) | aucs(hu_scores(run, patients)) | counts


def measure(run: Run, workers: int) -> pd.DataFrame:
    """Notebooks 01 to 03; returns the cohort."""
    study = run.study
    screened = cohort.apply_inclusion(cohort.load_screened(run), study)
    patients = cohort.assign_cohorts(screened, study, 0.7, study.rng("split"))
    draw = study.rng("second reader")
    patients["second_reader"] = cohort.draw_second_reader(patients, study.second_reader_cases, draw)
    run.write("cohort", patients)
    quality = prepare.quality_table(run, prepare.cases_of(patients), workers)
    run.write("preprocessing", quality)
    features, _ = extraction.features_table(run, prepare.cases_of(patients), workers)
    run.write("features", features)
    twice = prepare.cases_of(patients[patients["second_reader"]], reader=2)
    second, _ = extraction.features_table(run, twice, workers)
    run.write("icc", reliability.reader_icc(features, second))
    return patients


def predict(
    run: Run, patients: pd.DataFrame, features: pd.DataFrame, chosen: dict, workers: int
) -> pd.DataFrame:
    """Notebooks 05 and 06: probabilities of the three models."""
    values = features.loc[patients["patient_id"], chosen["features"]]
    training = (patients["cohort"] == "training").to_numpy()
    outcome = patients.loc[training, "outcome"]
    seed = int(run.study.rng("models").integers(2**31))
    fitted = classifiers.fit_models(values[training], outcome, 5, True, seed, workers)
    rad_score = selection.rad_score(chosen, features).rename("rad_score").reset_index()
    scored = patients.merge(rad_score, on="patient_id")
    learned = scored[scored["cohort"] == "training"]
    predictors = {"clinical": run.study.predictors, "nomogram": [*run.study.predictors, "rad_score"]}
    logistic = {name: fit_logistic(learned, "outcome", list(of)) for name, of in predictors.items()}
    predictions = nomogram.with_models(classifiers.predict(fitted, values, patients), scored, logistic)
    return predictions[predictions["model"].isin(MODELS)].rename(columns={"probability": "score"})


def hu_scores(run: Run, patients: pd.DataFrame) -> pd.DataFrame:
    """Mean HU as a model of its own: the lower, the likelier osteoporosis."""
    quality = run.read("preprocessing")[["patient_id", "trabecular_hu"]]
    scores = patients.merge(quality, on="patient_id")
    return scores.assign(model="hu", score=-scores["trabecular_hu"])


def aucs(scores: pd.DataFrame) -> dict[str, float]:
    """AUC by model and cohort, named <model>_<cohort>."""
    return {
        f"{model}_{name}": round(delong_auc(rows["outcome"], rows["score"]).auc, 6)
        for (model, name), rows in scores.groupby(["model", "cohort"])
    }


def simulator(run: Run) -> str:
    """Hash of the simulator that makes the run's patients."""
    site = run.study.sites[0]
    return VirtualSite(run.study.path(site.virtual.protocol), site.role, 600, run.study.seed).simulator()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(EVALUATION_SEEDS))
    parser.add_argument("--out", type=Path, default=TEN_SEEDS)
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 means one a core")
    chosen = parser.parse_args()
    rows = pd.read_csv(chosen.out).to_dict("records") if chosen.out.is_file() else []
    for seed in chosen.seeds:
        run = Run(load_study(STUDY).model_copy(update={"seed": seed}), REPOSITORY / "runs" / f"seed_{seed}")
        start = {"seed": seed, "simulator": simulator(run)}
        rows = [row for row in rows if row["simulator"] == start["simulator"]]
        if seed in [row["seed"] for row in rows]:
            continue
        rows.append(start | analyse(run, chosen.workers))
        print(json.dumps(rows[-1]), flush=True)
        with replacing(chosen.out) as path:
            pd.DataFrame(rows).sort_values("seed").to_csv(path, index=False, lineterminator="\n")
        shutil.rmtree(run.folder)


if __name__ == "__main__":
    main()
