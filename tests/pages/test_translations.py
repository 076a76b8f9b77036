"""A translated page says which state of the original it was made from; when the original moves on, this tells
which sections have to be translated again. It serves every page of book/zh with such a front matter."""

import hashlib
import json
import re

import pytest
import yaml

from helpers.study.places import REPOSITORY

BOOK = REPOSITORY / "book"
FIGURES = BOOK / "zh" / "figures.md"
PAGES = sorted(set((BOOK / "zh").glob("*.md")) - {FIGURES})


def sections(text):
    """Title and SHA-256 (12 digits) of each section; what stands before the first has the title "top"."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    # Only headings of the second level divide; a '#' inside a fence is no heading.
    parts = re.split(r"^## (.+)$", body, flags=re.MULTILINE)
    titles, texts = ["top", *parts[1::2]], parts[0::2]
    return {
        title: hashlib.sha256(" ".join(part.split()).encode()).hexdigest()[:12]
        for title, part in zip(titles, texts, strict=True)
    }


def alternative_texts():
    """What each figure shows: its alternative text in the notebook, SHA-256 (12 digits) by figure."""
    texts = {}
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            code = "".join(cell["source"])
            if "save_figure" not in code:
                continue
            # The flow chart's cell in 01 saves one of two figures; their names stand in a pair before.
            for name in re.findall(r'(?:save_figure\(run, |names = .*, )"(\w+)"', code):
                alternative = cell["metadata"]["mystnb"]["image"]["alt"]
                texts[name] = texts.get(name, "") + alternative
    return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in texts.items()}


def test_every_figure_has_a_chinese_caption_of_what_it_shows_now():
    stated, shown = front_matter(FIGURES)["figures"], alternative_texts()
    assert len(shown) > 30
    changed = {name: state for name, state in shown.items() if stated.get(name) != state}
    gone = set(stated) - set(shown)
    assert not changed and not gone, (
        "The alternative texts of these figures have changed. See whether their captions in zh/figures.md "
        f"still hold, and write their state into its front matter: {changed}; take out: {gone or 'nothing'}."
    )
    captions = re.findall(r"\{figure\} \.\./share/figures/(\w+)\.svg", FIGURES.read_text(encoding="utf-8"))
    assert sorted(captions) == sorted(shown)


def front_matter(page):
    return yaml.safe_load(page.read_text(encoding="utf-8").split("---\n")[1])["translation"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_translation_is_of_the_original_as_it_is(page):
    stated = front_matter(page)
    original = sections((BOOK / stated["source"]).read_text(encoding="utf-8"))
    lagging = {title: state for title, state in original.items() if stated["sections"].get(title) != state}
    gone = set(stated["sections"]) - set(original)
    assert not lagging and not gone, (
        f"book/{stated['source']} has changed. Translate these sections into zh/{page.name} and write their "
        f"state into its front matter: {lagging}; take out: {gone or 'nothing'}."
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_translation_has_the_original_s_sections_code_and_tables(page):
    texts = [
        (BOOK / name).read_text(encoding="utf-8")
        for name in (front_matter(page)["source"], f"zh/{page.name}")
    ]
    shapes = []
    for text in texts:
        commands = re.findall(
            r"^(?:\.venv/bin/radbook|    features:|  missing_vertebra:).*$", text, re.MULTILINE
        )
        rows = [line.count("|") for line in text.splitlines() if line.startswith("|")]
        shapes.append((len(sections(text)), text.count("```"), commands, rows))
    assert shapes[0] == shapes[1]


def test_a_changed_sentence_is_noticed_and_a_moved_line_break_is_not():
    before = sections("# A\n\nIntro.\n\n## B\n\nOne two\nthree.\n")
    assert sections("# A\n\nIntro.\n\n## B\n\nOne\ntwo three.\n") == before
    changed = sections("# A\n\nIntro.\n\n## B\n\nOne two four.\n")
    assert [title for title in before if before[title] != changed[title]] == ["B"]
