"""Sources stand side by side in their colours: the paper's, the usual way, the strict one."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from screens import smallest_text

from helpers.plots.beside import both_ways, paper_and_computed, printed_and_computed
from helpers.plots.style import SOURCE_COLOURS

pytestmark = pytest.mark.usefixtures("book_style")


@pytest.fixture
def table_5():
    rows = [("clinical", "training", 0.7, 0.75), ("nomogram", "training", 0.9, 0.95)]
    rows += [("clinical", "external", 0.6, None), ("nomogram", "external", 0.8, 0.85)]
    table = pd.DataFrame(rows, columns=["model", "cohort", "auc", "paper_auc"])
    return table.assign(ci_low=table["auc"] - 0.1, ci_high=table["auc"] + 0.1)


def marks(figure):
    """Values of each source, by what the legend calls it and the colour it has."""
    lines = {line.get_label(): line for line in figure.axes[0].lines if not line.get_label().startswith("_")}
    return {label: (to_hex(line.get_color()), list(line.get_xdata())) for label, line in lines.items()}


def test_models_stay_together_and_each_mark_is_its_tables_number(table_5):
    figure = paper_and_computed(table_5)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    models = ["clinical", "clinical", "nomogram", "nomogram"]
    assert [label.split(",")[0] for label in labels] == models
    found = marks(figure)
    colour, values = found["computed here, 95 % CI"]
    assert colour == SOURCE_COLOURS["computed"].lower() and values == [0.7, 0.6, 0.9, 0.8]
    colour, values = found["the paper's"]
    assert colour == SOURCE_COLOURS["paper"] and values[0] == 0.75 and values[2:] == [0.95, 0.85]
    assert smallest_text(figure) > 9


def test_a_study_that_the_paper_knows_nothing_of_has_its_own_numbers_alone(table_5):
    assert list(marks(paper_and_computed(table_5.drop(columns="paper_auc")))) == ["computed here, 95 % CI"]
    assert list(marks(paper_and_computed(table_5.assign(paper_auc=None)))) == ["computed here, 95 % CI"]


def test_two_intervals_of_a_line_do_not_lie_on_each_other(table_5):
    ends = {"paper_auc": "paper", "auc": "computed", "ci_low": "computed_low", "ci_high": "computed_high"}
    aucs = table_5.rename(columns=ends)
    figure = printed_and_computed(aucs.assign(paper_low=aucs["paper"] - 0.1, paper_high=aucs["paper"] + 0.1))
    (axis,) = figure.axes
    paper, computed = (line for line in axis.lines if not line.get_label().startswith("_"))
    apart = computed.get_ydata() - paper.get_ydata()
    (_, zero), (_, one) = axis.transData.transform([(0, 0), (0, 1)])
    points = apart * (zero - one) / figure.dpi * 72
    assert (points > paper.get_markersize()).all() and (apart < 0.5).all()
    heights = {path.vertices[0, 1] for part in axis.collections for path in part.get_paths()}
    assert {*paper.get_ydata()[paper.get_xdata() > 0], *computed.get_ydata()} <= heights


@pytest.mark.parametrize("way, said", [("paper", "computed as in the paper"), ("usual", "computed as usual")])
def test_both_ways_of_computing(way, said):
    table = pd.DataFrame({"cohort": "training", "model": "radiomics", "quantity": ["AUC", "Brier score"]})
    table[f"{way}_mode"], table["strict_mode"] = [0.9, 0.1], [0.7, 0.2]
    found = marks(both_ways(table, way))
    assert found == {
        said: (SOURCE_COLOURS["computed"].lower(), [0.9]),
        "strict": (SOURCE_COLOURS["strict"].lower(), [0.7]),
    }
