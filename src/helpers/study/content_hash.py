"""One way to tell content from content: by its SHA-256."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def content_hash(*parts: bytes | memoryview | str | Path) -> str:
    """SHA-256 of one text, of bytes, or of a file's content; of several, that of their hashes in a row.

    Parts are hashed first, so that none runs into the next.
    """
    digests = [hashlib.sha256(_content(part)) for part in parts]
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def _content(part: bytes | memoryview | str | Path) -> bytes | memoryview:
    if isinstance(part, Path):
        return part.read_bytes()
    return part.encode() if isinstance(part, str) else part


def file_hash(path: Path) -> str:
    """As :func:`content_hash` of a file, which is read again only when its date or size has changed."""
    state = path.stat()
    return _hash_of(path, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=4096)
def _hash_of(path: Path, *state: int) -> str:
    return content_hash(path)
