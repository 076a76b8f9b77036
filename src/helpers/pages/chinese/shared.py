"""What both editions have alike lies once: pages of the Chinese one name the English one's files."""

from __future__ import annotations

import re
import shutil
from filecmp import cmp
from pathlib import Path

_FOLDERS = ("_static", "_images", "_downloads")
_PATH = rf"(?P<name>(?:{'|'.join(_FOLDERS)})/[^\"'?#<>)]+)"
_ADDRESS = re.compile(rf"(?<=[\"'(])(?P<up>(?:\.\./)*){_PATH}")


def share(english: Path, chinese: Path) -> None:
    """Remove from the Chinese edition the files that the English one has too; its pages load those."""
    # MyST-NB lays what it made beside each edition's folder: for the Chinese one that is the English book.
    shutil.rmtree(english / "jupyter_execute", ignore_errors=True)
    alike = set()
    for path in [path for folder in _FOLDERS for path in (chinese / folder).rglob("*") if path.is_file()]:
        name = path.relative_to(chinese)
        if (english / name).is_file() and cmp(english / name, path, shallow=False):
            alike.add(name.as_posix())
            path.unlink()
    for page in chinese.rglob("*.html"):
        _lead_there(page, "../" * len(page.relative_to(chinese).parent.parts), alike)


def _lead_there(page: Path, up: str, alike: set[str]) -> None:
    """Rewrite the addresses of a page ``up`` below the top of its edition; those rewritten before stay."""

    def address(found: re.Match) -> str:
        is_there = found["up"] == up and found["name"] in alike
        return f"../{found[0]}" if is_there else found[0]

    text = page.read_text(encoding="utf-8")
    changed = _ADDRESS.sub(address, text)
    if changed != text:
        page.write_text(changed, encoding="utf-8")
