"""How long a run will still take, told after each notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helpers.commands.record import StepResult
from helpers.study.places import STEPS
from helpers.study.run_folder import Run, read_record

# Seconds of the default book on two cores, as shares of a run that has not been made before.
USUAL = {"01": 6, "02": 190, "03": 130, "04": 25, "05": 25, "06": 8, "07": 8, "08": 8}
USUAL |= {"09": 8, "10": 120, "11": 45, "12": 45, "13": 5, "14": 12, "15": 40, "16": 60}


def recorded_seconds(run: Run) -> dict[str, float]:
    """What each notebook took when this run folder last saw it; the usual time where it never did."""
    known = read_record(run.folder).get("notebooks", {})
    return {step: known.get(name, {}).get("seconds", USUAL.get(step, 0)) for step, name in STEPS.items()}


def seconds_to_go(before: Mapping[str, float], done: Mapping[str, StepResult], ahead: Sequence[str]) -> float:
    """Seconds that the notebooks ``ahead`` will take, by how this run's pace compares with ``before``.

    Parameters
    ----------
    before : mapping of str to float
        Seconds by notebook number, from `recorded_seconds` at the start.
    done : mapping of str to StepResult
        By notebook number; those that were not executed tell nothing.
    ahead : sequence of str
        Notebook numbers.
    """
    executed = [step for step, result in done.items() if result.status == "ok"]
    expected = sum(before[step] for step in executed)
    pace = sum(done[step].seconds for step in executed) / expected if expected else 1
    return pace * sum(before[step] for step in ahead)


def in_words(seconds: float) -> str:
    """A time as people say it: "about 40 s", "about 5 min"; never less than ten seconds."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(round(seconds, -1), 10):.0f} s"
