"""What is said of the time to go follows the pace of this run, not of the machine that was here before."""

import pytest

from helpers.commands import pace
from helpers.commands.record import StepResult
from helpers.study.places import STEPS

BEFORE = {"01": 10.0, "02": 100.0, "03": 50.0}


def done(**seconds):
    return {step[1:]: StepResult(step[1:], "ok", value) for step, value in seconds.items()}


def test_a_machine_half_as_quick_takes_twice_as_long():
    assert pace.seconds_to_go(BEFORE, done(s01=20.0), ["02", "03"]) == pytest.approx(300)
    assert pace.seconds_to_go(BEFORE, done(s01=20.0, s02=90.0), ["03"]) == pytest.approx(50)


def test_what_was_not_executed_tells_nothing_of_the_pace():
    skipped = {"01": StepResult("01", "as before", 0.0)}
    assert pace.seconds_to_go(BEFORE, skipped, ["02", "03"]) == 150


def test_a_run_that_was_made_before_tells_its_own_seconds(own_run):
    recorded = pace.recorded_seconds(own_run)
    assert set(recorded) == set(STEPS) and all(recorded[step] > 0 for step in STEPS)
    (own_run.folder / "run.json").unlink()
    assert pace.recorded_seconds(own_run) == pace.USUAL


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "about 10 s"), (44, "about 40 s"), (100, "about 2 min"), (310, "about 5 min")]
)
def test_seconds_are_told_in_few_words(seconds, words):
    assert pace.in_words(seconds) == words
