"""The tables of the book's page on speed and memory, from what benchmarks/ wrote to data/benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from helpers.pages.markdown import list_table
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run

RESULTS = REPOSITORY / "data" / "benchmarks"
SIZES = {"virtual": "Virtual patients", "full-size": "CT of 512 x 512 x 200"}


def staged_files(run: Run) -> dict[str, bytes]:
    """What the page includes, by name in the book's sources; the same for every run."""
    pages = {"extraction": _extraction, "scale": _scale, "whole_book": _whole_book}
    return {f"benchmarks/{name}.md": _page(RESULTS / f"{name}.csv", make) for name, make in pages.items()}


def _page(path: Path, make: Callable[[pd.DataFrame], str]) -> bytes:
    return (make(pd.read_csv(path)) if path.is_file() else "_Not measured yet._\n").encode()


def _extraction(table: pd.DataFrame) -> str:
    """Engines by size of the images."""
    head = ["Engine", "Seconds", "Patients a minute and core", "Memory", "Times as fast", "Equal features"]
    parts = [_measured_on(table)]
    for size, rows in table.groupby("size", sort=False):
        cells = [
            [
                row.engine,
                f"{row.core_seconds:.2f}",
                f"{row.per_minute_and_core:.0f}",
                f"{row.peak_mb:.0f} MB",
                f"{row.ratio:.1f}",
                f"{row.equal} of {row.compared}{_largest(row.largest_difference)}",
            ]
            for row in rows.itertuples()
        ]
        parts += [f"**{SIZES[size]}** ({rows['patients'].iloc[0]} patients)\n"]
        parts += [list_table([head, *cells], "26 12 16 14 14 18", "table")]
    return "\n".join(parts)


def _largest(difference: float) -> str:
    return f" (differences up to {difference:.0e})" if 0 < difference < 1e-6 else ""


def _scale(table: pd.DataFrame) -> str:
    """Time and memory by number of patients."""
    head = ["What", "Patients", "Time", "Seconds a patient", "Memory of a worker", "Of the main process"]
    cells = [
        [
            row.kind,
            str(row.patients),
            f"{row.seconds / 60:.1f} min" if row.seconds >= 60 else f"{row.seconds:.1f} s",
            f"{row.seconds / row.patients:.2f}",
            f"{row.worker_mb:.0f} MB",
            "–" if pd.isna(row.main_mb) else f"{row.main_mb:.0f} MB",
        ]
        for row in table.itertuples()
    ]
    return "\n".join([_measured_on(table), list_table([head, *cells], "30 10 14 14 16 16", "table")])


def _whole_book(table: pd.DataFrame) -> str:
    """Time of the main command, by what there was to do."""
    cells = [
        [row.case, f"{row.seconds:.0f} s", f"{row.peak_process_mb:.0f} MB"] for row in table.itertuples()
    ]
    head = ["863 virtual patients", "Time", "Largest process"]
    return "\n".join([_measured_on(table), list_table([head, *cells], "60 20 20", "table")])


def _measured_on(table: pd.DataFrame) -> str:
    machines = " and ".join(table["machine"].unique())
    days = " and ".join(table["day"].unique())
    loads = " to ".join(f"{load:.1f}" for load in sorted({table["load"].min(), table["load"].max()}))
    return (
        f"Measured on {machines}, {days}; at the time {loads} processes wanted a core, those of the "
        "measurement included.\n"
    )
