"""The model card shows the frozen bundle and the shared tables, and what is hidden stays hidden."""

from functools import partial

import pytest
from reported_run import REAL, reported_run

from helpers.pages import model_card


@pytest.fixture
def make_run(tmp_path):
    return partial(reported_run, tmp_path)


def test_model_card_shows_bundle_and_shared_tables(make_run):
    card = model_card.page(make_run(REAL))
    for text in (
        "412 patients of this study",
        "0.875 (0.828 to 0.922)",
        "-0.875",
        "128.2",
        "31.5",
        "binWidth: 25",
    ):
        assert text in card
    for text in (
        "nomogram 0.438",
        "age",
        "0.0475",
        "pyradiomics-bhklab 3.1.4",
        "DXA T-score at or below -2.5",
    ):
        assert text in card
    assert "  - \\<10 (hidden)\n  - –\n" in card, "what the shared table hides stays hidden"
    assert "1.000 (no interval)" in card
    assert card.count("Not computed in this run yet") == 2, "calibration and subgroups"


def test_model_card_without_a_sound_bundle_says_so(make_run):
    run = make_run()
    (run.bundle / "model.json").write_text("{}")
    assert "is not the file that was frozen" in model_card.page(run)
    (run.bundle / "manifest.json").unlink()
    assert model_card.staged_files(run) == {}
