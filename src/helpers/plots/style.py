"""One look for every figure: style, colours that follow cohorts and models, saving."""

from __future__ import annotations

import io
import textwrap
from itertools import cycle
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray
from PIL import Image

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
    "HU and clinical": "#009E73",
}
OUTCOME_COLOURS = {0: "#56B4E9", 1: "#D55E00"}
# What Linux, Windows and macOS bring along.
CHINESE_FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei"]
CHINESE_FONTS += ["PingFang SC", "Heiti SC"]
STYLE = Path(__file__).with_name("book.mplstyle")


def use_style() -> None:
    """Set the book's look for the rest of the notebook: figures' style, tables whose texts are no markup."""
    plt.style.use(STYLE)
    escape_styled_tables()


def cohort_panels(cohorts: list[str], size: tuple[float, float], **shared: bool) -> tuple[Figure, list[Axes]]:
    """A row of panels, one a cohort under its title; ``shared`` says which axes are, as in `plt.subplots`.

    ``size`` is that of all panels in one row. Where there are several external hospitals the row is broken.
    """
    rows, columns = panel_grid(cohorts)
    size = (size[0] * columns / len(cohorts), size[1] * rows) if rows > 1 else size
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **shared)
    for axis, cohort in zip(axes.flat, cohorts, strict=False):
        head_panel(axis, cohort)
    remove_spare(axes, len(cohorts))
    return figure, list(axes.flat)[: len(cohorts)]


def panel_grid(cohorts: list[str]) -> tuple[int, int]:
    """Rows and columns of panels, one a cohort; several external hospitals are too wide for one row."""
    number = len(cohorts)
    if number <= 3 or not any(map(is_one_of_several, cohorts)):
        return 1, number
    columns = 2 if number == 4 else 3
    return -(-number // columns), columns


def stacked_panels(
    cohorts: list[str], size: tuple[float, float], **shared: bool | list
) -> tuple[Figure, NDArray]:
    """As `cohort_panels`, two panels one above the other for each cohort: axes of shape (2, cohorts).

    Without titles; ``height_ratios`` are those of the two.
    """
    rows, columns = panel_grid(cohorts)
    size = (size[0] * columns / len(cohorts), size[1] * rows) if rows > 1 else size
    if "height_ratios" in shared:
        shared["height_ratios"] = shared["height_ratios"] * rows
    figure, axes = plt.subplots(2 * rows, columns, figsize=size, squeeze=False, **shared)
    tops, bottoms = axes[::2], axes[1::2]
    for spare in (*list(tops.flat)[len(cohorts) :], *list(bottoms.flat)[len(cohorts) :]):
        spare.remove()
    for axis in list(bottoms.flat)[: len(cohorts)]:
        axis.tick_params(labelbottom=True)
    return figure, np.array([list(part.flat)[: len(cohorts)] for part in (tops, bottoms)])


def remove_spare(axes: NDArray, used: int) -> None:
    """Take away the panels of the last row that no cohort needs, and name the x axis above them."""
    for spare in list(axes.flat)[used:]:
        spare.remove()
    for axis in axes[-2][used % axes.shape[1] :] if used < axes.size else []:
        axis.tick_params(labelbottom=True)


def head_panel(axis: Axes, cohort: str, before: str = "", after: str = "", **style: float) -> None:
    """Give a panel its cohort's title; a hospital's own name stands in a line of its own."""
    text = cohort_title(cohort)
    if is_one_of_several(cohort):
        kind, name = text.split(": ", 1)
        text = f"{kind}:\n{textwrap.fill(name, 30)}"
    axis.set_title(f"{before}{text}{after}", fontfamily=font_families(text), **style)


def cohort_colours(cohorts: list[str]) -> dict[str, str]:
    """Each cohort's colour, the same throughout the book."""
    several = [name for name in cohorts if is_one_of_several(name)]
    return COHORT_COLOURS | dict(zip(several, cycle(_EXTERNAL_COLOURS), strict=False))


def fonts_of(texts: list[str]) -> FontProperties | None:
    """For a legend's hospitals' own words; None where the style's own font has them all."""
    text = "".join(texts)
    return None if text.isascii() else FontProperties(family=font_families(text), size=9)


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
    """Write ``figure`` to share/figures as SVG and PNG; on virtual data it says so in its corner.

    Where it shows other data than the run's, the corner says whose ``data`` they are.

    One that shows a ``single_patient`` who is real (a picture, a dot each, bars of few) goes to
    private/figures. One ``of_paper`` shows nothing but printed numbers, no data of the run.
    """
    made_up = "virtual cohort" if run.study.is_of_paper_design else "simulated patients"
    remark = data or (made_up if run.study.is_virtual and not of_paper else "")
    if remark:
        layout = figure.get_layout_engine()
        if layout is not None:  # a strip at the bottom stays free of labels
            layout.set(rect=(0, 0.03, 1, 0.97))
        figure.text(0.995, 0.002, remark, ha="right", va="bottom", fontsize=7, color="#777777")
    private = single_patient and not run.study.is_virtual
    with run.writing(run.figure_path(name, "svg", private)) as path:
        # No date in the file: the same run gives the same bytes.
        figure.savefig(path, format="svg", metadata={"Date": None})
    with run.writing(run.figure_path(name, "png", private)) as path:
        _save_png(figure, path)


def _save_png(figure: Figure, path: Path) -> None:
    """Without an alpha channel, which a white figure does not need: a tenth smaller."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 0})
    with Image.open(drawn) as picture:
        picture.convert("RGB").save(path, format="png", dpi=picture.info["dpi"])
