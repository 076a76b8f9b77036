"""Checklists are complete and their links exist; METRICS is scored as its authors score it; what a reader
takes along is whole and the same for the same run; of a hospital's run it holds no patient and no model."""

import io
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from PIL import Image

from helpers.frozen import bundle
from helpers.frozen.bundle import CUTOFF_RULE, FORMAT, FROZEN
from helpers.pages import checklists, downloads, model_card
from helpers.pages.checklists import ANSWERS, CHECKLISTS, JUDGED
from helpers.plots.style import save_figure, use_style
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import open_run

# Table 1 of the METRICS article (four digits), as far as it could be looked up: items 1 to 23.
PRINTED = [0.0368, 0.0735, 0.0919, 0.0438, 0.0292, 0.0438, 0.0292, 0.0337, 0.0225, 0.0112, 0.0622, 0.0311]
PRINTED += [0.0415, 0.0200, 0.0200, 0.0300, 0.0200, 0.0599, 0.0300, 0.0352, 0.0234, 0.0176, 0.0117]
# The authors' calculator, version 1.0, items 24 to 30.
CALCULATOR = [0.029, 0.018, 0.037, 0.075, 0.007, 0.007, 0.007]
VIRTUAL = f"virtual: {{protocol: {REPOSITORY / 'data' / 'virtual' / 'protocol.yml'}, patients: 8}}"
REAL = "table: {path: t.csv}, images: 'ct/{patient_id}', masks: 'm/{patient_id}.nii'"
MODEL = {
    "format": FORMAT,
    "title": "Osteoporosis at St. Anywhere",
    "virtual": False,
    "seed": 5,
    "outcome": "DXA T-score at or below -2.5",
    "predictors": ["age"],
    "selection": {
        "features": ["original_firstorder_Mean"],
        "mean": [128.25],
        "sd": [31.5],
        "coefficients": [-0.875],
        "intercept": -0.5,
    },
    "radiomics": {"intercept": 0.0, "coefficients": [1.0]},
    "clinical": {"coefficients": {"Intercept": -4.5, "age": 0.0625}},
    "nomogram": {"coefficients": {"Intercept": -4.0, "age": 0.0475, "rad_score": 1.25}},
    "cutoffs": {"rule": CUTOFF_RULE, "clinical": 0.25, "radiomics": 0.375, "nomogram": 0.4375},
    "training": {"patients": 412},
    "engine": {"pyradiomics-bhklab": "3.1.4"},
    "libraries": {"numpy": "2.4.6"},
}


@pytest.fixture
def make_run(tmp_path):
    """A run folder of one hospital, with one table, one figure, its record and a frozen model."""

    def make(source=VIRTUAL):
        study = tmp_path / "study.yml"
        study.write_text(
            f"name: anywhere\ntitle: St. Anywhere\nseed: 5\nextraction: settings.yml\n"
            f"sites:\n  - {{name: Anywhere, role: development, {source}}}\n"
        )
        run = open_run(study, tmp_path / "run")
        run.table_path("table_5").write_text(
            "data,model,cohort,n,events,auc,ci_low,ci_high,sensitivity_strict,specificity_strict\n"
            "x,nomogram,external,263,117,0.8751,0.8284,0.9216,0.7519,0.8125\n"
            "x,nomogram,internal,<10,hidden,,,,,\n"
            "x,clinical,external,12,3,1.0,,,,\n"
        )
        for kind in ("svg", "png"):
            run.figure_path("figure_5", kind).write_bytes(b"picture")
        run.figure_path("figure_2", "svg", private=True).write_bytes(b"a patient")
        (run.notebooks / f"{STEPS['06']}.ipynb").write_text("{}")
        record = {"study": "anywhere", "study_file": "/home/dr-who/s.yml", "commit": "abc123", "seed": 5}
        record |= {"updated": "2026-04-28T10:11:12+00:00", "versions": {"numpy": "2.4.6"}}
        record["notebooks"] = {STEPS["06"]: {"status": "ok", "seconds": 19.4}}
        run.record.write_text(json.dumps(record))
        freeze(run)
        return run

    return make


def freeze(run):
    run.bundle.mkdir()
    (run.bundle / "extraction.yml").write_text("setting:\n  binWidth: 25\n")
    (run.bundle / "model.json").write_text(json.dumps(MODEL))
    sums = {name: bundle._sha256(run.bundle / name) for name in FROZEN}
    (run.bundle / "manifest.json").write_text(json.dumps({"sha256": sums}))


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
    for text in ("nomogram 0.438", "age", "0.0475", "pyradiomics-bhklab 3.1.4", MODEL["outcome"]):
        assert text in card
    assert "  - <10 (hidden)\n  - –\n" in card, "what the shared table hides stays hidden"
    assert "1.000 (no interval)" in card
    assert card.count("Not computed in this run yet") == 2, "calibration and subgroups"


def test_model_card_without_a_sound_bundle_says_so(make_run):
    run = make_run()
    (run.bundle / "model.json").write_text("{}")
    assert "is not the file that was frozen" in model_card.page(run)
    (run.bundle / "manifest.json").unlink()
    assert "has frozen no model" in model_card.page(run)


def test_archives_are_whole_and_the_same_each_time(make_run):
    run = make_run()
    first = downloads.archives(run)
    run.table_path("table_5").touch()
    assert downloads.archives(run) == first
    with zipfile.ZipFile(io.BytesIO(first["reporting/bundle.zip"])) as archive:
        assert sorted(archive.namelist()) == ["extraction.yml", "manifest.json", "model.json"]
        assert archive.read("model.json") == (run.bundle / "model.json").read_bytes()
    with zipfile.ZipFile(io.BytesIO(first["reporting/tables.zip"])) as archive:
        assert archive.read("table_5.csv") == run.table_path("table_5").read_bytes()


def test_a_hospital_keeps_its_model_and_its_patients(make_run):
    run = make_run(REAL)
    page = downloads.page(run)
    assert set(downloads.archives(run)) == {"reporting/tables.zip"}
    assert "`private/bundle`" in page
    assert "bundle.zip" not in page
    assert "figure_2" not in page


def test_downloads_stand_by_their_chapter_and_the_build_names_nobody(make_run):
    page = downloads.page(make_run())
    row = page.split("* - [](/notebooks/06_nomogram.ipynb)")[1].split("* - ")[0]
    assert "{download}`table_5 <share/tables/table_5.csv>`" in row
    assert "{download}`png <share/figures/figure_5.png>`" in row
    assert "abc123" in page
    assert "2026-04-28" in page
    assert "10:11" not in page
    assert "dr-who" not in page


def test_pictures_have_300_dots_per_inch(make_run):
    run = make_run()
    with plt.rc_context():
        use_style()
        figure, _ = plt.subplots(figsize=(2, 1))
        save_figure(run, "dots", figure)
        plt.close(figure)
    with Image.open(run.figure_path("dots", "png")) as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
