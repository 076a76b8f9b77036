"""Zip files and their like, which archives hand over in place of folders and images."""

from __future__ import annotations

import tarfile
from pathlib import Path

ENDINGS = (".zip", ".7z", ".rar", ".tar", ".tar.gz", ".tgz")
_STARTS = (b"PK\x03\x04", b"7z\xbc\xaf'\x1c", b"Rar!\x1a\x07")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by what it holds."""
    with path.open("rb") as file:
        if file.read(8).startswith(_STARTS):
            return True
    return tarfile.is_tarfile(path)


def has_archive_beside(path: Path) -> bool:
    """Whether something of this name lies there packed: ``ct/12.zip`` in place of ``ct/12``."""
    stem = path.name.split(".")[0]
    names = {f"{name}{ending}" for name in (stem, path.name) for ending in ENDINGS}
    return any(path.with_name(name).is_file() for name in names)
