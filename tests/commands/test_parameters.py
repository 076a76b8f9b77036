"""Parameters: those of the command line win, unknown ones stop before the work."""

import pytest

from helpers.commands.parameters import chosen_steps, notebook_parameters
from helpers.commands.run import run_study
from helpers.errors import StudyError
from helpers.study.places import REPOSITORY

TINY = REPOSITORY / "tests" / "data" / "tiny.yml"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("04.mrmr=30", r"Notebook 04 has no parameter 'mrmr'; it has .*mrmr_features"),
        ("44.mrmr_features=30", "notebook '44'"),
        ("mrmr_features", "not of the form"),
    ],
)
def test_an_unknown_parameter_stops_before_the_work(tmp_path, override, message):
    with pytest.raises(StudyError, match=message):
        run_study(TINY, tmp_path / "run", overrides=(override,))
    assert not (tmp_path / "run" / "private").exists()


def test_an_unknown_notebook_is_told():
    with pytest.raises(StudyError, match="no notebook '77'"):
        chosen_steps("77", "99")


def test_the_study_files_parameters_lose_against_the_command_line():
    chosen = notebook_parameters({"04": {"folds": 3}}, ("04.folds=5",), {"study": "a", "run_dir": "b"})
    assert chosen["04"] == {"study": "a", "run_dir": "b", "folds": 5}
