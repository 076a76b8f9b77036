"""Tables of the pages on speed, memory, damage and points, from what benchmarks/ wrote to data/benchmarks."""

from __future__ import annotations

import pandas as pd

from helpers.pages.rendering import rendered
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run

RESULTS = REPOSITORY / "data" / "benchmarks"
TABLES = ("extraction", "scale", "whole_book", "damage", "points", "hard_bodies")


def staged_files(run: Run) -> dict[str, bytes]:
    """What the page includes, by name in the book's sources; the same for every run."""
    return {f"benchmarks/{name}.md": _page(name) for name in TABLES}


def _page(name: str) -> bytes:
    path = RESULTS / f"{name}.csv"
    rows = pd.read_csv(path).to_dict("records") if path.is_file() else []
    return rendered(f"benchmarks_{name}.md", rows=rows).encode()
