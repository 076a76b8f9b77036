"""What a template is given is shown as it is: markdown-it and an HTML parser read the pages again."""

import json

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from helpers.pages import rendering

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1)) ![b](c) [^1]: d",
    "*a* _b_ **c** __d__ ~~e~~ `f` ``g`",
    "1. a",
    "1) a",
    "- a",
    "+ a",
    "# a",
    "> a",
    "::: {raw} html",
    "```{raw} html",
    "{raw}`x` {{ a }} {% b %}",
    "% a comment",
    "(target)=",
    "$x_1$ $$y$$ \\(z\\)",
    "a | b || c",
    "&lt; &#60; &amp;",
    "back\\slash \\* \\",
    "a\nb\r\n\n    c\td",
    "+++",
    "---",
    "=====",
    ": a",
]


def read_again(markdown):
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return BeautifulSoup(reader.render(markdown), "html.parser")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("frame", ["{}", "a {} b", "* - {}\n  - c\n", "| a | b |\n|---|---|\n| {} | c |\n"])
def test_a_text_in_markdown_is_read_as_it_was(frame, text):
    page = read_again(frame.format(rendering.plain_text(text)))
    assert " ".join(text.split()) in " ".join(page.get_text().split())
    assert {tag.name for tag in page.find_all()} <= {
        "p",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "html",
        "body",
    }


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1))
def test_any_text_in_markdown_is_read_as_it_was(text):
    page = read_again(f"a {rendering.plain_text(text)} b")
    assert page.get_text().split() == f"a {text} b".split()


@pytest.mark.parametrize("text", ["a", "`a", "a``b`", "``", "<b>", "\\*"])
def test_code_is_read_as_it_was(text):
    assert read_again(f"a {rendering.code(text)} b").find("code").get_text() == text


@pytest.mark.parametrize("text", ["a: 1", "```\nb\n```", "`````\n<script>"])
def test_no_text_ends_a_block_of_code(text):
    marks = rendering.fence(text)
    page = read_again(f"{marks}`x\n{marks}yaml\n{text}\n{marks}\n{marks}`\n\nafter")
    assert page.find("code").get_text() == f"{marks}yaml\n{text}\n{marks}\n"


@pytest.mark.parametrize("text", ["</script><b>", "<!-- <script>", "a & b", "\u2028"])
def test_data_do_not_end_their_script(text):
    page = BeautifulSoup(
        f"<script type='application/json'>{rendering.script_data({'a': text})}</script><p>c</p>",
        "html.parser",
    )
    assert json.loads(page.find("script").string) == {"a": text}
    assert page.find("p").get_text() == "c"


def test_numbers_and_marked_markup_stay_as_they_are():
    assert rendering.plain_text(-0.5) == -0.5
    assert rendering.plain_text(rendering.number(-0.5, ".2f")) == "-0.50"


def test_templates_show_texts_and_not_their_markup():
    class Hostile:
        title, is_virtual, has_features = "<script>alert(1)</script>", False, True

    page = BeautifulSoup(
        rendering.rendered(
            "check.html",
            study=Hostile,
            problems=["<b>x"],
            verdict="<i>",
            state="go",
            remarks=["<u>"],
            colours=[],
            counts=[],
            flow=[],
            tally={},
            cards=[],
        ),
        "html.parser",
    )
    assert not page.find_all(["script", "b", "i", "u"])
    assert page.find("title").get_text() == f"Check: {Hostile.title}"
