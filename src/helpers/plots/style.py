"""One look for every figure: style, colours that follow cohorts and models, saving."""

from __future__ import annotations

import io
import textwrap
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.display import display
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray
from PIL import Image

from helpers.plots.panels import NARROW, WIDE, mark_panels
from helpers.plots.tables import escape_styled_tables
from helpers.study.cohorts import cohort_title, is_one_of_several
from helpers.study.run_folder import Run

# Okabe & Ito: told apart by colour-blind readers.
COHORT_COLOURS = {"training": "#0072B2", "internal": "#E69F00", "external": "#009E73"}
# Of several external hospitals, in the order in which they come.
_EXTERNAL_COLOURS = ["#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#332288"]
MODEL_COLOURS = {
    "LR": "#0072B2",
    "KNN": "#E69F00",
    "SVM": "#009E73",
    "XGBoost": "#D55E00",
    "RF": "#CC79A7",
    "LightGBM": "#56B4E9",
    "clinical": "#999999",
    "radiomics": "#0072B2",
    "nomogram": "#D55E00",
    "HU and clinical": "#CC79A7",
}
# Where a number comes from, wherever sources stand side by side; book.css has the same colours.
SOURCE_COLOURS = {"paper": "#444444", "computed": "#0072B2", "strict": "#009E73", "real": "#AA3377"}
SOURCE_MARKERS = {"paper": "D", "computed": "o", "strict": "s", "real": "^"}
OUTCOME_COLOURS = {0: "#56B4E9", 1: "#D55E00"}
# What Linux, Windows and macOS bring along.
CHINESE_FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei"]
CHINESE_FONTS += ["PingFang SC", "Heiti SC"]
_LONGEST_NAME = 22  # of a hospital in a line
STYLE = Path(__file__).with_name("book.mplstyle")


def use_style() -> None:
    """Set the book's look for the rest of the notebook: figures' style, tables whose texts are no markup."""
    plt.style.use(STYLE)
    escape_styled_tables()


def cohort_panels(cohorts: list[str], height: float, **shared: bool) -> tuple[Figure, list[Axes]]:
    """Panels in rows of two, one a cohort under its title, each ``height`` inches high.

    ``shared`` says which axes are shared, as in `plt.subplots`; each panel has labels of its own
    nevertheless, since on a phone it stands alone.
    """
    figure, axes = panel_grid(len(cohorts), height, **shared)
    for axis, cohort in zip(axes, cohorts, strict=True):
        head_panel(axis, cohort)
        axis.set_label(cohort)
    return figure, axes


def panel_grid(number: int, height: float, **shared: bool) -> tuple[Figure, list[Axes]]:
    """``number`` panels in rows of two; a single one is narrow."""
    columns = min(number, 2)
    rows = -(-number // columns)
    size = (WIDE if columns > 1 else NARROW, height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **shared)
    for spare in list(axes.flat)[number:]:
        spare.remove()
    for axis in (used := list(axes.flat)[:number]):
        axis.tick_params(labelbottom=True, labelleft=True)
    return figure, used


def stacked_panels(
    cohorts: list[str], height: float, ratios: tuple[float, float] = (1, 1), **shared: bool
) -> tuple[Figure, NDArray]:
    """As `cohort_panels`, two axes one above the other for each cohort: axes of shape (2, cohorts).

    Without titles; ``ratios`` are the heights of the two, which share ``height`` inches.
    """
    columns = min(len(cohorts), 2)
    rows = -(-len(cohorts) // columns)
    size = (WIDE if columns > 1 else NARROW, height * rows)
    style = {"figsize": size, "squeeze": False, "height_ratios": [*ratios] * rows, **shared}
    figure, axes = plt.subplots(2 * rows, columns, **style)
    parts = [list(axes[first::2].flat) for first in (0, 1)]
    for part in parts:
        for spare in part[len(cohorts) :]:
            spare.remove()
        for axis, cohort in zip(part, cohorts, strict=False):
            axis.tick_params(labelbottom=True, labelleft=True)
            axis.set_label(cohort)
    return figure, np.array([part[: len(cohorts)] for part in parts])


def legend_beside(figure: Figure, handles: list, labels: list[str], panels: int, **style: object) -> None:
    """One legend for all ``panels``: in the place that an odd number of them leaves free, else below them."""
    style = {"prop": fonts_of(labels), **style}
    if panels % 2 and panels > 1:
        place = {"loc": "center", "bbox_to_anchor": (0.77, 1 / (panels + 1))}
    else:
        columns = 2 if sum(map(len, labels)) > 24 else len(labels)
        place = {"loc": "outside lower center", "ncols": columns}
    figure.legend(handles, labels, **place, **style)


def head_panel(axis: Axes, cohort: str, before: str = "", after: str = "", **style: float) -> None:
    """Give a panel its cohort's title; a hospital's own name stands in a line of its own."""
    text = cohort_title(cohort)
    if is_one_of_several(cohort):
        kind, name = text.split(": ", 1)
        text = f"{kind}:\n{textwrap.fill(name, 30)}"
    axis.set_title(f"{before}{text}{after}", fontfamily=font_families(text), **style)


def short_title(cohort: str) -> str:
    """A cohort in a line of a figure: of several external hospitals the hospital's own name, cut if long."""
    title = cohort_title(cohort)
    if not is_one_of_several(cohort):
        return title.lower()
    name = title.split(": ", 1)[1]
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1].rstrip()}…"


def cohort_colours(cohorts: list[str]) -> dict[str, str]:
    """Each cohort's colour, the same throughout the book."""
    several = [name for name in cohorts if is_one_of_several(name)]
    return COHORT_COLOURS | dict(zip(several, cycle(_EXTERNAL_COLOURS), strict=False))


def fonts_of(texts: list[str]) -> FontProperties | None:
    """For a legend's hospitals' own words; None where the style's own font has them all."""
    text = "".join(texts)
    return None if text.isascii() else FontProperties(family=font_families(text), size=8.5)


def font_families(text: str) -> list[str]:
    """Fonts to draw a hospital's own words with: the style's, and for Chinese one that this machine has."""
    families = list(plt.rcParams["font.family"])
    if all(ord(character) < 0x2E80 for character in text):
        return families
    installed = set(font_manager.get_font_names())
    return families + [name for name in CHINESE_FONTS if name in installed][:1]


def save_figure(
    run: Run,
    name: str,
    figure: Figure,
    single_patient: bool = False,
    of_paper: bool = False,
    data: str = "",
) -> None:
    """Write ``figure`` to share/figures as SVG and PNG, and show it; on virtual data its corner says so.

    Where it shows other data than the run's, the corner says whose ``data`` they are.

    One that shows a ``single_patient`` who is real (a picture, a dot each, bars of few) goes to
    private/figures. One ``of_paper`` shows nothing but printed numbers, no data of the run.
    """
    made_up = "virtual cohort" if run.study.is_of_paper_design else "simulated patients"
    remark(figure, data or (made_up if run.study.is_virtual and not of_paper else ""))
    private = single_patient and not run.study.is_virtual
    with run.writing(run.figure_path(name, "svg", private)) as path:
        write_svg(figure, path)
    with run.writing(run.figure_path(name, "png", private)) as path:
        _save_png(figure, path)
    show_figure(name, figure)


def remark(figure: Figure, text: str) -> None:
    """Say whose data a figure shows, in its lower right corner."""
    if not text:
        return
    layout, height = figure.get_layout_engine(), figure.get_size_inches()[1]
    if layout is not None:  # a strip at the bottom stays free of labels
        strip = 0.17 / height
        layout.set(rect=(0, strip, 1, 1 - strip))
    figure.text(0.995, 0.02 / height, text, ha="right", va="bottom", fontsize=8.5, color="#666666")


def write_svg(figure: Figure, path: Path) -> None:
    """Write the drawing, and where its panels are. No date in the file: the same run gives the same bytes."""
    figure.savefig(path, format="svg", metadata={"Date": None})
    mark_panels(path, figure)


def tell(figure: Figure, *sentences: str) -> None:
    """Note what a figure shows, its finding in numbers: its alternative text begins with it."""
    figure.set_label(" ".join(sentences))


def show_figure(name: str, figure: Figure) -> None:
    """Show a figure in its notebook, under its name: the book puts the drawing in the picture's place."""
    if get_ipython() is not None:
        display(figure, metadata={"radbook": {"figure": name, "finding": figure.get_label()}})
        plt.close(figure)


def _save_png(figure: Figure, path: Path) -> None:
    """Without an alpha channel, which a white figure does not need: a tenth smaller."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 0})
    with Image.open(drawn) as picture:
        picture.convert("RGB").save(path, format="png", dpi=picture.info["dpi"])
