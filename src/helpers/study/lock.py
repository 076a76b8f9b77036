"""One owner a run folder, or a pooled one, one writer a file: two at once overwrite each other's results."""

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
from helpers.study.places import made_folder, shown_path, unwritable

# The clock that start times are counted from may be set a little while a process runs.
_CLOCK_SECONDS = 10
_WRITTEN_SECONDS = 5  # after so long a lock without an owner is no longer being written
_LOOK_SECONDS = 0.01  # a file of a run is written in less
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
    mine = _me()
    _take(path, mine, folder, instead)
    try:
        yield
    finally:
        if _owner(path) == mine:
            path.unlink()


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Wait for one's turn to read and rewrite a file that other processes and threads write too.

    A lock whose process was killed is taken away.

    Raises
    ------
    StudyError
        When the disk does not take the lock.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        while not _is_taken(lock, _me()):
            # Looked into only when it is old: what is open cannot be removed on Windows.
            if _age(lock) > _WRITTEN_SECONDS and _is_left(lock):
                lock.unlink(missing_ok=True)
            time.sleep(_LOOK_SECONDS)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield
    finally:
        lock.unlink()


def _me() -> dict:
    return {"machine": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def _take(path: Path, mine: dict, folder: Path, instead: str) -> None:
    for _ in range(2):
        if _is_taken(path, mine):
            return
        _remove_if_left(path, folder, instead)
    raise StudyError(_JUST_TAKEN)


def _is_taken(path: Path, mine: dict) -> bool:
    """Whether the lock, which nobody had, is now ours."""
    try:
        with path.open("x", encoding="utf-8") as file:  # only where there is none, on any disk
            file.write(json.dumps(mine))
        return True
    except FileExistsError:
        return False
    except OSError:  # the disk is full
        path.unlink(missing_ok=True)
        raise


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
    if path.exists() and not _is_left(path):
        raise StudyError(_JUST_TAKEN)
    path.unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    """Whether there is a lock whose owner is gone; without one it may be just being written by another."""
    owner = _owner(path)
    return _age(path) > _WRITTEN_SECONDS if owner is None else not _is_there(owner)


def _age(path: Path) -> float:
    """Seconds since the lock was written; 0 when it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0


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
