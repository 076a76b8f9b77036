"""Where things lie: the repository, its notebooks, and paths as a user gives or reads them."""

from __future__ import annotations

import errno
import glob
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from helpers.errors import StudyError

REPOSITORY = Path(__file__).resolve().parents[3]
# What the disk or the system refuses to write, and not a mistake of the program.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNWRITABLE = FULL | {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_TRIES, _TRY_SECONDS = 10, 0.05
# About many runs: radbook pool executes it, and a virtual study's run on small virtual hospitals.
POOLED = "16_pooled"
_CHAPTERS = sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))
STEPS = {path.name[:2]: path.stem for path in _CHAPTERS}


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
    """Write to a temporary neighbour of ``path``, which takes its place only when all went well.

    Raises
    ------
    StudyError
        When the disk is full or does not let us write; what was there before is kept.
    """

    def __init__(self, path: Path):
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> Path:
        for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.part"):
            left.unlink(missing_ok=True)  # of a process that was killed
        return self.temporary

    def __exit__(self, kind: type | None, error: BaseException | None, *_) -> None:
        try:
            if kind is None:
                self._take_place()
        except OSError as refused:
            error = refused
        if error is None:
            return
        self.temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise unwritable(self.path, error) from error
        if kind is None:
            raise error

    def _take_place(self) -> None:
        """On Windows a file that a chapter reads at this moment cannot be replaced."""
        for _ in range(_TRIES):
            with suppress(PermissionError):
                return self.temporary.replace(self.path)
            time.sleep(_TRY_SECONDS)
        self.temporary.replace(self.path)


def write_json(path: Path, content: object) -> None:
    """Write a small file as people can read it, whole or not at all; raises as `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(as_json(content), encoding="utf-8")


def as_json(content: object, allow_nan: bool = False) -> str:
    """JSON as it stands in our files: indented, any script as it is."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=allow_nan) + "\n"


def unwritable(what: Path | str, error: OSError) -> StudyError:
    """What to tell when a file, or something named in words, could not be written; ``error`` says why."""
    name = f"'{shown_path(what)}'" if isinstance(what, Path) else what
    why, remedy = os.strerror(error.errno), "Mend that"
    if error.errno in FULL:
        why, remedy = "the disk is full", "Make room (radbook cache --prune removes what no run needs)"
    return StudyError(
        f"{name} could not be written: {why}. {remedy}, then give the same command again: it "
        "goes on where it stopped. Results that were there before are kept."
    )


def visible_files(folder: Path) -> list[Path]:
    """The files in a folder and below, without hidden ones: half-written, or the system's."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]


def made_folder(folder: Path) -> Path:
    """The folder, made with all above it where it was not there; StudyError when the disk does not let us."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in UNWRITABLE:
            raise unwritable(folder, error) from error
        raise
    return folder
