"""Chapters run at the same time where they do not need each other, never on more workers than there are."""

import threading
import time

import pandas as pd
import pytest

from helpers.commands.record import StepResult
from helpers.commands.side_by_side import NEEDS, Turns, behind, in_turns
from helpers.study.contracts import WRITTEN_BY
from helpers.study.places import STEPS
from helpers.study.small_counts import NOT_PATIENTS

PARALLEL = {"02", "03", "05", "10", "11", "12", "15", "16"}
WORK = dict.fromkeys(STEPS, 10.0) | {"02": 300.0, "04": 20.0, "09": 8.0, "10": 100.0, "14": 12.0}


class Chapters:
    """Chapters that only note how many workers are at work."""

    def __init__(self, workers, steps=tuple(STEPS), work=WORK, failing=(), settled=(), shown=()):
        self.turns = Turns(steps, work, PARALLEL, workers)
        self.failing, self.settled, self.shown, self.rendered = failing, settled, shown, []
        self.lock, self.done, self.asked = threading.Lock(), [], []
        self.busy, self.most = {}, 0

    def run(self):
        return in_turns(self.turns, self.is_settled, self.execute, self.ended, self.render)

    def ended(self, step, result):
        return step in self.shown

    def render(self):
        """Long enough for those that were started before to be at work."""
        self.rendered.append(sorted(self.turns.running))

    def is_settled(self, step):
        self.asked.append(step)
        if step in self.settled:
            self.done.append(step)
        return step in self.settled

    def execute(self, step, share):
        with self.lock:
            assert {*NEEDS[step]} & {*self.turns.work} <= {*self.done}
            self.busy[step] = share
            self.most = max(self.most, sum(self.busy.values()))
        time.sleep(0.005)
        with self.lock:
            del self.busy[step]
            if step in self.failing:
                raise OSError(step)
            self.done.append(step)
        return StepResult(STEPS[step], "ok", 0.005, share)


def test_the_needs_of_each_chapter_are_known():
    assert set(NEEDS) == set(STEPS)
    assert all(one < step for step, needs in NEEDS.items() for one in needs)


def test_every_file_that_a_chapter_has_read_is_of_a_chapter_that_it_needs(finished):
    """The ledger knows what was read; nothing may be read from a chapter that might run at the same time."""
    entries = finished.ledger.entries()
    read = {
        (step, maker)
        for entry in entries.values()
        for step in entry.settings
        for place in entry.read
        for maker in entries[place].settings
        if maker != step
    }
    assert {step for step, _ in read} >= {"02", "08", "10", "12", "13", "15", "16"}
    # 06 adds to the predictions of 05, so what 05 wrote there counts as having read what 06 had read.
    read = {(step, maker) for step, maker in read if maker < step}
    assert [(step, maker) for step, maker in sorted(read) if maker not in behind(step)] == []


def test_who_hides_small_counts_by_cohort_needs_the_chapter_that_tells_their_sizes(finished):
    """A study with min_cell reads the sizes from chapter 04's scores, which this virtual one does not."""
    entries = finished.ledger.entries()
    sizes = WRITTEN_BY["rad_score"][:2]
    for path in (finished.folder / "share" / "tables").glob("*.csv"):
        if "cohort" in pd.read_csv(path, nrows=0) and path.stem not in NOT_PATIENTS:
            for step in entries[finished.place(path)].settings:
                assert step <= sizes or sizes in behind(step), path.stem


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_all_chapters_are_done_after_what_they_need_and_workers_go_round(workers):
    chapters = Chapters(workers)
    assert chapters.run() == {}
    assert sorted(chapters.done) == list(STEPS) and sorted(chapters.asked) == list(STEPS)
    assert chapters.most == workers


def test_the_long_chapter_that_all_wait_for_gets_all_workers():
    """Nothing holds one of the two when 02 is next: 09 is shorter than 01, 14 is not and comes beside 04."""
    turns = Turns(list(STEPS), WORK, PARALLEL, 2)
    assert turns.following() == ("01", 1)
    turns.start("01", 1)
    assert turns.following() == ("09", 1)
    turns.start("09", 1)
    turns.settle("01")
    assert turns.ready() == ["02", "14"] and turns.following() is None
    turns.settle("09")
    for step in ("02", "03"):
        assert turns.following() == (step, 2)
        turns.start(step, 2)
        assert turns.following() is None
        turns.settle(step)
    assert turns.following() == ("04", 1)
    turns.start("04", 1)
    assert turns.following() == ("14", 1)


def test_many_workers_are_shared_as_the_ways_to_the_end():
    """Chapter 10 and what needs it are half of what is left: 12 and 16 beside it need as much."""
    work = {"10": 320.0, "12": 160.0, "15": 40.0, "16": 200.0}
    turns = Turns(list(work), work, PARALLEL, 8)
    for step, share in {"10": 4, "16": 2, "12": 2}.items():
        assert turns.following() == (step, share)
        turns.start(step, share)
    assert turns.free() == 0 and turns.following() is None
    turns.settle("10")
    assert turns.following() == ("15", 1)


def test_the_book_so_far_is_rendered_when_no_chapter_runs_and_shorter_ones_fill_the_time():
    """A chapter that runs has written half of its tables. 07 is over before 16, and 12 is not."""
    work = {"03": 9.0, "04": 9.0, "10": 90.0, "16": 60.0, "12": 50.0, "07": 5.0}
    chapters = Chapters(2, list(work), work, shown=("03",))
    assert chapters.run() == {} and sorted(chapters.done) == sorted(work)
    assert chapters.rendered == [[]]
    turns = Turns(["10", "16", "12", "07"], work, PARALLEL, 2)
    for step in ("10", "16"):
        turns.start(step, 1)
    turns.settle("10")
    turns.rendering = True
    assert turns.ready() == ["12", "07"]
    turns._begun["16"] -= 20
    assert turns.following() == ("07", 1)
    turns.start("07", 1)
    turns.settle("07")
    assert turns.following() is None


def test_what_fails_stops_only_what_needs_it():
    chapters = Chapters(2, failing=("08", "10"))
    failed = chapters.run()
    assert set(failed) == {"08", "10"} and all(isinstance(one, OSError) for one in failed.values())
    assert sorted(chapters.done) == sorted({*STEPS} - {"08", "10", "13", "15"})


def test_what_is_settled_costs_nothing_and_lets_others_begin():
    chapters = Chapters(2, settled={"01", "02", "03", "06", "10"})
    assert chapters.run() == {} and sorted(chapters.done) == list(STEPS)


def test_a_part_of_the_chapters_takes_the_results_of_the_others_as_they_are():
    chapters = Chapters(2, steps=["08", "09", "10"], work={"08": 1.0, "09": 1.0, "10": 1.0})
    assert chapters.run() == {} and sorted(chapters.done) == ["08", "09", "10"]


def test_the_time_to_go_is_that_of_all_workers_or_of_the_longest_way():
    work = {"06": 8.0, "07": 5.0, "08": 4.0, "13": 3.0}
    turns = Turns(list(work), work, set(), 2)
    assert turns.seconds_to_go(1) == 16  # 06, 07, 13: with two workers the others lie beside
    turns.start("06", 1)
    turns._begun["06"] -= 6
    assert turns.seconds_to_go(1) == pytest.approx(10, abs=0.1)
    assert turns.seconds_to_go(2) == pytest.approx(26, abs=0.1)  # 3 of 8 seconds' work are done
    wide = Turns(["07", "09", "14"], dict.fromkeys(("07", "09", "14"), 10.0), set(), 2)
    assert wide.seconds_to_go(1) == 15


def test_an_interrupted_run_ends_the_processes_that_it_started(monkeypatch):
    """Somebody stops the run: threads wait for their notebooks' processes, which would go on for minutes."""
    import subprocess
    import sys

    from helpers.commands import side_by_side

    sleeping = []

    def execute(step, share):
        sleeping.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        sleeping[-1].wait()
        return StepResult(STEPS[step], "ok", 1.0)

    def interrupted(futures, return_when):
        while not sleeping:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side, "wait", interrupted)
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        in_turns(Turns(["09"], WORK, set(), 1), lambda step: False, execute, bool, print)
    assert time.perf_counter() - started < 30 and sleeping[0].returncode
