"""One owner a run folder, or a pooled one: two at once would overwrite each other's results."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from helpers.errors import StudyError
from helpers.study.places import made_folder, shown_path

# The clock that start times are counted from may be set a little while a process runs.
_CLOCK_SECONDS = 10
_WRITTEN_SECONDS = 5  # after so long a lock without an owner is no longer being written
_JUST_TAKEN = "Another radbook has just begun to work in this folder: wait until it is done."
_OTHER_FOLDER = "name another folder with --run-dir"


@contextmanager
def locked(folder: Path, inside: str = "private", instead: str = _OTHER_FOLDER) -> Iterator[None]:
    """Keep a run folder for this process: ``private/lock.json`` names it until it is done.

    In another folder the lock lies ``inside`` it, and a message says what can be done ``instead``.

    A lock whose process is gone is taken over. On another machine nobody can tell from here.

    Raises
    ------
    StudyError
        When another process has the folder: which, and what to do.
    """
    path = made_folder(folder) / inside / "lock.json"
    path.parent.mkdir(exist_ok=True, mode=0o700)
    mine = {"machine": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    _take(path, mine, folder, instead)
    try:
        yield
    finally:
        if _owner(path) == mine:
            path.unlink()


def _take(path: Path, mine: dict, folder: Path, instead: str) -> None:
    for _ in range(2):
        try:
            with path.open("x", encoding="utf-8") as file:  # only where there is none, on any disk
                file.write(json.dumps(mine))
            return
        except FileExistsError:
            _remove_if_left(path, folder, instead)
        except OSError:  # the disk is full
            path.unlink(missing_ok=True)
            raise
    raise StudyError(_JUST_TAKEN)


def _remove_if_left(path: Path, folder: Path, instead: str) -> None:
    """Remove the lock when its owner is gone; else say whose it is."""
    owner = _owner(path)
    if owner is not None and _is_there(owner):
        where = shown_path(path)
        here = owner["machine"] == platform.node()
        remedy = f"If that machine no longer works on it, remove {where} and give the command again."
        raise StudyError(
            f"Another radbook (process {owner['pid']} on {owner['machine']}) works in "
            f"{shown_path(folder)}: two at once would overwrite each other's results. Wait until it is done, "
            f"or {instead}. {'' if here else remedy}".rstrip()
        )
    if owner is None and path.exists() and time.time() - path.stat().st_mtime < _WRITTEN_SECONDS:
        raise StudyError(_JUST_TAKEN)
    path.unlink(missing_ok=True)


def _owner(path: Path) -> dict | None:
    """Whose the lock is; None when it is gone, damaged, or just being written."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return owner if {"machine", "pid", "started"} <= set(owner) else None
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _is_there(owner: dict) -> bool:
    if owner["machine"] != platform.node():
        return True
    try:
        started = psutil.Process(owner["pid"]).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(started - owner["started"]) < _CLOCK_SECONDS
