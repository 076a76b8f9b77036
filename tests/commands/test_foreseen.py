"""What check foresees is said with the place and the remedy; what it need not stop at is a remark."""

import numpy as np
import pandas as pd
import pytest
from defective_hospital import Hospitals

from helpers.commands.foreseen import foresee
from helpers.study.run_folder import open_run


def foreseen(folder, training: list[int], internal: list[int], change=lambda people: people):
    """Of a study with these outcomes, after ``change`` to its patients."""
    run = open_run(Hospitals().write(folder), folder / "run")
    external = [0, 0, 1, 1]
    outcome = [*training, *internal, *external]
    people = pd.DataFrame(
        {"outcome": outcome, "site": "home", "sex": ["female", "male"] * (len(outcome) // 2)}
    )
    people["cohort"] = np.repeat(["training", "internal", "external"], [len(training), len(internal), 4])
    people["age"] = 50 + np.arange(len(people)) % 7
    return foresee(run, change(people.assign(smoking="never")))


def test_enough_patients_leave_only_a_remark_on_what_is_the_same_for_all(tmp_path):
    found = foreseen(tmp_path, [0, 1] * 6, [0, 1] * 2)
    place = "Notebook 06, with the predictors of 'home.csv', 'away.csv'"
    told = f"{place}: The same for all training patients, and therefore in no model: smoking."
    assert found == ([], [told])


def test_too_few_in_a_set_are_told_first(tmp_path):
    (problem,), _ = foreseen(tmp_path, [0, 1] * 6, [0, 0, 0, 1])
    assert "internal validation has 1 patients with" in problem


@pytest.mark.parametrize(("cases", "stops"), [(2, True), (3, True), (4, False)])
def test_folds_that_leave_too_few_are_told_by_their_notebook(tmp_path, cases, stops):
    problems, _ = foreseen(tmp_path, [0] * 12 + [1] * cases + [0] * (cases % 2), [0, 1] * 2)
    assert [problem.split(":")[0] for problem in problems] == ["Notebook 05", "Notebook 10"] * stops


def test_a_category_that_no_training_patient_has_is_told_with_the_site(tmp_path):
    def change(people):
        people["smoking"] = np.resize(["never", "never", "former"], len(people))
        people.loc[people.index[-1], ["smoking", "site"]] = ["cigar", "away"]
        return people

    (problem,), _ = foreseen(tmp_path, [0, 1] * 6, [0, 1] * 2, change)
    assert "unknown level 'cigar' in 1 patient(s) of away; the model knows" in problem
