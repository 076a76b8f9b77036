"""What the notebooks' metadata offer for download is what a run writes: a forgotten table or figure fails here."""

import json
from collections import Counter

import pytest

from helpers.pages import downloads
from helpers.study.places import REPOSITORY, STEPS

# With images the flow chart is finished in 03, with ready features in 01: both may write it.
WRITTEN_IN_TWO = {"tables": {"flow_chart"}, "figures": {"figure_1"}}


@pytest.mark.parametrize(("kind", "ending"), [("tables", "csv"), ("figures", "svg")])
def test_chapters_offer_what_a_finished_run_has_written(finished, kind, ending):
    written = {path.stem for path in (finished.folder / "share" / kind).glob(f"*.{ending}")}
    times = Counter(name for step in STEPS.values() for name in downloads.offered(step)[kind])
    assert set(times) == written
    assert {name for name, count in times.items() if count > 1} == WRITTEN_IN_TWO[kind]


@pytest.mark.parametrize("step", STEPS.values())
def test_a_chapter_names_in_its_code_what_it_offers(step):
    """So that a table which moves to another chapter is offered there."""
    notebook = json.loads((REPOSITORY / "notebooks" / f"{step}.ipynb").read_text(encoding="utf-8"))
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    names = [name for listed in downloads.offered(step).values() for name in listed]
    assert [name for name in names if f'"{name}"' not in code] == []


def test_no_shared_file_of_a_finished_run_stands_among_the_others(finished):
    page = downloads.page(finished)
    assert "* - Others" not in page
    assert "{download}`table_5 <share/tables/table_5.csv>`" in page
