"""The page of all printed numbers is whole without scripts and loads nothing from elsewhere."""

import re

import pytest

from helpers.pages import comparison_table
from helpers.paper import comparison, publication
from helpers.paper.reported import REPORTED_VALUES
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run
from helpers.study.study_file import load_study

TINY = REPOSITORY / "tests" / "data" / "tiny.yml"


@pytest.fixture(scope="module")
def paper() -> publication.Publication:
    return publication.read_publication(REPORTED_VALUES, REPOSITORY / "data" / "paper" / "design.yml")


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(load_study(TINY), tmp_path)


def test_the_page_holds_the_whole_table_without_scripts_and_loads_nothing(run, paper):
    table = comparison.compare_with_paper(run, paper)
    html = comparison_table.table_html(table)
    static = html.partition("<script")[0]
    assert static.count("<tr>") == len(table) + 1
    assert "&lt;0.001" in static
    assert ">External validation<" in static and ">DeLong P<" in static and "delong_p" not in static
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", html)
    assert html == comparison_table.table_html(table)
