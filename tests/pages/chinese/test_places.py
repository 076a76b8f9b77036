"""The Sphinx extension: where the switch leads, anchors of Chinese headings, search in Chinese."""

import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup

from helpers.pages.chinese import places


def application(tmp_path, language):
    source = tmp_path / "zh" / "source" if language.startswith("zh") else tmp_path / "source"
    return SimpleNamespace(srcdir=source, config=SimpleNamespace(language=language))


@pytest.mark.parametrize(
    ("language", "page", "address"),
    [
        ("en", "index", "zh/index.html"),
        ("en", "notebooks/01", "../zh/notebooks/01.html"),
        ("zh_CN", "index", "../index.html"),
        ("zh_CN", "notebooks/01", "../../notebooks/01.html"),
        ("en", "search", "zh/search.html"),
        ("zh_CN", "gone", "../index.html"),
        ("en", "notebooks/gone", "../zh/index.html"),
    ],
)
def test_the_switch_leads_to_the_same_page_or_the_first(tmp_path, language, page, address):
    for folder in (tmp_path / "source", tmp_path / "zh" / "source"):
        (folder / "notebooks").mkdir(parents=True)
        (folder / "index.md").touch()
        (folder / "notebooks" / "01.ipynb").touch()
    assert places.other_page(application(tmp_path, language), page) == address


def test_chinese_is_indexed_by_pairs_of_characters_and_latin_by_words():
    split = places.SearchPairs({}).split("列线图 nomogram，图")
    assert sorted(split) == sorted(["nomogram", "列线", "线图", "图"])


def test_a_chinese_heading_has_the_english_anchor_and_links_to_it_hold(tmp_path):
    """Two tiny projects of one page each, built as the editions are."""
    english = "# Head\n\n## One thing\n\n[there](#another-one)\n\n## Another one\n"
    chinese = "# 题\n\n## 一\n\n[那里](#another-one)\n\n## 二\n"
    built = {}
    for folder, language, text in ((tmp_path, "en", english), (tmp_path / "zh", "zh_CN", chinese)):
        source = folder / "source"
        source.mkdir(parents=True)
        (source / "index.md").write_text(text, encoding="utf-8")
        settings = f"extensions = ['myst_parser', '{places.EXTENSION}']\nlanguage = '{language}'\n"
        settings += "html_theme = 'sphinx_book_theme'\nmyst_heading_anchors = 3\n"
        (source / "conf.py").write_text(settings, encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-d", folder / "doctrees", source]
        subprocess.run([*command, folder / "html"], check=True)
        built[language] = BeautifulSoup((folder / "html" / "index.html").read_text("utf-8"), "html.parser")
    assert pickle.loads((tmp_path / "doctrees" / "environment.pickle").read_bytes()).metadata["index"]
    ids = [[part["id"] for part in soup.select("article section")] for soup in built.values()]
    assert ids[0] == ids[1] == ["head", "one-thing", "another-one"]
    assert built["zh_CN"].select_one("article p a")["href"] == "#another-one"
    assert [link["href"] for link in built["zh_CN"].select("a.radbook-language")] == ["../index.html"]
