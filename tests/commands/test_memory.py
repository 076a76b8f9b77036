"""Nothing that only repeats is executed, and a change reaches what follows from it."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from helpers.commands.memory import READS_NOTHING, READS_TABLES, Memory, _code_behind
from helpers.commands.record import StepResult, write_record
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run

TINY = REPOSITORY / "tests" / "data" / "tiny.yml"


@pytest.fixture
def remembered(tmp_path):
    """Memory of a run whose notebooks have all been executed, an artifact and a table being its results."""
    run = open_run(TINY, tmp_path / "run")
    run.artifact_path("rad_score").write_bytes(b"scores")
    run.table_path("decision_curves").write_bytes(b"net benefit")
    memory = Memory.of(run)
    for step, name in STEPS.items():
        (run.notebooks / f"{name}.ipynb").write_bytes(b"")
        write_record(run, StepResult(name, "ok", 1.0))
        memory = memory.after(step, {})
    memory.keep()
    return Memory.of(run)


def held(memory):
    return {step for step in STEPS if memory.holds(step, {})}


def test_a_changed_table_reaches_the_notebook_that_reads_tables_only(remembered):
    """A parameter of 08 must not cost chapter 10's minutes."""
    assert held(remembered) == {*STEPS}
    remembered.run.table_path("decision_curves").write_bytes(b"other net benefit")
    assert held(remembered.after("08", {})) == {*STEPS} - {"13"}


def test_a_changed_artifact_reaches_all_that_follows_however_often_the_run_is_interrupted(remembered):
    """A run --to 05 leaves 06 outdated, and the next run must know."""
    remembered.run.artifact_path("rad_score").write_bytes(b"other scores")
    memory = remembered.after("04", {})
    current = {*STEPS} - {step for step in STEPS if step > "04" and step not in READS_NOTHING}
    assert held(memory) == current
    memory.keep()
    assert held(Memory.of(remembered.run)) == current


def test_results_that_were_touched_between_two_runs_are_not_trusted(remembered):
    remembered.run.table_path("decision_curves").unlink()
    assert held(Memory.of(remembered.run)) == set()


def test_notebooks_read_no_more_than_is_said():
    """Else they would not be executed when what they read has changed."""
    writes = r"open_run\(study, run_dir\)|run\.study|run\.write_table|save_figure\(run|^run = "
    for step, name in STEPS.items():
        cells = json.loads((REPOSITORY / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        if step in READS_NOTHING:
            assert not re.search(r"\brun\b", re.sub(writes, "", code, flags=re.MULTILINE)), name
        if step not in READS_TABLES:
            assert not re.search(r"table_path|comparison", code), name


@pytest.mark.parametrize(
    ("edited", "outdated", "current"),
    [
        ("pages/model_card.py", set(), {*STEPS}),
        ("evaluation/delong.py", {"07"}, {"01"}),
        ("pages/comparison_table.py", {"13"}, {*STEPS} - {"13"}),
    ],
)
def test_an_edit_of_a_module_reaches_the_chapters_that_use_it(
    remembered, monkeypatch, edited, outdated, current
):
    """A comment in the model card must not cost an hour, a change of a test of AUCs must not be missed."""
    as_it_is, file = Path.read_bytes, REPOSITORY / "src" / "helpers" / edited
    assert file.is_file() and held(remembered) == {*STEPS}
    monkeypatch.setattr(Path, "read_bytes", lambda path: as_it_is(path) + b"#" * (path == file))
    assert held(remembered) & (outdated | current) == current


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
