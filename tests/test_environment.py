"""What is promised about installing and about the notebooks in the repository."""

import ast
import json
import re
import tomllib

import pytest
import yaml

from helpers.study.places import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {name.lower() for name in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]}
LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def test_conda_environment_equals_pyproject():
    """A conda user gets what a pip user gets."""
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    from_pip = next(entry["pip"] for entry in environment if isinstance(entry, dict))
    listed = {entry.lower() for entry in environment if isinstance(entry, str)} | {
        e.lower() for e in from_pip
    }
    python = f"python{PROJECT['requires-python']}"
    assert listed - {"pip", python} == DECLARED
    assert python in listed


def test_lock_pins_and_hashes_every_dependency():
    """pip can install it with --require-hashes behind any mirror."""
    pins = re.findall(r"^([\w.-]+)==", LOCK, flags=re.M)
    entries = re.findall(r"^[\w.-]+==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", LOCK, flags=re.M)
    assert len(entries) == len(pins)
    names = {re.split(r"[<>=]", name)[0].replace("_", "-") for name in DECLARED}
    assert names <= {pin.lower() for pin in pins}


def test_lock_holds_no_addresses_and_no_gpu_wheels():
    """A hospital's mirror decides where packages come from; nobody downloads CUDA."""
    assert "://" not in LOCK
    assert "index-url" not in LOCK
    assert "nvidia" not in LOCK


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path):
    """Results in git would age, and could hold patients."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_has_one_parameter_cell(path):
    """papermill and a reader find the same knobs in the same place."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    tagged = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    source = "".join(tagged[0]["source"])
    assert 'study = "data/studies/virtual.yml"' in source
    assert 'run_dir = "runs/virtual"' in source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_reads_like_a_sentence(path):
    """At most 15 lines; chapter 10 is the longest, with 190 lines of code in all."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]).splitlines() for cell in cells if cell["cell_type"] == "code"]
    assert max(map(len, code)) <= 15
    assert sum(bool(line.strip()) for lines in code for line in lines) <= 190


def test_a_module_and_a_function_can_be_taken_in():
    """At most 420 and 50 lines; but for the simulator's shapes, which are compiled together."""
    package = REPOSITORY / "src" / "helpers"
    for path in [path for path in package.rglob("*.py") if path.name != "shapes.py"]:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 420, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, (path, node.name)
    entries = [path for path in package.iterdir() if path.name != "__pycache__"]
    assert sum(path.is_dir() for path in entries) <= 15
    assert sum(path.suffix == ".py" for path in entries) <= 4
