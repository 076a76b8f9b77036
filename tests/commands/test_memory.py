"""Nothing that only repeats is executed, and a change reaches what follows from it."""

import json
import re

import pytest

from helpers.commands.memory import READS_NOTHING, READS_TABLES, Memory
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
        write_record(run, TINY, StepResult(name, "ok", 1.0))
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
