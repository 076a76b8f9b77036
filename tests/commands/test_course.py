"""A participant's notebooks open with the run's data; solutions lie apart and run."""

import nbformat
import pytest

from helpers.commands import course
from helpers.errors import StudyError
from helpers.study.places import STEPS


def test_exercises_open_with_the_run_and_solutions_lie_apart(own_run):
    said = list(course.prepare_course(own_run_with_page(own_run)))
    folder = own_run.folder / "exercises"
    names = {path.name for path in folder.glob("*.ipynb")}
    assert names == {path.name for path in (folder / course.SOLUTIONS).glob("*.ipynb")} and len(names) == len(
        STEPS
    )
    assert any("runs on this computer" in line for line in said)
    asked = nbformat.read(folder / "01_cohort.ipynb", as_version=4)
    nbformat.validate(asked)
    assert asked.cells[1].source.startswith("from helpers.study.run_folder import open_run")
    assert str(own_run.folder.name) in asked.cells[1].source
    assert "assert" not in "".join(cell.source for cell in asked.cells)
    assert asked.cells[-1].source == ""


def test_a_solution_that_fails_names_itself_and_what_to_do(own_run):
    (own_run.private / "screened.parquet").write_bytes(b"damaged")
    with pytest.raises(StudyError, match=r"solutions in 01_cohort\.ipynb do not run here: .*radbook run"):
        list(course.prepare_course(own_run_with_page(own_run)))


def test_without_chapters_there_are_no_exercises(own_run):
    for path in own_run.notebooks.glob("*.ipynb"):
        path.unlink()
    with pytest.raises(StudyError, match="No executed chapter"):
        course.write_exercises(own_run)


def own_run_with_page(run):
    """The run as it is when its book was rendered."""
    page = run.book / "html" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.touch()
    return run
