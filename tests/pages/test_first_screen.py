"""The first screen: three pictures, each a door to its chapter, with the paper's number beside the run's."""

import re
from dataclasses import replace

import pytest

from helpers.pages.first_screen import first_screen
from helpers.study.study_file import Outcome


@pytest.fixture(scope="module")
def page(finished):
    return first_screen(finished)


def test_three_doors_with_a_picture_each(page):
    doors = re.findall(r"^:link: (\S+)$", page, re.MULTILINE)
    assert doors == ["/notebooks/02_preprocessing", "/nomogram_calculator", "/notebooks/06_nomogram"]
    assert page.count('role="img"') == 3


def test_the_external_auc_stands_beside_the_papers(finished, page):
    row = finished.read_table("table_5").query("model == 'nomogram' and cohort == 'external'").iloc[0]
    assert f'radbook-paper">the paper {row["paper_auc"]:.3f}</span>' in page
    assert f'radbook-computed">computed here {row["auc"]:.3f} (' in page


def test_a_question_of_its_own_shows_no_bone(finished):
    outcome = Outcome(name="relapse", positive="came back", negative="stayed well")
    own = replace(
        finished, study=finished.study.model_copy(update={"outcome": outcome, "region": "the liver"})
    )
    page = first_screen(own)
    assert "/notebooks/06_nomogram" in page
    assert "02_preprocessing" not in page and "cancellous" not in page


def test_a_run_that_has_made_nothing_has_no_doors(run):
    assert first_screen(run).strip() == ""
