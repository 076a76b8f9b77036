"""Where things lie: the repository, its notebooks, and paths as a user gives or reads them."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
STEPS = {path.name[:2]: path.stem for path in sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def shown_path(path: Path | str) -> str:
    """A path as it may stand in a notebook: from the repository, or from the home folder (``~``)."""
    absolute = Path(path) if Path(path).is_absolute() else _existing(Path(path))
    if not absolute.is_relative_to(REPOSITORY) and absolute.is_relative_to(Path.home()):
        return (Path("~") / absolute.relative_to(Path.home())).as_posix()
    try:
        return Path(os.path.relpath(absolute, REPOSITORY)).as_posix()
    except ValueError:  # another drive on Windows
        return str(absolute)


def _existing(path: Path) -> Path:
    return path.resolve() if path.exists() else REPOSITORY / path


def resolve(path: Path | str) -> Path:
    """A path as the user gave it: from the working folder, else from the top of the repository."""
    path = Path(path).expanduser()
    return path if path.is_absolute() or path.exists() else REPOSITORY / path


class replacing:
    """Write to a temporary neighbour of ``path``, which takes its place only when all went well."""

    def __init__(self, path: Path):
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, kind: type | None, *_) -> None:
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)


def made_folder(folder: Path) -> Path:
    """The folder, made with all above it where it was not there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
