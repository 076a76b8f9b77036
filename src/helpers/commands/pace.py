"""How long a run will still take, told after each notebook."""

from __future__ import annotations

from collections.abc import Mapping

from helpers.commands.record import StepResult
from helpers.study.places import STEPS
from helpers.study.run_folder import Run, read_record

# Processor seconds of the default book, which one worker would need: a run of 2026-11-28 (AMD EPYC).
USUAL = {"01": 8, "02": 750, "03": 115, "04": 22, "05": 22, "06": 13, "07": 9, "08": 6}
USUAL |= {"09": 9, "10": 185, "11": 41, "12": 48, "13": 5, "14": 13, "15": 25, "16": 95}


def recorded_work(run: Run) -> dict[str, float]:
    """Worker seconds of each notebook when this run folder last saw it; the usual ones where it never did."""
    known = read_record(run.folder).get("notebooks", {})
    done = {name: one for name, one in known.items() if one["status"] == "ok"}
    work = {name: one["seconds"] * one.get("workers", 1) for name, one in done.items()}
    return {step: work.get(name, USUAL.get(step, 0)) for step, name in STEPS.items()}


def pace(expected: Mapping[str, float], done: Mapping[str, StepResult]) -> float:
    """How many times as long as ``expected`` this run takes.

    Parameters
    ----------
    expected : mapping of str to float
        Worker seconds by notebook number, from `recorded_work` at the start.
    done : mapping of str to StepResult
        By notebook number; those that were not executed tell nothing.
    """
    executed = [step for step, result in done.items() if result.status == "ok"]
    usual = sum(expected[step] for step in executed)
    took = sum(done[step].seconds * done[step].workers for step in executed)
    return took / usual if took and usual else 1


def in_words(seconds: float) -> str:
    """A time as people say it: "about 40 s", "about 5 min"; never less than ten seconds."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(round(seconds, -1), 10):.0f} s"
