"""The page of `radbook check`: one file that needs no other, readable on a phone."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pandas as pd

from helpers.commands.check import Report, verdict
from helpers.features.quality import layer_column
from helpers.imaging.regions import LAYERS
from helpers.pages.rendering import rendered
from helpers.plots.region_views import Picture
from helpers.plots.regions import LAYER_COLOURS
from helpers.study.cohorts import cohort_title
from helpers.study.places import replacing
from helpers.study.run_folder import Run


def write_page(report: Report, run: Run) -> Path:
    """Write the report as one page that needs no other file; returns its path."""
    page = rendered(
        "check.html",
        study=report.study,
        problems=report.problems,
        verdict=verdict(report),
        state=("go", "stop", "", "careful")[report.exit_status],
        remarks=report.remarks,
        counts=report.counts,
        flow=report.flow,
        tally=report.people["status"].value_counts().to_dict(),
        colours=list(zip(LAYERS.values(), LAYER_COLOURS, strict=True)),
        cards=[_card(row, report.pictures) for row in report.people.to_dict("records")],
    )
    with replacing(run.check_page) as path:
        path.write_text(page, encoding="utf-8")
    return run.check_page


def _card(row: dict, pictures: dict[str, list[Picture]]) -> dict:
    """What the page shows of one patient."""
    known = {name: value for name, value in row.items() if isinstance(value, str) or pd.notna(value)}
    layers = [
        (name, known[layer_column("volume", layer)], known[layer_column("hu", layer)])
        for layer, name in LAYERS.items()
        if layer_column("hu", layer) in known
    ]
    acquisition = [known[name] for name in ("scanner", "kernel", "contrast") if known.get(name)]
    acquisition += [f"{known['kvp']:.0f} kV"] if "kvp" in known else []
    spacing = [f"{known[f'spacing_{axis}']:.2f}" for axis in "xyz" if f"spacing_{axis}" in known]
    return known | {
        "cohort": cohort_title(row["cohort"]),
        "reason": _reason(row),
        "layers": layers,
        "acquisition": ", ".join(acquisition),
        "spacing": " x ".join(spacing),
        "pictures": [
            (one.title, *one.size, base64.b64encode(one.content).decode())
            for one in pictures.get(row["patient_id"], [])
        ],
    }


def _reason(row: dict) -> str:
    """The whole reason; the patient is named above."""
    return re.sub(rf"^{re.escape(row['patient_id'])}[:,] ", "", row["reason"])
