"""The one cache: results of a case keyed by content, settings and engine."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import os
import tempfile
import time
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from helpers.errors import StudyError
from helpers.study.content_hash import content_hash

ENGINES = ("pyradiomics-bhklab", "PyWavelets", "SimpleITK")
_LEFTOVER_SECONDS = 3600
_DIGEST_BYTES = hashlib.sha256().digest_size


@cache
def engine_versions() -> dict[str, str]:
    """Versions of the packages that a feature's value depends on, as their distributions state them."""
    # pywt.__version__ may lie; the installed distribution's metadata does not.
    return {name: version(name) for name in ENGINES}


@cache
def source_hash(*modules: ModuleType) -> str:
    """SHA-256 of modules' source code: part of a key, so that changed code makes new entries.

    Read once a process: a file edited meanwhile is not the code that runs.
    """
    return content_hash(*map(inspect.getsource, modules))


@dataclass(frozen=True)
class CaseCache:
    """Results on disk, one file a case and stage, named by everything that determines the content.

    A file is the SHA-256 of its payload followed by the payload (NPZ), so that a damaged entry is
    noticed and computed again; it appears under its name only when it is whole. Its date says when it was
    last used.
    """

    folder: Path

    def key(self, stage: str, *parts: Any) -> str:
        """Name of the entry of ``stage`` made from ``parts`` (plain values) and the engines' versions."""
        text = json.dumps([stage, parts, engine_versions()], sort_keys=True)
        return f"{stage}/{content_hash(text)}"

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """Arrays saved under ``key``; None when there are none or the file is damaged.

        Raises
        ------
        StudyError
            When the cache's folder is not there: on a cluster's computer that cannot see the run folder.
        """
        try:
            content = self._path(key).read_bytes()
            os.utime(self._path(key))
        except FileNotFoundError:
            if self.folder.is_dir():
                return None
            raise StudyError(
                "The run folder cannot be seen from the computer that was to measure this patient. Keep the "
                "run folder and the study's files where all computers of the cluster have them."
            ) from None
        digest, payload = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        try:
            with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
                return dict(arrays)
        except (ValueError, zipfile.BadZipFile):
            return None

    def save(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Save ``arrays`` under ``key``, whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        payload = buffer.getvalue()
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may write the same entry at once: each has its own temporary file.
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            try:
                file.write(hashlib.sha256(payload).digest() + payload)
                file.flush()
            except OSError:
                os.unlink(file.name)
                raise
        os.replace(file.name, path)

    def usage(self, since: float) -> dict[str, tuple[int, int, int]]:
        """For each stage: entries, their bytes, how many were last used before ``since`` (epoch, s)."""
        usage = {}
        for stage in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            files = [path.stat() for path in stage.iterdir()]
            unused = sum(file.st_mtime < since for file in files)
            usage[stage.name] = len(files), sum(file.st_size for file in files), unused
        return usage

    def prune(self, before: float) -> int:
        """Remove what was last used before this time (seconds since the epoch); returns how many files.

        What a killed process left half-written goes as well; a run under way loses nothing but time.
        """
        # What is being written now is no leftover.
        limits = {".case": before, ".part": min(before, time.time() - _LEFTOVER_SECONDS)}
        old = [path for path in self.folder.glob("*/*") if path.stat().st_mtime < limits[path.suffix]]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.case"
