"""What tests of staging, landing pages and build share."""

import json

import hostile_hospital
import pandas as pd
import pytest
from shared_once import made_once

from helpers.commands.run import run_study
from helpers.pages import viewer_page
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run


@pytest.fixture(scope="session")
def viewer_files(tmp_path_factory):
    """The viewer's files for `run`, which take seconds to make and are the same each time."""
    study = REPOSITORY / "data" / "studies" / "quick.yml"
    return viewer_page.staged_files(open_run(study, tmp_path_factory.mktemp("viewer")))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """The finished run of a hospital whose texts are scripts, formulas and markup, and its book."""

    def make(folder):
        hostile_hospital.write_hospital(folder)
        run_study(folder / "study.yml", folder / "run", workers=1)

    folder = made_once(tmp_path_factory, "hostile", make)
    return open_run(folder / "study.yml", folder / "run")


@pytest.fixture
def run(tmp_path, monkeypatch, viewer_files):
    """A run of which the first chapter was executed and one table shared."""
    monkeypatch.setattr(viewer_page, "staged_files", lambda run: viewer_files)
    run = open_run(REPOSITORY / "data" / "studies" / "quick.yml", tmp_path / "run")
    cell = {"cell_type": "code", "metadata": {"execution": {"iopub.execute_input": "now"}}, "source": ["1"]}
    cell |= {"outputs": [], "execution_count": 1, "id": "0"}
    metadata = {"papermill": {"duration": 3.2}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (run.notebooks / "01_cohort.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    run.write_table("scanners", pd.DataFrame({"scanner": ["A"], "patients": [40]}))
    return run
