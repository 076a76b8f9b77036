"""Figures, tables and glued words of an executed chapter in Chinese: the texts change, and nothing else."""

import re
from copy import deepcopy

import nbformat
import pytest
from matplotlib.figure import Figure

from helpers.pages.chinese import shown
from helpers.pages.chinese.words import Words
from helpers.plots.style import STYLE

TABLE = {
    "kept": ["AUC"],
    "common": {
        "Age": "年龄",
        "metabolic bone disease or drugs acting on bone: {n}": "代谢性骨病或服用影响骨的药物：{n}",
        "Training": "训练集",
        "a < b": "甲 < 乙",
    },
}


@pytest.fixture(autouse=True)
def table(known_words):
    known_words(TABLE)


def drawn(tmp_path, text, **style):
    import matplotlib.pyplot as plt

    with plt.style.context(STYLE):
        figure = Figure()
        figure.text(0.5, 0.5, text, **style)
        figure.savefig(tmp_path / "a.svg", metadata={"Date": None})
    return (tmp_path / "a.svg").read_text(encoding="utf-8")


def lines_of_svg(text):
    """What a drawing says, line by line."""
    return re.findall(r"<text [^>]*>([^<]*)</text>", text)


def test_a_broken_label_is_looked_up_whole_and_breaks_into_as_many_lines(tmp_path):
    svg = drawn(tmp_path, "Training\nmetabolic bone disease or drugs acting\n   on bone: 1\nunknown\nAge")
    asked = Words("01")
    lines = lines_of_svg(shown.translate_svg(svg, asked))
    assert lines[0] == "训练集" and lines[-2:] == ["unknown", "年龄"] and len(lines) == 5
    assert "".join(lines[1:3]) == "代谢性骨病或服用影响骨的药物：1"
    assert [*asked.missing] == ["unknown"]


@pytest.mark.parametrize(("aligned", "share"), [("left", 0), ("center", 0.5), ("right", 1)])
def test_lines_of_a_label_stay_aligned(tmp_path, aligned, share):
    """Measured by the widths of their characters: one em each in Chinese."""
    svg = drawn(
        tmp_path,
        "Training\nAge\nmetabolic bone disease or drugs acting on bone: 1",
        multialignment=aligned,
        fontsize=10,
    )
    made = shown.translate_svg(svg, Words("01"))
    lines = re.findall(r"<text [^>]*translate\(([\d.]+) [^>]*>([^<]*)</text>", made)
    widths = [10 * sum(1 if letter > "\u2e80" else 0.636 for letter in text) for _, text in lines]
    ends = [float(left) + share * width for (left, _), width in zip(lines, widths, strict=True)]
    assert len(ends) == 3 and max(ends) - min(ends) < 0.5


def test_a_label_in_a_box_is_translated(tmp_path):
    """Matplotlib draws the box as a group inside the label's, as in the flow chart."""
    svg = drawn(tmp_path, "Age", bbox={"boxstyle": "round"})
    assert lines_of_svg(shown.translate_svg(svg, Words("01"))) == ["年龄"]


def test_a_drawing_keeps_everything_but_its_words(tmp_path):
    svg = drawn(tmp_path, "a < b")
    made = shown.translate_svg(svg, Words("01"))
    assert "甲 &lt; 乙" in made and "Noto Sans CJK SC" in made
    bare = [re.sub(r">[^<]*</text>|font-family:[^;\"]*", "", text) for text in (svg, made)]
    assert bare[0] == bare[1]


def test_texts_of_a_table_are_translated_between_tags_only():
    html = '<style>.Age {color: red}</style><table class="Age"><th>Age</th><td> a &lt; b </td><td>3.5</td>'
    made = shown.translate_html(html, Words("01"))
    assert made == html.replace(">Age<", ">年龄<").replace("a &lt; b", "甲 &lt; 乙")


def test_outputs_of_a_chapter(run, tmp_path):
    """The drawing that the cell saved stands in for its picture; what was not saved stays a picture."""
    run.figure_path("ages", "svg").write_text(drawn(tmp_path, "Age"), encoding="utf-8")
    picture = nbformat.v4.new_output("display_data", {"image/png": "AAAA", "text/plain": "<Figure>"})
    said = nbformat.v4.new_output("display_data", {shown.GLUED: "'Training'"})
    message = nbformat.v4.new_output("stream", text="Training\nother\n")
    sentence = nbformat.v4.new_output("display_data", {"text/markdown": "Training"})
    cells = [
        nbformat.v4.new_code_cell('save_figure(run, "ages", figure)', outputs=[picture, said]),
        nbformat.v4.new_code_cell("show(other)", outputs=[deepcopy(picture), message, sentence]),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    shown.translate_outputs(notebook, Words("01"), run)
    (first, second) = notebook.cells
    assert "年龄" in first.outputs[0]["data"]["image/svg+xml"] and "image/png" not in first.outputs[0]["data"]
    assert first.outputs[1]["data"][shown.GLUED] == "'训练集'"
    assert second.outputs[0]["data"]["image/png"] == "AAAA"
    assert second.outputs[1]["text"] == "训练集\nother\n"
    assert second.outputs[2]["data"]["text/markdown"] == "训练集"
