"""What a hospital's files say is text on every page, in figures and tables; nobody is named outside private/.

A whole run of a hospital with real DICOM whose texts are scripts, formulas and markup (`hostile_hospital`),
opened in a real browser.
"""

import csv
import re
import xml.etree.ElementTree as ET

import hostile_hospital as hospital
import pytest

from helpers.commands.check import check_study
from helpers.commands.check_page import write_page
from helpers.pages import leaks
from helpers.study.pseudonyms import raw_ids

RAN = f"[...document.body.attributes].map(one => one.name).filter(name => name.startsWith('{hospital.MARK}'))"
MADE = 'document.querySelectorAll(\'img[src="x"], [href^="javascript" i]\').length'


@pytest.fixture(scope="module")
def tab(chromium):
    """A small one: nobody looks, and the processor need not draw."""
    page = chromium.new_page(viewport={"width": 320, "height": 240})
    yield page
    page.close()


def opened(tab, path):
    """What ran on a page, how many elements were made of texts, and what a reader sees."""
    tab.goto(path.as_uri(), wait_until="load")
    return tab.evaluate(RAN), tab.evaluate(MADE), tab.evaluate("document.body.textContent")


def plain(text):
    """Without spaces, quotation marks and dashes, which typography changes."""
    return re.sub(r"[\s\"'“”‘’–-]", "", text)


def test_the_trap_snaps(tab, tmp_path):
    texts = [hospital.TITLE, hospital.SITE_NAME, hospital.SCANNER, hospital.REASON, hospital.PREDICTOR]
    for number, text in enumerate([*texts, *hospital.LEVELS]):
        (tmp_path / f"{number}.html").write_text(f"<!doctype html><body><p>{text}</p>", encoding="utf-8")
        assert len(opened(tab, tmp_path / f"{number}.html")[0]) == 1, text


def test_no_script_runs_on_any_page_of_the_book(tab, hostile):
    html = hostile.book / "html"
    for path in [path for path in html.rglob("*.html") if "_static" not in path.parts]:
        ran, made, _ = opened(tab, path)
        assert (ran, made) == ([], 0), path.relative_to(html)


SHOWN = {
    "notebooks/01_cohort": [hospital.PREDICTOR, *hospital.LEVELS],
    "notebooks/02_preprocessing": [hospital.SCANNER],
    "notebooks/03_extraction": [hospital.SETTINGS.splitlines()[0]],
    "notebooks/06_nomogram": [hospital.PREDICTOR, hospital.LEVELS[1]],
    "notebooks/11_new_hospital": [hospital.SCANNER, hospital.PREDICTOR],
    "model_card": [hospital.TITLE, hospital.PREDICTOR, hospital.LEVELS[1], hospital.SETTINGS.splitlines()[4]],
    "reporting_clear": [hospital.TITLE],
}


@pytest.mark.parametrize("name", SHOWN)
def test_texts_are_shown_as_they_are(tab, hostile, name):
    _, _, text = opened(tab, hostile.book / "html" / f"{name}.html")
    for expected in SHOWN[name]:
        assert plain(expected) in plain(text)


def test_the_check_page_shows_texts_and_runs_nothing(tab, hostile):
    ran, made, text = opened(tab, write_page(check_study(hostile, workers=1), hostile))
    assert (ran, made) == ([], 0)
    for expected in (hospital.TITLE, hospital.SITE_NAME, hospital.REASON, hospital.SCANNER):
        assert plain(expected) in plain(text)


def test_figures_show_texts_as_they_are(hostile):
    figures = sorted((hostile.folder / "share" / "figures").glob("*.svg"))
    drawn = {}
    for path in figures:
        root = ET.parse(path).getroot()
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not tags & {"script", "img", "foreignObject", "a", "iframe"}, path.name
        drawn[path.stem] = plain("".join(root.itertext()))
    assert plain(hospital.SITE_NAME) in drawn["figure_1"]
    assert plain(hospital.PREDICTOR) in drawn["figure_5"]


def test_no_shared_cell_begins_like_a_formula(hostile):
    met = set()
    for path in (hostile.folder / "share").rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                met.add(cell)
                if re.match(r"\s*[=+\-@\t\r]", cell):
                    float(cell)
    for text in (hospital.SITE_NAME, hospital.SCANNER, hospital.REASON, hospital.PREDICTOR):
        assert f"'{text}" in met


def test_nobody_is_named_outside_private(hostile):
    """Independent of the scan's own reading: bytes of every file against what was planted."""
    people = [hospital.person(number) for number in range(len(raw_ids(hostile)) - 2)]
    sought = {one[key] for one in people for key in ("raw", "han", "accession", "phone")}
    sought |= {hospital.INSTITUTION, "777001", "777002", "欧阳建国"}
    for one in people:
        family, given = one["name"].split("^")
        sought |= {
            f"{family} {given}",
            f"{given} {family}",
            f"{family}{given}",
            f"{given}{family}",
            one["name"],
        }
        for day in (one["birth"], one["ct"]):
            sought |= {day, f"{day[:4]}-{day[4:6]}-{day[6:]}", f"{day[:4]}/{int(day[4:6])}/{int(day[6:])}"}
    # Words that begin alike are sought together first: hundreds in each file take their time.
    planted = {}
    for word in (word.lower().encode() for word in sought):
        planted.setdefault(word[:4], []).append(word)

    def named(content):
        content = content.lower()
        return [word for start in planted if start in content for word in planted[start] if word in content]

    outside = [path for path in hostile.folder.rglob("*") if "private" not in path.parts and path.is_file()]
    assert len(outside) > 200 and len(sought) > 300
    assert len(named(f"<p>{people[3]['name'].upper()}, {people[4]['han']}</p>".encode())) == 2
    for path in (path for path in outside if "_static" not in path.parts and "vendor" not in path.parts):
        assert not named(path.read_bytes()), path
        assert not named(str(path.relative_to(hostile.folder)).encode()), path


def test_the_scan_finds_nothing_there_and_a_leak_beside_it(hostile):
    plant = hostile.table_path("planted")
    plant.write_text(f"reason\nmoved with {hospital.person(3)['han']}\n", encoding="utf-8")
    found = leaks.find_leaks(hostile)
    plant.unlink()
    assert found
    assert all(line.startswith("share/tables/planted.csv: ") for line in found)


def test_executed_notebooks_hold_no_messages_of_libraries(hostile):
    for path in hostile.notebooks.glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert '"name": "stderr"' not in text, path.name
        assert "site-packages" not in text, path.name
