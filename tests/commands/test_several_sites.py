"""Several hospitals go through the chapters: external ones each as a cohort, or each left out in turn."""

import in_this_process
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.commands.parameters import notebook_parameters, notebook_source
from helpers.study.run_folder import open_run

SITES = ["Nord", "Süd", "West 医院", "Ost"]
PARAMETERS = {
    "04": {"folds": 3, "mrmr_features": 8, "resamples": 4},
    "05": {"folds": 3},
    "06": {"resamples": 20},
    "10": {"folds": 2, "repeats": 1, "resamples": 2, "permutations": 1, "bootstrap_resamples": 30},
}


def write_study(folder, **changes):
    """A study of four made-up hospitals with ready features, two of which tell the outcome."""
    rng = np.random.default_rng(5)
    sites = []
    for number, name in enumerate(SITES):
        y = (np.arange(60) % 3 == 0).astype(int)
        values = rng.normal(size=(60, 30)) + number / 10
        values[:, :2] += y[:, None]
        features = pd.DataFrame(values, columns=[f"original_firstorder_F{i}" for i in range(30)])
        features.insert(0, "ID", [f"{number}{i:03d}" for i in range(60)])
        features.to_csv(folder / f"f{number}.csv", index=False)
        table = pd.DataFrame({"patient_id": features["ID"], "outcome": y})
        table["age"] = rng.normal(65, 8, 60).round().clip(51, 90)
        table["sex"] = np.where(rng.uniform(size=60) < 0.5, "F", "M")
        table.to_csv(folder / f"t{number}.csv", index=False)
        files = {
            "table": {"path": f"t{number}.csv"},
            "features": {"path": f"f{number}.csv", "patient_id": "ID"},
        }
        sites.append({"name": name} | files)
    study = {"name": "sites", "title": "t", "seed": 1, "outcome": {"given": True}, "sites": sites}
    content = study | {"parameters": PARAMETERS} | changes
    if "split" not in changes:
        for site in sites:
            site["role"] = "external"
        sites[0]["role"] = "development"
    (folder / "study.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "study.yml"


def run_chapters(path, folder, *steps):
    """Execute chapters in this process, and only those that are looked at or needed for it."""
    made = open_run(path, folder)
    common = {"study": str(path), "run_dir": str(folder), "workers": 1}
    asked = notebook_parameters(made.study.parameters, (), common)
    for step in steps:
        in_this_process.execute(notebook_source(step), asked[step])
    return made


@pytest.mark.slow
def test_of_several_external_hospitals_each_has_its_row_and_the_paper_none(tmp_path):
    steps = ("01", "04", "05", "06", "07", "08", "10")
    made = run_chapters(write_study(tmp_path), tmp_path / "run", *steps)
    cohorts = ["training", "internal", *(f"external: {name}" for name in SITES[1:])]
    table = pd.read_csv(made.table_path("table_5"))
    assert table[table["model"] == "nomogram"]["cohort"].tolist() == cohorts
    assert table["n"].sum() == 3 * 240
    of_site = table["cohort"].str.startswith("external:")
    assert table.loc[of_site, table.columns.str.startswith("paper_")].isna().all(axis=None)
    for name in ("calibration", "decision_curves", "strict_subgroups", "delong_models"):
        assert list(dict.fromkeys(pd.read_csv(made.table_path(name))["cohort"])) == cohorts
    assert made.table_path("table_4_external_3").is_file()
    assert pd.read_csv(made.table_path("strict_hospitals")).empty


@pytest.mark.slow
def test_split_by_site_pools_the_hospitals_and_leaves_out_each(tmp_path):
    path = write_study(tmp_path, split={"by": "site"})
    made = run_chapters(path, tmp_path / "run", "01", "04", "05", "06", "07", "10")
    assert set(pd.read_csv(made.table_path("table_5"))["cohort"]) == {"training", "internal"}
    hospitals = pd.read_csv(made.table_path("strict_hospitals"))
    assert hospitals["hospital"].unique().tolist() == SITES and set(hospitals["n"]) == {60}
    summary = pd.read_csv(made.table_path("strict_hospital_summary"))
    assert (summary["hospitals"] == 4).all() and (summary["pi_low"] <= summary["ci_low"]).all()
    for model in ("radiomics", "nomogram"):
        assert made.figure_path(f"strict_hospitals_{model}", "svg").is_file()
