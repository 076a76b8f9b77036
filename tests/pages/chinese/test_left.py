"""Every page, chapter and template has its current translation, and the translation says nothing else."""

import pytest

from helpers.pages.chinese import left
from helpers.pages.chinese.blocks import FOLDER, UNFINISHED, Block, parts
from helpers.pages.chinese.tokens import differences

ORIGINALS = {original.name: original for original in left.originals()}
EVERY = pytest.mark.parametrize("name", ORIGINALS)


@EVERY
def test_every_block_has_a_current_translation(name):
    original = ORIGINALS[name]
    missing = [block.name for block in original.missing()]
    left_over = original.unused()
    assert not missing and not left_over, (
        f"python -m helpers.pages.chinese.left RUN {name} --write puts the changed English of {missing} into "
        f"{original.translation.name}, to be translated in place; what is left over there goes: {left_over}"
    )


@EVERY
def test_a_translation_has_the_tokens_of_its_english(name):
    """Glued numbers, references, anchors, marks, formulas, code: else a page would say something else."""
    assert not ORIGINALS[name].differences()


def test_no_file_of_the_edition_is_without_an_original():
    known = {original.translation for original in ORIGINALS.values()}
    assert not {*FOLDER.rglob("*.md"), *FOLDER.rglob("*.j2")} - known


def test_each_lost_token_is_told():
    english = Block(
        "cell 1",
        "(place)=\n## Head\n\n{glue:text}`auc` of 263 {cite}`a2020`, [link](b.md#c), $x$, `code`. "
        "<!-- paper -->yes<!-- /paper -->\n\n:::{dropdown} Answer\n- one\n:::\n",
    )
    assert not differences(english, english.text.replace("of", "的").replace("Answer", "答案"))
    for token in (
        "(place)=\n",
        "{glue:text}`auc`",
        "263",
        "{cite}`a2020`",
        "(b.md#c)",
        "$x$",
        "`code`",
        "## ",
        "- ",
    ):
        assert differences(english, english.text.replace(token, "")), token
    assert differences(english, english.text.replace("<!-- paper -->", ""))
    assert differences(english, english.text.replace("{dropdown}", "{note}"))


def test_what_is_to_be_done_is_written_in_the_order_of_the_original_and_keeps_what_was(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Head\n\ntext\n\n## Two\n\nmore\n", encoding="utf-8")
    original = left.Original("page", page, tmp_path / "zh" / "page.md", left.blocks.page_blocks)
    original.write()
    written = original.translation.read_text(encoding="utf-8")
    assert [name for name, _, _ in parts(original.translation)] == ["todo section 0", "todo section 1"]
    original.translation.write_text(
        written.replace("todo ", "").replace("text", "文字").replace("more", "更多"), encoding="utf-8"
    )
    left.blocks.translations.cache_clear()
    assert not original.missing() and not original.unused()
    page.write_text("# Head\n\ntext\n\n## Two\n\nchanged\n", encoding="utf-8")
    assert [block.name for block in original.missing()] == ["section 1"]
    original.write()
    assert [(name, text.split()[-1]) for name, _, text in parts(original.translation)] == [
        ("section 0", "文字"),
        ("old section 1", "更多"),
        ("todo section 1", "changed"),
    ]
    assert all(name.startswith(UNFINISHED) for name in original.unused())
