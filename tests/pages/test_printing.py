"""The book on paper: every page in the order of the contents, pictures in place, no table cut."""

import re
import shutil

import pytest
import yaml
from bs4 import BeautifulSoup

from helpers.errors import StudyError
from helpers.pages import build, printing
from helpers.pages.printing import VIRTUAL_LABEL

# A4 less the margins of print.css, at the 96 px to the inch of CSS.
TEXT_WIDTH = (210 - 2 * 16) / 25.4 * 96


@pytest.fixture(scope="module")
def single(finished, tmp_path_factory):
    """All pages of the tiny run's book on one."""
    return build.build_single_page(finished, tmp_path_factory.mktemp("single"))


def test_all_pages_follow_the_contents(finished, single):
    toc = yaml.safe_load((finished.book / "source" / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    assert len(chapters) > 20
    assert re.findall(r'<span id="document-([^"]+)">', single.read_text(encoding="utf-8")) == chapters


def test_every_picture_is_in_place(single):
    pictures = BeautifulSoup(single.read_text(encoding="utf-8"), "html.parser").select(
        "article :is(img, .radbook-figure)"
    )
    assert len(pictures) > 50
    inside = [picture["src"] for picture in pictures if "src" in picture.attrs]
    inside = [name for name in inside if not name.startswith("data:")]
    assert not [name for name in inside if not (single.parent / name).is_file()]


def test_no_table_and_no_picture_is_cut_at_the_margin(chromium, single):
    page = chromium.new_page(viewport={"width": int(TEXT_WIDTH), "height": 950})
    page.emulate_media(media="print")
    page.goto(single.as_uri(), wait_until="load")
    beyond = """(width) => [...document.querySelectorAll("article :is(table, img, pre, .radbook-whole)")]
        .filter((one) => !one.closest('[style*="max-height"]'))
        .filter((one) => one.getBoundingClientRect().right > width + 1)
        .map((one) => one.outerHTML.slice(0, 200))"""
    assert not page.evaluate(beyond, TEXT_WIDTH)
    page.close()


def test_the_book_is_printed_to_the_last_page(chromium, finished, single, monkeypatch):
    """The book and its single page are those made above."""
    monkeypatch.setattr(build, "build_book", lambda run: None)

    def copied(run, folder):
        return shutil.copytree(single.parent, folder, dirs_exist_ok=True) / single.name

    monkeypatch.setattr(build, "build_single_page", copied)
    pdf = printing.print_book(finished)
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 60
    # The working copy is gone: what is left was searched for identifiers.
    assert {path.name for path in finished.book.iterdir() if path.name.startswith("tmp")} == set()


def test_virtual_sheets_say_so_and_a_hospitals_do_not():
    page = "<html><head></head><body></body></html>"
    assert VIRTUAL_LABEL in printing.for_paper(page, virtual=True)
    assert printing.for_paper(page, virtual=False) == page


def test_ambiguous_links_become_text():
    page = '<a class="reference" href="#id3">Austin</a> <a href="#document-glossary">ROI</a>'
    paper = printing.for_paper(page, virtual=False)
    assert paper == '<a class="reference">Austin</a> <a href="#document-glossary">ROI</a>'


def test_answers_are_unfolded_on_paper():
    paper = printing.for_paper(
        '<details class="sd-dropdown"><summary>Answers</summary></details>', virtual=False
    )
    assert '<details open class="sd-dropdown">' in paper


def test_without_a_browser_the_message_says_what_to_install(finished, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match="apt install chromium"):
        printing.print_book(finished)
