"""A chapter opens with its figure, moved from where it was drawn, and its code is folded."""

import nbformat
import pytest

from helpers.pages import reading

FIGURE = nbformat.v4.new_output("display_data", {"image/png": "aGk="})
WORD = nbformat.v4.new_output("display_data", {"application/papermill.record/text/plain": "'7'"})


@pytest.fixture
def notebook():
    drawn = nbformat.v4.new_code_cell("draw()", outputs=[WORD, FIGURE])
    drawn.metadata = nbformat.from_dict({"tags": ["opening"], "mystnb": {"image": {"alt": "what it shows"}}})
    quiet = nbformat.v4.new_code_cell("count()", metadata={"tags": ["remove-input"]})
    text = nbformat.v4.new_markdown_cell("# Title\n\nAsked.\n\nFound.")
    cells = [text, nbformat.v4.new_markdown_cell("Text"), drawn, quiet]
    return nbformat.v4.new_notebook(cells=cells)


def test_the_figure_stands_once_below_the_title_with_its_alternative_text(notebook):
    reading.open_with_figure(notebook)
    title, front, sentences, _, drawn, _ = notebook.cells
    assert title.source == "# Title" and front.outputs == [FIGURE]
    assert sentences.source == "Asked.\n\nFound."
    assert front.metadata["mystnb"]["image"]["alt"] == "what it shows"
    assert drawn.outputs == [WORD]  # a number for the text stays where it was said
    nbformat.validate(notebook)


def test_a_cell_that_drew_nothing_moves_nothing(notebook):
    notebook.cells[2].outputs = [WORD]
    reading.open_with_figure(notebook)
    assert len(notebook.cells) == 4 and "mystnb" in notebook.cells[2].metadata


def test_all_code_is_folded_but_what_is_not_shown(notebook):
    reading.open_with_figure(notebook)
    reading.fold_code(notebook)
    tags = [cell.metadata["tags"] for cell in notebook.cells if cell.cell_type == "code"]
    assert tags == [["remove-input"], ["opening", "hide-input"], ["remove-input"]]
