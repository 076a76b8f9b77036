"""Blocks of prose: found again by their English, listings kept, English where a translation is old."""

import nbformat
import pytest

from helpers.pages.chinese import blocks
from helpers.pages.chinese.blocks import Block

TEXT = """# Head

:::{dropdown} Solution
```python
x = 1
```
:::

```{note}
Prose, no listing.
```

## Next

```bash
radbook run
```
"""


@pytest.fixture(autouse=True)
def forget():
    blocks.translations.cache_clear()
    yield
    blocks.translations.cache_clear()


def written(path, translated):
    """A file of book/zh with these blocks: English and its Chinese."""
    heads = [
        f"<!-- block: {Block('', english).state} -->\n{chinese}\n" for english, chinese in translated.items()
    ]
    path.write_text("\n".join(heads), encoding="utf-8")
    return path


def test_listings_are_code_and_not_the_prose_of_directives():
    assert blocks.listings(TEXT) == ["```python\nx = 1\n```", "```bash\nradbook run\n```"]
    first, second = blocks.page_blocks(TEXT)
    assert "<!-- code 1 -->" in first.short and "x = 1" not in first.short and "{note}" in first.short
    assert second.short == "## Next\n\n<!-- code 1 -->\n"


def test_a_page_is_chinese_where_its_translation_is_current(tmp_path):
    first, second = blocks.page_blocks(TEXT)
    path = written(tmp_path / "page.md", {first.text: "# 题\n\n<!-- code 1 -->"})
    made = blocks.translated(TEXT, path, blocks.page_blocks)
    assert made == "# 题\n\n```python\nx = 1\n```\n\n" + second.text
    changed = TEXT.replace("Prose, no listing", "Other prose")
    assert blocks.translated(changed, path, blocks.page_blocks) == changed


def test_line_breaks_and_code_do_not_make_a_translation_old():
    first = blocks.page_blocks(TEXT)[0]
    moved = blocks.page_blocks(TEXT.replace("Prose, no", "Prose,\nno").replace("x = 1", "x = 2"))[0]
    assert first.state == moved.state
    assert first.state != blocks.page_blocks(TEXT.replace("Prose", "prose"))[0].state


def test_what_is_to_be_done_does_not_count_as_a_translation(tmp_path):
    path = written(tmp_path / "page.md", {"a": "甲"})
    path.write_text(path.read_text(encoding="utf-8").replace("block:", "todo block:"), encoding="utf-8")
    assert blocks.translations(path) == {}


def test_cells_and_alternative_texts_are_found_wherever_they_stand(tmp_path):
    cells = [
        nbformat.v4.new_markdown_cell("One."),
        nbformat.v4.new_markdown_cell("Two."),
        nbformat.v4.new_code_cell("draw()", metadata={"mystnb": {"image": {"alt": "A curve."}}}),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells[::-1])
    path = written(tmp_path / "01.md", {"One.": "一。", "A curve.": "一条曲线。"})
    blocks.translate_cells(notebook, path)
    curve, second, first = notebook.cells
    assert (first.source, second.source, curve.source) == ("一。", "Two.", "draw()")
    assert curve.metadata["mystnb"]["image"]["alt"] == "一条曲线。"


def test_a_template_keeps_its_code_and_changes_its_words(tmp_path):
    template = "{% set a = 1 %}\n\n{% if a %}\n- Some {{ words }}\n{% endif %}\n"
    (only,) = blocks.template_blocks(template)
    path = written(tmp_path / "a.md.j2", {only.text: only.text.replace("Some", "一些")})
    assert blocks.translated(template, path, blocks.template_blocks) == template.replace("Some", "一些")
