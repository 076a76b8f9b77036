"""The page of `radbook click`, English and Chinese: its files in memory, with the book's viewer."""

from __future__ import annotations

from typing import NamedTuple

from helpers.imaging.clicked import MOST_MARGIN_MM, REASONS
from helpers.imaging.regions import LAYERS
from helpers.pages.chinese.words import Words
from helpers.pages.rendering import rendered
from helpers.plots.region_views import WINDOW
from helpers.plots.regions import BONE_WINDOW, LAYER_COLOURS
from helpers.study.places import REPOSITORY
from helpers.study.study_file import Study

_EXTRA = REPOSITORY / "book" / "extra"
_SCRIPTS = {
    "niivue.js": _EXTRA / "vendor" / "niivue" / "niivue.umd.js",
    "shared.js": _EXTRA / "interactive" / "shared.js",
}


class PageFile(NamedTuple):
    """One file of a page: its media type and content."""

    kind: str
    content: bytes


def page_files(study: Study) -> dict[str, PageFile]:
    """The files of the page by name; "" is the page itself."""
    data = {
        "colours": LAYER_COLOURS,
        "layers": LAYERS,
        "reasons": REASONS,
        "windows": [list(WINDOW), list(BONE_WINDOW)],
        "most_margin_mm": MOST_MARGIN_MM,
        "words": Words("click").for_scripts(),
    }
    page = rendered(
        "click.html", study=study, data=data, legend=list(zip(LAYERS.values(), LAYER_COLOURS, strict=True))
    )
    return {
        "": PageFile("text/html; charset=utf-8", page.encode()),
        "click.css": PageFile("text/css; charset=utf-8", rendered("click.css").encode()),
        "click.js": PageFile("text/javascript; charset=utf-8", rendered("click.js").encode()),
    } | {
        name: PageFile("text/javascript; charset=utf-8", path.read_bytes()) for name, path in _SCRIPTS.items()
    }
