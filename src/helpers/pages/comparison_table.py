"""The table of chapter 13 as HTML: every printed number beside the computed one."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import itables
import pandas as pd

from helpers.paper.comparison import AGREES, BUILT_IN, DIFFERS, INSIDE, OVERLAPS, ROUNDED
from helpers.paper.publication import in_words
from helpers.study.cohorts import cohort_title

_GREEN, _ORANGE, _GREY = "#cfe8dc", "#f7d9c4", "#e4e4e4"
COLOURS = {BUILT_IN: _GREY, DIFFERS: _ORANGE, **dict.fromkeys([ROUNDED, INSIDE, AGREES, OVERLAPS], _GREEN)}
_CSS = """.paper-table { overflow-x: auto; font-size: 0.75rem; }
.paper-table table.dataTable td, .paper-table table.dataTable th { padding: 0.25rem 0.3rem; }
.paper-table td:last-child { min-width: 9rem; }"""


def table_html(table: pd.DataFrame) -> str:
    """The table as a page shows it: plain HTML, which a script makes sortable, searchable and filterable.

    Without scripts the whole table is there. The script (DataTables, as itables brings it) is part of the
    page, so that nothing is loaded from elsewhere.
    """
    shown = table.drop(columns="chapter").rename(columns={"item": "place", "cohort": "set"})
    shown["set"], shown["metric"] = shown["set"].map(cohort_title), shown["metric"].map(in_words)
    styler = shown.style.hide().format({"difference": _signed}, na_rep="", escape="html")
    html = styler.map(_colour, subset="status").to_html(table_uuid="paper")
    filtered = [shown.columns.get_loc(name) for name in ("place", "figure", "set", "metric", "status")]
    settings = {
        "pageLength": 25,
        "order": [],
        "autoWidth": False,
        "columnDefs": [{"targets": filtered, "columnControl": [["searchList"]]}],
    }
    bundle = Path(itables.options.dt_bundle)
    style = bundle.with_suffix(".css").read_text(encoding="utf-8")
    module = base64.b64encode(bundle.read_bytes()).decode()
    return (
        f'<div class="paper-table">{html}</div><style>{style}\n{_CSS}</style>'
        f'<script type="module">const library = await import("data:text/javascript;base64,{module}");'
        f'new library.ITable(document.getElementById("T_paper"), {json.dumps(settings)});</script>'
    )


def _signed(difference: float) -> str:
    return "0" if difference == 0 else f"{difference:+.6g}"


def _colour(status: str) -> str:
    return f"background-color: {COLOURS[status]}; color: #1a1a1a" if status in COLOURS else ""
