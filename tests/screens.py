"""How large a figure's words get on a page of the book and on a phone."""

import matplotlib.pyplot as plt

from helpers.plots.panels import panel_boxes

COLUMN, PHONE = 688, 358  # px: widths of the text at windows of 1280 and 390 px


def smallest_text(figure):
    """Size in px of the smallest text that a reader meets on either; figures are not enlarged."""
    figure.canvas.draw()
    sizes = [
        text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text() and text.get_visible()
    ]
    width = 96 * figure.get_size_inches()[0]
    widest = max([box[2] for _, box in panel_boxes(figure)], default=72 * figure.get_size_inches()[0])
    scale = min(1, COLUMN / width, PHONE / (widest / 72 * 96))
    return min(sizes) / 72 * 96 * scale
