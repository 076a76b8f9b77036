"""`radbook check` and `radbook run` agree: what stops a chapter is told beforehand, in the same words, and
what check lets pass runs.

Each study has one defect (`defective_hospital`). Few classifiers, few trees, no figures: whether a chapter
stops does not hang on them.
"""

import os
import re
from pathlib import Path

import in_this_process
import numpy as np
import pandas as pd
import pytest
import yaml
from defective_hospital import ALL, DEFECTS, LIGHT, Hospitals
from sklearn.ensemble import RandomForestClassifier

from helpers.chapters import negative_controls
from helpers.commands import check
from helpers.commands.parameters import notebook_parameters, notebook_source
from helpers.commands.run import stop_beforehand
from helpers.errors import StudyError
from helpers.learning import classifiers
from helpers.plots import style
from helpers.study.run_folder import open_run
from helpers.study.study_file import load_study


@pytest.fixture
def light(monkeypatch):
    """Chapters that take a few seconds, and stop where they always would."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(classifiers, "MODELS", ["LR", "KNN"])
    monkeypatch.setattr(style, "save_figure", lambda *_, **__: None)
    few_trees = RandomForestClassifier(n_estimators=5, random_state=0)
    monkeypatch.setattr(negative_controls, "RandomForestClassifier", lambda **_: few_trees)


def checked(file, folder) -> list[str]:
    """What `radbook check` says would stop the study."""
    return check.check_study(open_run(file, folder), workers=1).problems


def stopped(file, folder, chapters=ALL) -> str:
    """Why `radbook run` stops in these chapters; "" where it does not."""
    try:
        study = load_study(file)
        stop_beforehand(study)
        common = {"study": str(file), "run_dir": str(folder), "workers": 1}
        parameters = notebook_parameters(study.parameters, (), common)
        for step in chapters:
            in_this_process.execute(notebook_source(step), parameters[step])
    except StudyError as error:
        return str(error)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFECTS)
def test_check_and_run_agree(tmp_path, light, name):
    hospitals = Hospitals()
    DEFECTS[name].change(hospitals)
    file = hospitals.write(tmp_path)
    problems = checked(file, tmp_path / "checked")
    reason = stopped(file, tmp_path / "run", DEFECTS[name].chapters)
    if not DEFECTS[name].told:
        assert (problems, reason) == ([], "")
        return
    assert re.search(DEFECTS[name].told, reason, re.DOTALL), reason
    # The same sentences; check may say before them which table or notebook it is.
    said = "\n".join(problems)
    assert all(line in said for line in reason.splitlines()), said
    assert not any("MRN-" in text for text in (*problems, reason))


# Each once, in one site or divided over two; whole chapters where the table is small.
REAL = {
    "HCC-TACE-Seg": (1, ALL),
    "Colorectal-Liver-Metastases": (2, ALL),
    "Petrillo2023": (2, ("01", "04")),
    "Hosny2018A": (1, ("01", "04")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_tables_without_predictors_are_let_pass_and_run(tmp_path, light, name):
    if "RADBOOK_REAL_DATA" not in os.environ:
        pytest.skip("RADBOOK_REAL_DATA is not set: no real tables here")
    table = pd.read_csv(Path(os.environ["RADBOOK_REAL_DATA"]) / "tables" / f"{name}.csv.gz")
    number, chapters = REAL[name]
    columns, sites = {"patient_id": "ID", "outcome": "Target"}, []
    chosen = np.random.default_rng(1).random(len(table)) < 0.7 if number == 2 else np.full(len(table), True)
    for role, rows in list({"development": chosen, "external": ~chosen}.items())[:number]:
        table[rows].to_csv(tmp_path / f"{role}.csv", index=False)
        site = {"name": role, "role": role, "table": {"path": f"{role}.csv", "columns": columns}}
        sites.append(site | {"features": {"path": f"{role}.csv", "patient_id": "ID"}})
    study = {"name": "real", "title": name, "seed": 5, "outcome": {"given": True}, "predictors": []}
    file = tmp_path / "study.yml"
    file.write_text(yaml.safe_dump(study | {"sites": sites, "parameters": LIGHT}), encoding="utf-8")
    assert checked(file, tmp_path / "checked") == []
    assert stopped(file, tmp_path / "run", chapters) == ""
