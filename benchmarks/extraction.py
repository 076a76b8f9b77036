"""Time feature extraction: this project, PyRadiomics' command line, PyRadiomics' library, other engines.

    .venv/bin/python benchmarks/extraction.py --json
    .venv/bin/python benchmarks/extraction.py --save \\
        --peer pyradiomics-cuda=library:OTHER/bin/python --peer flash-radiomics=flash:ANOTHER/bin/python

Every engine reads the same NIfTI files of the same virtual patients: as they are (about 200 x 180 x 150
voxels), and set into a full-size CT of 512 x 512 x 200; two rows also read it compressed and from DICOM. Each
engine is a process with one thread; they take turns patient by patient, so that whatever else the machine
does hits all alike. The first patient warms up and does not count. The ratio is the median over patients of
the time of PyRadiomics' command line, at its default settings (additionalInfo), to this project's: in seconds
of a core, which others' work disturbs least, and in seconds of the clock. `whole_commands` are seconds of
both commands for the virtual patients on all cores, start included: the better of two turns. Agreement is
with PyRadiomics' library, over all patients and 1688 features.
Peers are engines in other environments: NAME=KIND:PYTHON, the kind as in engines.py.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from engines import hospital
from machine import circumstances

from helpers.features.cases import Case
from helpers.features.extraction import features_table
from helpers.study.places import REPOSITORY, replacing
from helpers.study.pseudonyms import pseudonyms
from helpers.study.run_folder import Run
from helpers.virtual import VirtualSite
from helpers.virtual.export import write_series

SETTINGS = REPOSITORY / "data" / "extraction" / "paper.yml"
RESULTS = REPOSITORY / "data" / "benchmarks" / "extraction.csv"
HOSPITAL = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "development", 60, 20260428)
FULL_SIZE = (512, 512, 200)
OURS, COMMAND, LIBRARY = "radbook", "PyRadiomics command line", "PyRadiomics library"
KINDS = {OURS: "radbook", COMMAND: "command_line", LIBRARY: "library"}
THREADS = ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Not timed: their features have other names and, in part, other definitions, so that nothing can be compared.
OTHER_FEATURES = ("mirp 2.7.0", "nyxus 0.11.0", "numpyradiomics 0.0.5")


class Engine:
    """A server of engines.py."""

    def __init__(self, kind: str, python: str, folder: Path):
        command = [python, str(Path(__file__).with_name("engines.py")), kind, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        alone = os.environ | dict.fromkeys(THREADS, "1")
        self.process = subprocess.Popen(command, text=True, env=alone, **pipes)

    def __call__(self, patient: str) -> dict:
        """Seconds, core seconds, peak memory (MB) and features of one patient."""
        print(patient, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def write_patients(folder: Path, patients: int, size: tuple | None) -> list[str]:
    """Write scans and masks of virtual patients, if asked for in a large CT; returns their numbers."""
    folder.mkdir()
    (folder / "settings.yml").write_bytes(SETTINGS.read_bytes())
    people = HOSPITAL.screened().query("allocation != ''").set_index("patient_id").iloc[:patients]
    for patient, person in people.iterrows():
        image, layers = HOSPITAL.acquire(patient)
        if size:
            lower = (np.array(size) - image.GetSize()) // 2
            upper = np.array(size) - image.GetSize() - lower
            image = sitk.WrapPad(image, lower.tolist(), upper.tolist())
            layers = sitk.ConstantPad(layers, lower.tolist(), upper.tolist())
            write_series(image, HOSPITAL.scanner(patient), person, HOSPITAL.seed, folder / patient)
        # PyRadiomics measures one label at a time, so its mask has the layers merged.
        files = {"ct.nii": image, "ct.nii.gz": image, "layers.nii": layers, "mask.nii": layers > 0}
        for name, volume in files.items():
            sitk.WriteImage(volume, str(folder / f"{patient}_{name}"))
    return people.index.tolist()


def take_turns(folder: Path, patients: list[str], kinds: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """Time every engine on every patient, one after the other; one row a patient and engine."""
    engines = {name: Engine(kind, python, folder) for name, (kind, python) in kinds.items()}
    rows = []
    for turn, patient in enumerate([patients[0], *patients]):
        first = turn % len(engines)
        for name in [*engines][first:] + [*engines][:first]:
            answer = engines[name](patient)
            if turn:
                rows.append({"patient": patient, "engine": name, **answer})
    for engine in engines.values():
        engine.process.stdin.close()
        engine.process.wait()
    return pd.DataFrame(rows)


def agreement(rows: pd.DataFrame) -> pd.DataFrame:
    """For each engine: how many features are equal at 1e-6 in all patients, and the largest difference."""
    values = {
        name: pd.DataFrame(list(group["features"])) for name, group in rows.groupby("engine", sort=False)
    }
    reference, found = values[LIBRARY], {}
    for name, table in values.items():
        a, b = table.reindex(columns=reference.columns).to_numpy(), reference.to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = np.where(a == b, 0.0, np.abs(a - b) / np.abs(b)).max(0)
        difference = np.where(np.isnan(difference), np.inf, difference)
        found[name] = {"compared": difference.size, "equal": int((difference <= 1e-6).sum())}
        found[name]["largest_difference"] = difference.max()
    return pd.DataFrame.from_dict(found, orient="index")


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an engine: median seconds, throughput of a core, memory, ratio, agreement."""
    grouped = rows.groupby("engine", sort=False)
    table = pd.DataFrame(
        {
            "patients": grouped.size(),
            "seconds": grouped["seconds"].median().round(3),
            "core_seconds": grouped["core_seconds"].median().round(3),
            "per_minute_and_core": (60 / grouped["core_seconds"].median()).round(1),
            "peak_mb": grouped["peak_mb"].max().round(),
            "ratio": _ratio(rows, "core_seconds"),
            "ratio_by_clock": _ratio(rows, "seconds"),
        }
    )
    return table.join(agreement(rows)).rename_axis("engine").reset_index()


def _ratio(rows: pd.DataFrame, column: str) -> pd.Series:
    """How many times as long as each engine PyRadiomics' command line takes: median over patients."""
    times = rows.pivot(index="patient", columns="engine", values=column)
    return times.rdiv(times[COMMAND], axis=0).median().round(2)


def whole_commands(folder: Path, patients: list[str]) -> dict[str, float]:
    """Seconds of both commands for all patients on all cores, start included: the better of two turns."""
    with open(folder / "batch.csv", "w", newline="") as file:
        rows = [[f"{patient}_ct.nii", f"{patient}_mask.nii"] for patient in patients]
        csv.writer(file, lineterminator="\n").writerows([["Image", "Mask"], *rows])
    theirs = [str(Path(sys.executable).with_name("pyradiomics")), str(folder / "batch.csv")]
    theirs += ["--param", str(folder / "settings.yml"), "--setting", "additionalInfo:1"]
    theirs += ["--jobs", str(os.cpu_count()), "--format", "csv", "--out", str(folder / "out.csv")]
    commands = {OURS: [sys.executable, __file__, "--cohort", str(folder), *patients], COMMAND: theirs}
    seconds = {name: [] for name in commands}
    for _ in range(2):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - started)
    return {name: round(min(values), 1) for name, values in seconds.items()}


def measure_cohort(folder: str, *patients: str) -> None:
    """This project's own way through a hospital's files, with an empty cache."""
    study = hospital(Path(folder))
    with tempfile.TemporaryDirectory() as run_dir:
        run = Run(study=study, folder=Path(run_dir))
        cases = [Case(name, "here") for name in pseudonyms(run, "here", list(patients))]
        features_table(run, cases, workers=0)


def compare(patients: int, size: tuple | None, peers: list[str]) -> tuple[pd.DataFrame, dict]:
    """All engines on patients of one size: a row an engine, and the seconds of the whole commands."""
    kinds = {name: (kind, sys.executable) for name, kind in KINDS.items()}
    if size:
        kinds[f"{OURS} from nii.gz"] = ("radbook_gz", sys.executable)
        kinds[f"{OURS} from DICOM"] = ("radbook_dicom", sys.executable)
    for peer in peers:
        name, _, kind_and_python = peer.partition("=")
        kinds[name] = tuple(kind_and_python.split(":", 1))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "patients"
        numbers = write_patients(folder, patients, size)
        table = summarise(take_turns(folder, numbers, kinds))
        return table, {} if size else whole_commands(folder, numbers)


def main() -> None:
    if sys.argv[1:2] == ["--cohort"]:
        return measure_cohort(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--virtual", type=int, default=20, help="patients as they are")
    parser.add_argument("--full-size", type=int, default=6, help="patients in a full-size CT")
    parser.add_argument("--peer", action="append", default=[], help="NAME=KIND:PYTHON, see above")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--save", action="store_true", help="keep the tables for the book")
    chosen = parser.parse_args()
    virtual, whole = compare(chosen.virtual, None, chosen.peer)
    full, _ = compare(chosen.full_size, FULL_SIZE, chosen.peer)
    table = pd.concat([virtual.assign(size="virtual"), full.assign(size="full-size")])
    table = table[["size", *virtual.columns]].assign(**circumstances())
    if chosen.save:
        RESULTS.parent.mkdir(exist_ok=True)
        with replacing(RESULTS) as path:
            table.to_csv(path, index=False, lineterminator="\n")
    print(as_json(table, whole) if chosen.json else as_text(table, whole))


def as_json(table: pd.DataFrame, whole: dict[str, float]) -> str:
    """The two ratios with their agreement first, then everything."""
    ours = table[table["engine"] == OURS].set_index("size")
    found = {
        "ratio_virtual": ours.loc["virtual", "ratio"],
        "ratio_full_size": ours.loc["full-size", "ratio"],
        "ratio_by_clock": ours["ratio_by_clock"].to_dict(),
        "largest_relative_difference": ours["largest_difference"].max(),
        "features_compared": int(ours["compared"].min()),
        "whole_commands_seconds": whole,
        "engines": json.loads(table.to_json(orient="records")),  # an infinite difference is null
        "other_features": OTHER_FEATURES,
    }
    return json.dumps(found, indent=1)


def as_text(table: pd.DataFrame, whole: dict[str, float]) -> str:
    """Tables for a terminal."""
    facts = list(circumstances())
    lines = [", ".join(f"{name} {table[name].iloc[0]}" for name in facts)]
    for size, rows in table.groupby("size", sort=False):
        lines += ["", f"{size}:", rows.drop(columns=["size", *facts]).to_string(index=False)]
    seconds = ", ".join(f"{name} {value} s" for name, value in whole.items())
    lines += ["", f"whole commands, all cores, start included, virtual patients: {seconds}"]
    return "\n".join([*lines, f"not timed, other features: {', '.join(OTHER_FEATURES)}"])


if __name__ == "__main__":
    main()
