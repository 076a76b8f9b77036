"""What a chapter teaches is found by its form: slides and exercises hold it, whatever the language."""

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.pages import designs, slides
from helpers.pages.lessons import lesson_of
from helpers.pages.references import cited
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.study_file import load_study

LAST = """## 自测

1. 一加一？
   - a. 二
   - b. 三
2. 二加二？
   - a. 三
   - b. 四

:::{dropdown} 答案
1. **a.** 因为。
2. **b.** 同上。
:::

## 练习

说明。

**练习 1：算。** 见 [第 5 章](05_models.ipynb)。

:::{dropdown} 解答
```python
assert 1 + 1 == 2
```

不难。
:::"""


@pytest.fixture
def chapter():
    glued = new_output(
        "display_data",
        {"application/papermill.record/text/plain": repr("0.87 (0.8 to\xa00.9)")},
        metadata={"scrapbook": {"name": "auc", "mime_prefix": "application/papermill.record/"}},
    )
    drawn = new_output("display_data", {"image/png": "aGFsbG8="})
    image = {"mystnb": {"image": {"alt": "It fell <b>."}}}
    cells = [
        new_markdown_cell(
            "# 05 六个模型\n\n**问。** 谁最好 {cite}`jang2019`？\n\n**答。** AUC {glue:text}`auc`。"
        ),
        new_markdown_cell("```{admonition} 目标\n:class: dropdown\n- 学会\n```"),
        new_code_cell("draw()", outputs=[glued, drawn], metadata=image),
        new_markdown_cell("```{admonition} 记住\n- 别忘\n```"),
        new_markdown_cell(LAST),
    ]
    return new_notebook(cells=cells)


def test_a_lesson_is_read_from_a_chapter_in_chinese(chapter):
    lesson = lesson_of(chapter)
    assert lesson.title == "05 六个模型"
    assert "AUC 0.87 (0.8 to\xa00.9)。" in lesson.opening and "Jang et al., 2019" in lesson.opening
    assert (lesson.aims.title, lesson.remember.title) == ("目标", "记住")
    assert [answer for _, answer in lesson.questions] == ["**a.** 因为。", "**b.** 同上。"]
    (exercise,) = lesson.exercises
    assert exercise.task == "**练习 1：算。** 见 第 5 章。"
    assert (exercise.code, exercise.shown) == ("assert 1 + 1 == 2", "不难。")


def test_a_page_without_questions_has_no_slides(chapter):
    chapter.cells = chapter.cells[:1]
    assert lesson_of(chapter) is None
    staged = {"notebooks/05_models.ipynb": nbformat.writes(chapter).encode()}
    assert list(slides.staged_slides(staged)) == ["interactive/slides.md"]


def test_a_deck_shows_figures_and_hides_answers_and_its_texts_are_no_markup(chapter):
    made = slides.staged_slides({"notebooks/05_models.ipynb": nbformat.writes(chapter).encode()})
    assert b'href="slides/05_models.html">05' in made["interactive/slides.md"]
    page = BeautifulSoup(made["extra/slides/05_models.html"], "html.parser")
    assert page.img["src"] == "data:image/png;base64,aGFsbG8=" and page.img["alt"] == "It fell <b>."
    assert len(page.select("section")) == 1 + 1 + 1 + 1 + 2 + 1
    assert page.select(".question .answer")[0].get_text(strip=True) == "a.因为。"
    assert not page.select("script[src], link[href]")  # one file that needs nothing else


@pytest.mark.parametrize("name", STEPS.values())
def test_every_chapter_has_a_whole_lesson(name):
    chapter = nbformat.read(REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4)
    designs.fit(chapter, load_study(REPOSITORY / "data" / "studies" / "virtual.yml"))
    lesson = lesson_of(chapter)
    assert lesson.title[:2] == name[:2]
    assert lesson.remember.title == "What to remember"
    assert len(lesson.questions) == 3 and all(answer.startswith("**") for _, answer in lesson.questions)
    assert len(lesson.exercises) >= 2 and all("assert" in exercise.code for exercise in lesson.exercises)


def test_citations_are_said_by_author_and_year():
    assert cited("{cite:t}`jang2019` and {cite}`kim2024,holm1979`.") == (
        "Jang et al. and (Kim et al., 2025; Holm, 1979)."
    )
