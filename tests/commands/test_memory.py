"""Nothing that only repeats is executed, and a change reaches what follows from it."""

import ast
import json
import re
import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from helpers.commands import memory
from helpers.commands.memory import _code_behind
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run

TINY = REPOSITORY / "tests" / "data" / "tiny.yml"


def execute(folder, step, value=0.5):
    """What a notebook does: 04 makes an artifact, 08 a table of it, 13 one of that table."""
    run = open_run(TINY, folder, step)
    memory.begin(run, step)
    if step in ("05", "08"):
        run.read_json("selection")
    if step == "13":
        run.read_table("decision_curves")
    if step == "04":
        run.write_json("selection", {"lambda": value})
    name = {"08": "decision_curves"}.get(step, f"of_{step}")
    run.write_table(name, pd.DataFrame({"net_benefit": [value if step in ("04", "08") else 0.5]}))
    (run.notebooks / f"{STEPS[step]}.ipynb").write_text(f"executed {step}", encoding="utf-8")
    memory.finish(run, step, {})


@pytest.fixture
def run(tmp_path):
    """A run whose notebooks have all been executed."""
    for step in STEPS:
        execute(tmp_path / "run", step)
    return open_run(TINY, tmp_path / "run")


def held(run):
    return {step for step in STEPS if memory.holds(run, step, {})}


def test_a_changed_table_reaches_the_notebook_that_reads_tables_only(run):
    """A parameter of 08 must not cost chapter 10's minutes."""
    assert held(run) == {*STEPS}
    execute(run.folder, "08", 0.25)
    assert held(run) == {*STEPS} - {"13"}


def test_a_changed_artifact_reaches_all_that_follows_however_often_the_run_is_interrupted(run):
    """A run --to 05 leaves 08 outdated, and the next run must know; 13 reads what 08 will write."""
    execute(run.folder, "04", 0.25)
    assert held(run) == {*STEPS} - {"05", "08", "13"}
    execute(run.folder, "05")
    assert held(run) == {*STEPS} - {"08", "13"}
    execute(run.folder, "08")
    assert held(run) == {*STEPS}


def test_what_was_touched_between_two_runs_is_made_again(run):
    run.table_path("decision_curves").unlink()
    assert held(run) == {*STEPS} - {"08", "13"}
    run.json_path("selection").write_text("{", encoding="utf-8")
    assert held(run) == {*STEPS} - {"04", "05", "08", "13"}


def test_a_chapter_that_was_cut_off_is_not_trusted(run):
    memory.begin(run, "08")
    assert held(run) == {*STEPS} - {"08", "13"}


def test_another_parameter_executes_again_and_another_folder_does_not(run):
    assert not memory.holds(run, "05", {"folds": 3})
    assert memory.holds(run, "05", {"run_dir": "elsewhere", "workers": 7, "study": "copy.yml"})


def test_chapter_15_follows_from_the_real_patients_and_no_other_does(run, tmp_path, monkeypatch):
    shutil.copytree(REPOSITORY / "data", tmp_path / "data")
    monkeypatch.setattr(memory, "REPOSITORY", tmp_path)
    assert held(run) == {*STEPS}
    for name in ("real/keek2020_clinical.csv", "studies/real.yml"):
        file = tmp_path / "data" / name
        before = file.read_bytes()
        file.write_bytes(before + b"\n")
        assert held(run) == {*STEPS} - {"15"}
        file.write_bytes(before)
    assert not memory.holds(run, "15", {"real_study": "theirs.yml"})


def test_a_moved_run_folder_is_not_executed_again(run, tmp_path):
    assert held(open_run(TINY, run.folder.rename(tmp_path / "moved"))) == {*STEPS}


def test_what_a_chapter_no_longer_shows_goes(run):
    """Such as the performance in new patients, when their outcomes are not known any more."""
    open_run(TINY, run.folder, "05").write_table("once", pd.DataFrame({"n": [1]}))
    execute(run.folder, "05")
    assert not run.table_path("once").exists()
    assert held(run) == {*STEPS}


def test_a_lost_memory_costs_time_and_nothing_else(run):
    run.ledger.path.write_text("{", encoding="utf-8")
    assert held(run) == set()


def test_each_notebook_says_which_chapter_it_is():
    """What it reads and writes is put down under this number."""
    for step, name in STEPS.items():
        text = (REPOSITORY / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
        opened = re.findall(r"run = (?:None if pooled else )?open_run\((.*?)\)", text)
        assert opened == [f'study, run_dir, \\"{step}\\"'], name


@pytest.mark.parametrize(
    ("edited", "outdated", "current"),
    [
        ("pages/model_card.py", set(), {*STEPS}),
        ("evaluation/delong.py", {"07"}, {"02"}),
        ("pages/comparison_table.py", {"13"}, {*STEPS} - {"13"}),
    ],
)
def test_an_edit_of_a_module_reaches_the_chapters_that_use_it(run, monkeypatch, edited, outdated, current):
    """A comment in the model card must not cost an hour, a change of a test of AUCs must not be missed."""
    as_it_is, file = Path.read_bytes, REPOSITORY / "src" / "helpers" / edited
    assert file.is_file() and held(run) == {*STEPS}
    monkeypatch.setattr(Path, "read_bytes", lambda path: as_it_is(path) + b"#" * (path == file))
    assert held(run) & (outdated | current) == current


@cache
def imported(code):
    """Modules of the package that a source imports by name; what is imported for types alone is left out."""
    found, tree = set(), ast.parse(code)
    tree.body = [node for node in tree.body if not is_for_types(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if module_file(name) else node.module for name in inner}
    return frozenset(name for name in found if module_file(name))


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def module_file(name):
    """The file of a module of the package; None for what is no module of it."""
    if name.partition(".")[0] != "helpers":
        return None
    path = (REPOSITORY / "src").joinpath(*name.split("."))
    return next(filter(Path.is_file, (path.with_suffix(".py"), path / "__init__.py")), None)


@pytest.mark.parametrize("step", STEPS)
def test_the_code_behind_a_chapter_is_what_its_imports_lead_to(step):
    """Followed by hand from file to file; rooms' descriptions hold no code and do not count."""
    cells = json.loads((REPOSITORY / "notebooks" / f"{STEPS[step]}.ipynb").read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    seen, todo = set(), set(imported(code))
    while todo:
        seen.add(name := todo.pop())
        todo |= imported(module_file(name).read_text(encoding="utf-8")) - seen
    files = {module_file(name) for name in seen}
    assert len(files) > 3
    assert with_code(_code_behind(step)) == with_code(files)


def with_code(files):
    return {file for file in files if len(ast.parse(file.read_text(encoding="utf-8")).body) > 1}
