"""The parallel map gives what a loop gives, in its order, on any number of workers."""

import time

import pytest

from helpers.study.parallel import BARS_VARIABLE, on_cores, with_progress

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


@pytest.mark.parametrize("on_a_terminal", [True, False])
def test_every_result_is_passed_on_and_the_bar_shown_on_a_terminal_only(on_a_terminal, capsys, monkeypatch):
    """A notebook's process sees no terminal: a variable tells of it."""
    if on_a_terminal:
        monkeypatch.setenv(BARS_VARIABLE, "1")
    assert with_progress(on_cores(root, TASKS, 1), TASKS, "Roots", "root") == [root(task) for task in TASKS]
    assert ("Roots: 100%" in capsys.readouterr().err) == on_a_terminal
