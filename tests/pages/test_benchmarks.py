"""Protects the page on speed: its numbers are those that the scripts measured, with machine and day."""

import pandas as pd

from helpers.pages import benchmarks
from helpers.pages.benchmarks import RESULTS


def test_page_shows_what_was_measured_and_on_what():
    table = pd.read_csv(RESULTS / "extraction.csv")
    page = benchmarks.staged_files(None)["benchmarks/extraction.md"].decode()
    assert table["machine"].iloc[0] in page
    assert table["day"].iloc[0] in page
    for row in table.itertuples():
        assert f"- {row.engine}\n  - {row.core_seconds:.2f}\n" in page
        assert f"  - {row.ratio:.1f}\n  - {row.equal} of {row.compared}" in page


def test_what_was_not_measured_is_not_shown(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path)
    assert benchmarks.staged_files(None)["benchmarks/scale.md"] == b"_Not measured yet._\n"
