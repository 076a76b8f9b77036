"""What is costly to make is made once for all workers of pytest-xdist, in the folder that they share."""

import time
from pathlib import Path


def made_once(tmp_path_factory, name, make):
    """The folder ``name``, filled by ``make(folder)`` in whichever worker comes first; the others wait.

    Raises
    ------
    RuntimeError
        When another worker could not make it: its own report says why.
    """
    base = tmp_path_factory.getbasetemp()
    # Each worker of pytest-xdist has a folder of its own in the one that all share.
    shared = base.parent if base.name.startswith("popen-") else base
    folder, ready, failed = (shared / f"{name}{end}" for end in ("", ".ready", ".failed"))
    try:
        folder.mkdir()
    except FileExistsError:
        return waited_for(folder, ready, failed)
    try:
        make(folder)
    except BaseException:
        failed.touch()
        raise
    ready.touch()
    return folder


def waited_for(folder: Path, ready: Path, failed: Path) -> Path:
    while not ready.exists():
        if failed.exists():
            raise RuntimeError(f"'{folder.name}' could not be made by another worker, which says why.")
        time.sleep(0.2)
    return folder
