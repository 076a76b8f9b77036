"""A hospital's own words are drawn as they are, whatever marks are in them."""

import io
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from helpers.plots.patients import plot_flow_chart
from helpers.plots.style import STYLE


@pytest.mark.parametrize(
    "site", ["cost $1 and $2", r"$\frac$", "a_b^c", "<script>alert(1)</script> & --> ]]>"]
)
def test_words_of_the_flow_chart_are_no_formula_and_no_markup(site):
    rows = [(site, "screened", "", 9, 4), (site, "excluded", site, 1, 0), (site, "included", "", 8, 4)]
    flow = pd.DataFrame(rows, columns=["site", "stage", "reason", "patients", "outcome"])
    with plt.style.context(STYLE):
        drawn = io.BytesIO()
        plot_flow_chart(flow, "osteoporosis").savefig(drawn, format="svg")
        plt.close("all")
    root = ET.fromstring(drawn.getvalue())
    texts = "".join("".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "".join(site.split()) in "".join(texts.split())
    assert not [element for element in root.iter() if element.tag.endswith("}script")]
