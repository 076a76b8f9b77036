"""Both editions of a built book: the same pages and anchors, a switch that keeps the place, no English."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup

from helpers.pages.chinese import left
from helpers.pages.chinese.sentences import english_sentences

# Made by Sphinx, or by libraries.
OTHERS = {"_static", "_images", "_downloads", "_sources", "vendor", "interactive", "slides"}


@pytest.fixture(scope="module")
def html(finished):
    return finished.book / "html"


def pages(folder):
    """Pages of an edition by their names in it."""
    found = {path.relative_to(folder) for path in folder.rglob("*.html")}
    return {name for name in found if not OTHERS & {*name.parts} and name.parts[0] != "zh"}


def soup_of(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_the_editions_have_the_same_pages_and_each_leads_to_the_other(html):
    names = pages(html)
    assert len(names) > 30 and names == pages(html / "zh")
    for name in names:
        for here, there in ((html, html / "zh"), (html / "zh", html)):
            (link,) = soup_of(here / name).select("a.radbook-language")
            assert (here / name).parent.joinpath(link["href"]).resolve() == (there / name).resolve()


def test_the_editions_have_the_same_anchors(html):
    for name in pages(html):
        english, chinese = (
            [part["id"] for part in soup_of(folder / name).select("article section[id]")]
            for folder in (html, html / "zh")
        )
        assert english == chinese, name


def test_what_is_alike_lies_once(html):
    files = [path for path in (html / "zh").rglob("*") if path.is_file()]
    ours = {path.relative_to(html / "zh"): path.read_bytes() for path in files if path.suffix != ".html"}
    twice = {
        name
        for name, content in ours.items()
        if (html / name).is_file() and (html / name).read_bytes() == content
    }
    assert not twice - {name for name in twice if name.parts[0] == "_sources"}
    assert not (html / "zh" / "vendor").exists() and not (html / "jupyter_execute").exists()


def test_the_chinese_pages_say_their_language_and_the_banner_is_in_one(html):
    assert soup_of(html / "zh" / "index.html").html["lang"].startswith("zh")
    banners = [
        soup_of(folder / "index.html").select_one(".bd-header-announcement").text
        for folder in (html, html / "zh")
    ]
    assert not re.search("[\u4e00-\u9fff]", banners[0]) and not re.search("[A-Za-z]{5}", banners[1])


def test_no_page_of_the_chinese_edition_has_an_english_sentence(html, finished):
    found = {}
    for name in pages(html / "zh"):
        if name.stem not in ("genindex", "bibliography"):
            page = (html / "zh" / name).read_text(encoding="utf-8")
            # A study's own title and the names of authors stay.
            sentences = [one for one in english_sentences(page) if not one.endswith("et al")]
            found[name.as_posix()] = [one for one in sentences if one not in finished.study.title]
    assert not {name: sentences for name, sentences in found.items() if sentences}


@pytest.mark.parametrize(
    "page", ["<p>Four words of English stand here.</p>", '<img alt="A curve of the risk">']
)
def test_an_english_sentence_is_found(page):
    assert english_sentences(f"<article>{page}</article>")


@pytest.mark.parametrize(
    "page",
    [
        "<p>列线图模型（nomogram）的 AUC 高于 clinical 模型。</p>",
        "<pre>run the book of this study</pre>",
        '<p><a class="reference internal citation">Xu and others of the group</a></p>',
        "<td>GLSZM Large Area Low Gray Level Emphasis</td>",
    ],
)
def test_names_code_and_references_are_no_english_sentence(page):
    assert not english_sentences(f"<article>{page}</article>")


def test_words_of_the_chapters_are_in_the_table(finished):
    missing = left.words_of_chapters(finished) | left.words_of_pages(finished)
    assert not {name: [*texts] for name, texts in missing.items() if texts}


@pytest.mark.parametrize("start", ["zh/notebooks/07_delong", "notebooks/07_delong"])
def test_the_switch_keeps_the_place(chromium, html, start):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto((html / f"{start}.html").as_uri())
    page.locator("article section[id]").nth(3).evaluate("(part) => part.scrollIntoView()")
    place = page.locator("article section[id]").nth(3).get_attribute("id")
    box = page.locator("a.radbook-language").bounding_box()
    with page.expect_navigation():
        page.mouse.click(box["x"] + 5, box["y"] + 5)  # a click by locator would scroll the page first
    other = start.removeprefix("zh/") if start.startswith("zh/") else f"zh/{start}"
    address, anchor = page.url.split("#")
    assert Path(unquote(address.removeprefix("file://"))) == html / f"{other}.html"
    assert anchor == place
    assert abs(page.locator(f"[id='{place}']").evaluate("(part) => part.getBoundingClientRect().top")) < 200
    page.close()


def test_chinese_is_found(chromium, html):
    page = chromium.new_page()
    page.goto((html / "zh" / "search.html").as_uri() + "?q=配对检验")
    page.wait_for_selector("#search-results li a", timeout=30_000)
    assert any(
        "07_delong" in link.get_attribute("href") for link in page.locator("#search-results li a").all()
    )
    page.close()


@pytest.mark.parametrize("name", ["nomogram_calculator", "cutoff_explorer", "volume_viewer"])
def test_interactive_pages_speak_chinese(chromium, html, name):
    page = chromium.new_page()
    page.goto((html / "zh" / f"{name}.html").as_uri())
    page.wait_for_selector(".radbook-app[data-ready]", state="attached", timeout=30_000)
    said = page.locator(".radbook-app").inner_text() + " ".join(
        page.locator(".radbook-app option").all_inner_texts()
    )
    page.close()
    words = set(re.findall("[A-Za-z]{3,}", said)) - {"AUC", "ROC", "KNN", "SVM", "XGBoost", "LightGBM"}
    assert not words
