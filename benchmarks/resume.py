"""Kill whole runs at random moments, resume, and compare every result with that of an undisturbed run.

    .venv/bin/python benchmarks/resume.py --kills 20

Runs the tests' tiny study (26 virtual patients, all notebooks, two workers). All processes of a run are ended
at once with SIGKILL, as by a power cut, after a random time; the next one begins in the folder that is left.
Prints one JSON object: at which notebook the runs were killed and whether the results are the same bytes.
Some minutes of two cores; the kills come from the seed, the moments also from the machine.
"""

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from helpers.study.places import REPOSITORY

STUDY = REPOSITORY / "tests" / "data" / "tiny.yml"


def start(folder: Path, workers: int) -> subprocess.Popen:
    """Begin a run, or go on with it."""
    command = [
        sys.executable,
        "-m",
        "helpers.cli",
        "run",
        "--no-preview",
        str(STUDY),
        "--run-dir",
        str(folder),
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*command, "--workers", str(workers)], **quiet)


def cut_power(run: subprocess.Popen) -> None:
    """End a run with its kernels and workers, which have sessions of their own."""
    family = psutil.Process(run.pid).children(recursive=True)
    for process in [run, *family]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    run.wait()


def results(folder: Path) -> dict[str, bytes]:
    """Patient-level tables, the frozen model and all shared tables, by name."""
    patterns = ("private/*.parquet", "private/bundle/*", "share/tables/*.csv")
    files = (path for pattern in patterns for path in sorted(folder.glob(pattern)) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def stage(folder: Path) -> str:
    """The last notebook that was finished."""
    record = folder / "run.json"
    done = json.loads(record.read_text(encoding="utf-8"))["notebooks"] if record.is_file() else {}
    return max((name for name in done if name[:2].isdigit()), default="none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    moments = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as temporary:
        undisturbed, killed = Path(temporary) / "undisturbed", Path(temporary) / "killed"
        started = time.perf_counter()
        assert start(undisturbed, chosen.workers).wait() == 0
        whole = time.perf_counter() - started
        stages = Counter()
        for _ in range(chosen.kills):
            run = start(killed, chosen.workers)
            try:
                run.wait(timeout=moments.uniform(0, whole / 4))
            except subprocess.TimeoutExpired:
                cut_power(run)
                stages[stage(killed)] += 1
        assert start(killed, chosen.workers).wait() == 0
        before, after = results(undisturbed), results(killed)
        different = sorted(name for name in before.keys() | after if before.get(name) != after.get(name))
    print(json.dumps({"killed_after": stages, "files": len(before), "different": different}, indent=1))
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
