"""Checklists are complete and their links exist; METRICS is scored as its authors score it."""

import json
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from reported_run import REAL, reported_run

from helpers.pages import checklists, designs
from helpers.pages.checklists import ANSWERS, CHECKLISTS, JUDGED
from helpers.study.places import REPOSITORY
from helpers.study.study_file import load_study

# Table 1 of the METRICS article (four digits), as far as it could be looked up: items 1 to 23.
PRINTED = [0.0368, 0.0735, 0.0919, 0.0438, 0.0292, 0.0438, 0.0292, 0.0337, 0.0225, 0.0112, 0.0622, 0.0311]
PRINTED += [0.0415, 0.0200, 0.0200, 0.0300, 0.0200, 0.0599, 0.0300, 0.0352, 0.0234, 0.0176, 0.0117]
# The authors' calculator, version 1.0, items 24 to 30.
CALCULATOR = [0.029, 0.018, 0.037, 0.075, 0.007, 0.007, 0.007]


@pytest.fixture
def make_run(tmp_path):
    return partial(reported_run, tmp_path)


@pytest.mark.parametrize(
    ("name", "items", "parts"), [("tripod_ai", 27, 52), ("clear", 58, 58), ("metrics", 30, 30)]
)
def test_every_item_is_answered_once(name, items, parts):
    table = checklists.read_checklist(name)
    numbers = table["number"].str.extract(r"^(\d+)[a-z]?$")[0].astype(int)
    assert len(table) == parts
    assert table["number"].is_unique
    assert numbers.is_monotonic_increasing
    assert sorted(set(numbers)) == list(range(1, items + 1))
    assert table["here"].isin(ANSWERS).all()
    assert table["paper"].isin(ANSWERS).all()
    assert (table[["section", "item", "what", "where_in_paper"]] != "").all(axis=None)


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_link_leads_to_a_page_of_the_book_and_a_heading_on_it(name):
    toc = yaml.safe_load((REPOSITORY / "_toc.yml").read_text())
    pages = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]} | {toc["root"]}
    table = checklists.read_checklist(name)
    for place in set(table["link"]) - {""}:
        page, _, heading = place.partition("#")
        file = page if page.startswith("notebooks/") else f"book/{page}"
        assert file in pages, f"{name}: {place}"
        assert not heading or heading in slugs(file), f"{name}: {place}"
    without = table[(table["link"] == "") & (table["here"] == "yes")]
    assert without.empty, "a yes says where"


def slugs(file):
    """Headings of a page as GitHub writes them in addresses."""
    path = REPOSITORY / file
    if file.startswith("notebooks/"):
        cells = json.loads(path.with_suffix(".ipynb").read_text())["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    else:
        text = path.with_suffix(".md").read_text()
    text = designs.words(text, load_study(REPOSITORY / "data" / "studies" / "virtual.yml"))
    headings = re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_weights_of_metrics_are_the_published_ones():
    weights = checklists.read_checklist("metrics")["weight"].to_numpy()
    np.testing.assert_allclose(weights[:23], PRINTED, atol=0.00051)
    np.testing.assert_array_equal(weights[23:], CALCULATOR)
    assert weights.sum() == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("judged", JUDGED)
def test_an_item_of_metrics_applies_when_all_its_conditions_do(judged):
    items, conditions = checklists.read_checklist("metrics"), checklists.read_conditions()
    applies = [
        all(conditions.loc[c, judged] == "yes" for c in needed.split()) for needed in items["conditions"]
    ]
    np.testing.assert_array_equal(items[judged] != "not applicable", applies)
    # As the calculator links them.
    linked = {"8": "1", "9": "1 2", "10": "1", "12": "3", "14": "4", "15": "4", "16": "4", "17": "5"}
    found = items.set_index("number")["conditions"]
    assert found[found != ""].to_dict() == linked


def test_metrics_score_by_hand():
    weights = pd.Series([0.2, 0.3, 0.1, 0.4])
    answers = pd.Series(["yes", "no", "not applicable", "yes"])
    assert checklists.metrics_score(weights, answers) == pytest.approx((0.2 + 0.4) / 0.9)
    with pytest.raises(ValueError, match="partly"):
        checklists.metrics_score(weights, pd.Series(["yes", "partly", "no", "no"]))


@given(
    st.lists(st.sampled_from(["yes", "no", "not applicable"]), min_size=30, max_size=30).filter(
        lambda answers: set(answers) != {"not applicable"}
    )
)
def test_metrics_score_as_the_authors_calculator_adds_it_up(answers):
    """Its loop: yes adds to score and counter, no to the counter alone, a blank item to neither."""
    weights = checklists.read_checklist("metrics")["weight"]
    score = counter = 0
    for weight, answer in zip(weights, answers, strict=True):
        score += weight if answer == "yes" else 0
        counter += weight if answer in ("yes", "no") else 0
    assert checklists.metrics_score(weights, pd.Series(answers)) == pytest.approx(score / counter)


def test_pages_show_answers_and_links_and_say_which_chapter_is_not_run(make_run):
    pages = checklists.staged_files(make_run())
    metrics = pages["reporting/metrics.md"].decode()
    assert metrics.count("* - ") == 30 + 5 + 10  # items, conditions, and a head for each section and them
    assert "[](/notebooks/06_nomogram.ipynb#figure-7-calibration)" in metrics
    assert "(Chapter 10 has not been run yet.)" in metrics
    assert "10_strict_validation.ipynb" not in metrics
    assert "not of the study" not in metrics


def test_a_hospitals_book_says_that_the_answers_are_not_its_own(make_run):
    pages = checklists.staged_files(make_run(REAL))
    for name in ("summary", "tripod_ai", "clear", "metrics"):
        assert "not of the study “St. Anywhere”" in pages[f"reporting/{name}.md"].decode()


def test_a_page_that_no_longer_exists_stays_a_link_for_sphinx_to_find():
    assert checklists._link("notebooks/99_gone#there", set()) == " → [](/notebooks/99_gone.ipynb#there)"
