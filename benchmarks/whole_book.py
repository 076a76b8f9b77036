"""Time the main command: empty cache, nothing changed, a parameter of 08 changed; peak memory of a process.

    .venv/bin/python benchmarks/whole_book.py data/studies/virtual.yml --workers 2

Prints one JSON object a line. Machines differ: compare ratios, and name the machine with any number quoted.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

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
    return {"seconds": round(seconds, 1), "peak_process_mb": round(peak[0] / 2**20), "status": status}


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
    with tempfile.TemporaryDirectory() as folder:
        run = ["run", chosen.study, "--workers", chosen.workers, "--run-dir", str(Path(folder) / "run")]
        machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        print(json.dumps({"study": chosen.study, "workers": chosen.workers, "machine": machine}))
        print(json.dumps({"case": "empty cache"} | timed(run)), flush=True)
        print(json.dumps({"case": "nothing changed"} | timed(run)), flush=True)
        changed = ["--from", "08", "-p", "08.threshold_step=0.02"]
        print(json.dumps({"case": "a parameter of 08 changed"} | timed([*run, *changed])), flush=True)
        done = json.loads((Path(folder) / "run" / "run.json").read_text(encoding="utf-8"))["notebooks"]
        print(json.dumps({name: entry["seconds"] for name, entry in done.items()}))


if __name__ == "__main__":
    main()
