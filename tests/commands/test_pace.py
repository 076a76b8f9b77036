"""What is said of the time to go follows the pace of this run, not of the machine that was here before."""

import json

import pytest

from helpers.commands import pace
from helpers.commands.record import StepResult
from helpers.study.places import STEPS

BEFORE = {"01": 10.0, "02": 100.0, "03": 50.0}


def test_a_machine_half_as_quick_takes_twice_as_long():
    """Seconds of each worker count: 02 had two of them."""
    done = {"01": StepResult("01", "ok", 20.0), "02": StepResult("02", "ok", 100.0, workers=2)}
    assert pace.pace(BEFORE, done) == pytest.approx(2)


def test_what_was_not_executed_tells_nothing_of_the_pace():
    skipped = {"01": StepResult("01", "as before", 0.0)}
    assert pace.pace(BEFORE, skipped) == 1
    assert pace.pace(BEFORE, skipped | {"03": StepResult("03", "ok", 25.0)}) == 0.5
    assert pace.pace(BEFORE, {"01": StepResult("01", "ok", 0.0)}) == 1


def test_a_run_that_was_made_before_tells_its_own_seconds(own_run):
    recorded = pace.recorded_work(own_run)
    assert set(recorded) == set(STEPS) and all(recorded[step] > 0 for step in STEPS)
    known = json.loads(own_run.record.read_text(encoding="utf-8"))["notebooks"]["02_preprocessing"]
    assert known["workers"] == 2 and recorded["02"] == 2 * known["seconds"]
    (own_run.folder / "run.json").unlink()
    assert pace.recorded_work(own_run) == pace.USUAL


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "about 10 s"), (44, "about 40 s"), (100, "about 2 min"), (310, "about 5 min")]
)
def test_seconds_are_told_in_few_words(seconds, words):
    assert pace.in_words(seconds) == words
