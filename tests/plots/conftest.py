"""What tests of figures share."""

import matplotlib.pyplot as plt
import pytest

from helpers.plots.style import use_style


@pytest.fixture
def book_style():
    """Figures in the book's style, closed afterwards."""
    with plt.rc_context():
        use_style()
        yield
    plt.close("all")
