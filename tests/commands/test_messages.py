"""What libraries say to the terminal stays out of executed notebooks, also out of those that fail."""

import json

import pytest

from helpers.commands import run as commands
from helpers.errors import StudyError
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run

WARNS = "import warnings, sys, os\nwarnings.warn('careful')\nos.write(2, b'from C')\nprint('result')"


@pytest.mark.parametrize("last", ["", "\nraise ValueError('broken')"])
def test_warnings_reach_no_notebook(tmp_path, monkeypatch, capfd, last):
    cell = {"cell_type": "code", "metadata": {}, "source": [WARNS + last], "outputs": []}
    cell["execution_count"] = None
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    source = tmp_path / "05_models.ipynb"
    text = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    source.write_text(json.dumps(text), encoding="utf-8")
    monkeypatch.setattr(commands, "notebook_source", lambda step: source)
    run = open_run(REPOSITORY / "tests" / "data" / "tiny.yml", tmp_path / "run")
    if last:
        with pytest.raises(StudyError, match="broken"):
            commands.execute(run, "05", {})
    else:
        commands.execute(run, "05", {})
    written = json.loads((run.notebooks / "05_models.ipynb").read_text(encoding="utf-8"))
    outputs = json.dumps([output for cell in written["cells"] for output in cell.get("outputs", [])])
    assert "result" in outputs
    assert '"stderr"' not in outputs
    assert "UserWarning" not in outputs
    assert "UserWarning: careful" in capfd.readouterr().err
