"""One owner a run folder: two runs at once would overwrite each other's results."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from helpers.errors import StudyError
from helpers.study.places import made_folder, shown_path

# The clock that start times are counted from may be set a little while a process runs.
_CLOCK_SECONDS = 10


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a run folder for this process: ``private/lock.json`` names it until it is done.

    A lock whose process is gone is taken over. On another machine nobody can tell from here.

    Raises
    ------
    StudyError
        When another process has the folder: which, and what to do.
    """
    path = made_folder(folder) / "private" / "lock.json"
    path.parent.mkdir(exist_ok=True, mode=0o700)
    mine = {"machine": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    _take(path, mine)
    try:
        yield
    finally:
        if _owner(path) == mine:
            path.unlink()


def _take(path: Path, mine: dict) -> None:
    own = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        own.write_text(json.dumps(mine), encoding="utf-8")
        for _ in range(2):
            try:
                os.link(own, path)  # whole, and only where there is none
                return
            except FileExistsError:
                _remove_if_left(path)
    finally:
        own.unlink(missing_ok=True)
    raise StudyError(f"Another radbook has just taken {shown_path(path.parents[1])}: wait until it is done.")


def _remove_if_left(path: Path) -> None:
    """Remove the lock when its owner is gone; else say whose it is."""
    owner = _owner(path)
    if owner is not None and _is_there(owner):
        where = shown_path(path)
        here = owner["machine"] == platform.node()
        remedy = f"If that machine no longer works on it, remove {where} and give the command again."
        raise StudyError(
            f"Another radbook (process {owner['pid']} on {owner['machine']}) works in "
            f"{shown_path(path.parents[1])}: two at once would overwrite each other's results. Wait until it "
            f"is done, or name another folder with --run-dir. {'' if here else remedy}".rstrip()
        )
    path.unlink(missing_ok=True)


def _owner(path: Path) -> dict | None:
    """Whose the lock is; None when it is gone, or damaged: it appears whole."""
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
