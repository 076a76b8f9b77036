"""One look for every figure: style, colours that follow cohorts and models, saving."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from helpers.plots.tables import escape_styled_tables
from helpers.study.contracts import COHORT_TITLES
from helpers.study.run_folder import Run

# Okabe & Ito: told apart by colour-blind readers.
COHORT_COLOURS = {"training": "#0072B2", "internal": "#E69F00", "external": "#009E73"}
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
    """A row of panels, one a cohort under its title; ``shared`` says which axes are, as in `plt.subplots`."""
    figure, axes = plt.subplots(1, len(cohorts), figsize=size, squeeze=False, **shared)
    for axis, cohort in zip(axes[0], cohorts, strict=True):
        axis.set_title(COHORT_TITLES.get(cohort, cohort))
    return figure, list(axes[0])


def font_families(text: str) -> list[str]:
    """Fonts to draw a hospital's own words with: the style's, and for Chinese one that this machine has."""
    families = list(plt.rcParams["font.family"])
    if all(ord(character) < 0x2E80 for character in text):
        return families
    installed = set(font_manager.get_font_names())
    return families + [name for name in CHINESE_FONTS if name in installed][:1]


def save_figure(
    run: Run, name: str, figure: Figure, single_patient: bool = False, of_paper: bool = False
) -> None:
    """Write ``figure`` to share/figures as SVG and PNG; on virtual data it says so in its corner.

    One that shows a ``single_patient`` who is real (a picture, a dot each, bars of few) goes to
    private/figures. One ``of_paper`` shows nothing but printed numbers, no data of the run.
    """
    if run.study.is_virtual and not of_paper:
        layout = figure.get_layout_engine()
        if layout is not None:  # a strip at the bottom stays free of labels
            layout.set(rect=(0, 0.03, 1, 0.97))
        figure.text(0.995, 0.002, "virtual cohort", ha="right", va="bottom", fontsize=7, color="#777777")
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
