"""What the notebooks' metadata offer for download is what a run writes: a forgotten table or figure fails."""

from collections import Counter

import pytest

from helpers.pages import downloads
from helpers.study.places import STEPS

# With images the flow chart is finished in 03, with ready features in 01: both offer it.
OFFERED_TWICE = {"tables": {"flow_chart"}, "figures": {"figure_1"}}
# Of studies that are split by site, or not of the paper's design.
OF_OTHER_STUDIES = {"strict_hospitals_radiomics", "strict_hospitals_nomogram", "strict_usual_beside"}


@pytest.mark.parametrize(("kind", "ending"), [("tables", "csv"), ("figures", "svg")])
def test_every_chapter_offers_what_it_has_written(finished, kind, ending):
    files = sorted((finished.folder / "share" / kind).glob(f"*.{ending}"))
    forgotten = [
        path.stem for path in files if path.stem not in downloads.offered(writer(finished, path))[kind]
    ]
    assert forgotten == []
    times = Counter(name for step in STEPS.values() for name in downloads.offered(step)[kind])
    assert set(times) - OF_OTHER_STUDIES == {path.stem for path in files}
    assert {name for name, count in times.items() if count > 1} == OFFERED_TWICE[kind]


def writer(run, path):
    """The chapter that wrote a file as it is: the last of those that did, by the ledger."""
    return STEPS[max(run.ledger.entries()[run.place(path)].settings)]


def test_no_file_of_a_finished_run_stands_among_the_others(finished):
    page = downloads.page(finished)
    assert "* - Others" not in page
    assert "{download}`table_5 <share/tables/table_5.csv>`" in page
