"""Time the main command: empty cache, nothing changed, a parameter of 08 changed; peak memory of a process.

    .venv/bin/python benchmarks/whole_book.py data/studies/virtual.yml --workers 2

Prints one JSON object a line, at the end the seconds of each notebook when it was last executed. The times of
the default study go to data/benchmarks/whole_book.csv, for the book's page. Machines differ: name the machine
with any number quoted.
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
from machine import circumstances

from helpers.study.places import REPOSITORY, replacing
from helpers.study.study_file import load_study

RESULTS = REPOSITORY / "data" / "benchmarks" / "whole_book.csv"
RADBOOK = [sys.executable, "-m", "helpers.cli"]


def timed(arguments: list[str]) -> dict:
    """Wall seconds of a command, and the largest resident memory (MB) of any one of its processes."""
    started = time.perf_counter()
    process = psutil.Popen([*RADBOOK, *arguments], stdout=subprocess.DEVNULL)
    peak = [0]
    watch = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watch.start()
    status = process.wait()
    seconds = time.perf_counter() - started
    assert status == 0
    return {"seconds": round(seconds, 1), "peak_process_mb": round(peak[0] / 2**20)}


def _watch(process: psutil.Process, peak: list[int]) -> None:
    while process.is_running():
        try:
            family = [process, *process.children(recursive=True)]
            peak[0] = max([peak[0], *(member.memory_info().rss for member in family)])
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.2)


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
        run = ["run", chosen.study, "--workers", chosen.workers, "--run-dir", str(Path(folder) / "run")]
        for case, options in cases.items():
            rows.append({"case": case} | timed([*run, *options]) | circumstances())
            print(json.dumps(rows[-1]), flush=True)
        record = json.loads((Path(folder) / "run" / "run.json").read_text(encoding="utf-8"))
    print(json.dumps({name: entry["seconds"] for name, entry in record["notebooks"].items()}))
    if load_study(chosen.study).name == "virtual":
        with replacing(RESULTS) as path:
            pd.DataFrame(rows).to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
