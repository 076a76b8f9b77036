"""Time the main command: empty cache, nothing changed, a parameter of 08 changed; peak memory of a process.

    .venv/bin/python benchmarks/whole_book.py data/studies/virtual.yml --workers 2

Processor seconds count, of the command and of all processes that it starts. What else the machine does moves
these too, so they are also given in *PyRadiomics patients*: divided by the processor seconds in which
PyRadiomics' command line measures one virtual patient, the mean of ten before and ten after.
Prints one JSON object a line, at the end the seconds of each notebook when it was last executed. The times of
the default study go to data/benchmarks/whole_book.csv, for the book's page.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
from extraction import COMMAND, KINDS, take_turns, write_patients
from machine import circumstances

from helpers.study.places import REPOSITORY, replacing
from helpers.study.study_file import load_study

RESULTS = REPOSITORY / "data" / "benchmarks" / "whole_book.csv"
RADBOOK = [sys.executable, "-m", "helpers.cli"]
YARDSTICK_PATIENTS = 10  # before, and as many after
_LOOK_SECONDS = 0.2


def timed(arguments: list[str]) -> dict:
    """Seconds of a command by the clock and of processors, and its largest process's memory (MB)."""
    started = time.perf_counter()
    process = psutil.Popen([*RADBOOK, *arguments], stdout=subprocess.DEVNULL)
    memory, processor = {}, {}
    watch = threading.Thread(target=_watch, args=(process, memory, processor), daemon=True)
    watch.start()
    status = process.wait()
    seconds = time.perf_counter() - started
    assert status == 0
    used = sum(processor.values())
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(used, 1),
        "cores_used": round(used / seconds, 2),
        "peak_process_mb": round(max(memory.values()) / 2**20),
    }


def _watch(process: psutil.Process, memory: dict, processor: dict) -> None:
    """Largest memory and last known processor seconds of a process and all that it starts."""
    while process.is_running():
        for member in _family(process):
            try:
                key, times = (member.pid, member.create_time()), member.cpu_times()
                memory[key] = max(memory.get(key, 0), member.memory_info().rss)
                processor[key] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        time.sleep(_LOOK_SECONDS)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def yardstick(folder: Path) -> float:
    """Processor seconds of PyRadiomics' command line for one virtual patient, the first left out."""
    patients = write_patients(folder, YARDSTICK_PATIENTS + 1, None)
    rows = take_turns(folder, patients, {COMMAND: (KINDS[COMMAND], sys.executable)})
    return float(rows.loc[rows["patient"] != patients[0], "core_seconds"].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--workers", default="0")
    chosen = parser.parse_args()
    cases = {
        "nothing computed before": [],
        "nothing changed": [],
        "a parameter of 08 changed": ["--from", "08", "-p", "08.threshold_step=0.02"],
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = ["run", "--no-preview", chosen.study, "--workers", chosen.workers]
        run += ["--run-dir", str(Path(folder) / "run")]
        before = yardstick(Path(folder) / "before")
        for case, options in cases.items():
            rows.append({"case": case} | timed([*run, *options]) | circumstances())
            print(json.dumps(rows[-1]), flush=True)
        patient = (before + yardstick(Path(folder) / "after")) / 2
        for row in rows:
            row["pyradiomics_patients"] = round(row["processor_seconds"] / patient, 1)
        print(json.dumps({"pyradiomics_seconds": round(patient, 2), "before": round(before, 2)}))
        record = json.loads((Path(folder) / "run" / "run.json").read_text(encoding="utf-8"))
    print(json.dumps({name: entry["seconds"] for name, entry in record["notebooks"].items()}))
    if load_study(chosen.study).name == "virtual":
        with replacing(RESULTS) as path:
            pd.DataFrame(rows).to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
