"""The parallel map gives what a loop gives, in its order, on any number of workers."""

import time

import pytest

from helpers.study.parallel import on_cores, with_progress

TASKS = list(range(7))


def root(number):
    time.sleep(0.01 * (number % 3))  # tasks end in another order than they start
    if number < 0:
        raise ValueError(f"{number} has no root")
    return number**0.5


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("prefer", ["threads", "processes"])
def test_results_come_in_the_order_of_the_tasks(workers, prefer):
    assert list(on_cores(root, TASKS, workers, prefer)) == [root(task) for task in TASKS]


def test_an_error_of_a_task_reaches_the_caller():
    with pytest.raises(ValueError, match="-1 has no root"):
        list(on_cores(root, [1, -1], 2))


def test_the_progress_bar_passes_every_result_on(capsys):
    assert with_progress(on_cores(root, TASKS, 1), TASKS, "Roots", "root") == [root(task) for task in TASKS]
    assert "Roots: 100%" in capsys.readouterr().err
