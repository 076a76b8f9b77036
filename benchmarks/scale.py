"""Time and memory of 100, 863 and 5000 virtual patients, and of one large chest CT read from DICOM.

    .venv/bin/python benchmarks/scale.py                         # 100 and 863 patients, chest CT
    .venv/bin/python benchmarks/scale.py --patients 5000 --no-chest

Patients are simulated, preprocessed and measured with an empty cache, in blocks of 50. Each finished block is
noted in runs/scale: started again, an interrupted measurement goes on with the next block. The chest CT is a
virtual patient in 512 x 512 x 600 voxels, as DICOM slices. Memory is the largest resident set of a process.
Rows go to data/benchmarks/scale.csv, where they replace older ones of the same size, and the book's figure is
drawn from there. 5000 patients are about an hour of two cores.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from engines import peak_mb
from extraction import Engine, write_patients
from joblib import Parallel, cpu_count, delayed
from machine import circumstances

from helpers.features.cases import Case
from helpers.features.extraction import features_table
from helpers.imaging.sources import image_sources
from helpers.plots.style import use_style
from helpers.study.places import REPOSITORY, replacing
from helpers.study.run_folder import Run
from helpers.study.study_file import load_study

STUDY = load_study(REPOSITORY / "data" / "studies" / "virtual.yml")
RESULTS = REPOSITORY / "data" / "benchmarks" / "scale.csv"
FIGURE = REPOSITORY / "book" / "_static" / "scale.svg"
WORK = REPOSITORY / "runs" / "scale"
CHEST, BLOCK = (512, 512, 600), 50


def hospital(patients: int) -> tuple[Run, list[Case]]:
    """A run of one virtual hospital with so many patients."""
    site = STUDY.sites[0]
    site = site.model_copy(update={"virtual": site.virtual.model_copy(update={"patients": patients})})
    run = Run(STUDY.model_copy(update={"sites": [site]}), WORK / str(patients))
    screened = image_sources(run)[site.name].hospital.screened()
    return run, [Case(name, site.name) for name in screened.query("allocation != ''")["patient_id"]]


def time_patients(patients: int, workers: int) -> dict:
    """Seconds and memory of a virtual hospital; goes on where it was interrupted."""
    run, cases = hospital(patients)
    noted = run.folder / "blocks.csv"
    blocks = pd.read_csv(noted).to_dict("records") if noted.is_file() else []
    parts = [cases[first : first + BLOCK] for first in range(0, patients, BLOCK)]
    for part in [*parts, cases][len(blocks) :]:  # at the end the table of all, from the cache
        started = time.perf_counter()
        features_table(run, part, workers)
        seconds = time.perf_counter() - started
        peaks = Parallel(n_jobs=workers)(delayed(peak_mb)() for _ in range(8 * workers))
        blocks.append({"seconds": seconds, "worker_mb": max(peaks), "main_mb": peak_mb()})
        with replacing(noted) as path:
            pd.DataFrame(blocks).to_csv(path, index=False)
    shutil.rmtree(run.folder)
    table = pd.DataFrame(blocks)
    memory = table[["worker_mb", "main_mb"]].max().round()
    return {
        "kind": "virtual patients",
        "patients": patients,
        "seconds": table["seconds"].sum().round(1),
        **memory,
    }


def time_chest_ct() -> dict:
    """Seconds and memory of one large CT, read from DICOM with all checks, the second time round."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "patients"
        (patient,) = write_patients(folder, 1, CHEST)
        engine = Engine("radbook_dicom", sys.executable, folder)
        engine(patient)
        answer = engine(patient)
    size = " x ".join(map(str, CHEST))
    row = {"kind": f"chest CT, {size}, DICOM", "patients": 1, "seconds": round(answer["seconds"], 1)}
    return row | {"worker_mb": round(answer["peak_mb"]), "main_mb": None}


def keep(row: dict, workers: int) -> None:
    """Add a row to the results, in place of an older one of the same size."""
    row |= {"workers": workers, **circumstances()}
    old = pd.read_csv(RESULTS) if RESULTS.is_file() else pd.DataFrame(columns=list(row))
    same = (old["kind"] == row["kind"]) & (old["patients"] == row["patients"])
    table = pd.concat([old[~same], pd.DataFrame([row])]).sort_values(["kind", "patients"])
    RESULTS.parent.mkdir(exist_ok=True)
    with replacing(RESULTS) as path:
        table.to_csv(path, index=False, lineterminator="\n")


def draw() -> None:
    """Time and memory against the number of patients, both axes logarithmic."""
    table = pd.read_csv(RESULTS).query("kind == 'virtual patients'")
    use_style()
    figure, (time_axes, memory_axes) = plt.subplots(2, 1, figsize=(4.2, 5.2))
    ends = np.array([table["patients"].min() / 2, table["patients"].max() * 2])
    pace = (table["seconds"] / table["patients"]).median() / 60
    time_axes.loglog(ends, ends * pace, "--", color="#777777", label="in proportion")
    time_axes.plot(table["patients"], table["seconds"] / 60, "o", color="#0072B2", label="measured")
    time_axes.set(xlabel="Virtual patients", ylabel="Minutes", xlim=ends)
    time_axes.legend()
    for column, name, colour in (
        ("worker_mb", "a worker", "#D55E00"),
        ("main_mb", "main process", "#009E73"),
    ):
        memory_axes.loglog(table["patients"], table[column], "o-", color=colour, label=name)
    memory_axes.set(xlabel="Virtual patients", ylabel="Largest memory (MB)", xlim=ends, ylim=(100, 3000))
    memory_axes.legend()
    for axes in (time_axes, memory_axes):
        axes.set_xticks(table["patients"], minor=False)
        axes.set_xticks([], minor=True)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    with replacing(FIGURE) as path:
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="*", default=[100, 863])
    parser.add_argument("--no-chest", action="store_true", help="leave out the chest CT")
    parser.add_argument("--workers", type=int, default=cpu_count(), help="processes")
    chosen = parser.parse_args()
    for patients in chosen.patients:
        keep(time_patients(patients, chosen.workers), chosen.workers)
        draw()
    if not chosen.no_chest:  # last, since writing it takes memory of this process
        keep(time_chest_ct(), 1)
    print(pd.read_csv(RESULTS).to_string(index=False))


if __name__ == "__main__":
    main()
