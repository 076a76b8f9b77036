"""The text of a PDF file: enough of the format (ISO 32000) to search it, no layout."""

from __future__ import annotations

import re
import zlib

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_SHOWN = re.compile(rb"\((?:\\.|[^\\()])*\)|<[0-9A-Fa-f\s]+>", re.DOTALL)
# Numbers between the pieces of a text move letters a little; other operators end it.
_PIECES = re.compile(rb"(?:\((?:\\.|[^\\()])*\)|<[0-9A-Fa-f\s]+>|[-+.\d\s])*", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_BFCHAR = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>")
_BFRANGE = re.compile(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*(<[0-9A-Fa-f]+>|\[[^\]]*\])")
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_MOST_CODES = 70_000
_LONGEST_ENTRIES = 200_000  # bytes; longer streams that show no text are pictures and fonts


def text_of(content: bytes) -> str:
    """Titles and other entries, and every text that is shown, with the letters of each font's own table."""
    streams = [_inflated(stream) for stream in _STREAM.findall(content)]
    maps = [_letters(stream) for stream in streams if b"begincmap" in stream]
    rest = _STREAM.sub(b"", content)
    parts = [rest.decode("utf-8", "ignore"), _entries(rest)]
    for stream in streams:
        if b"begincmap" in stream:
            continue
        parts.append(stream.decode("utf-8", "ignore"))
        if b"Tj" in stream or b"TJ" in stream or len(stream) < _LONGEST_ENTRIES:
            parts.append(_entries(stream))
        if b"Tj" in stream or b"TJ" in stream:
            parts += [_mapped(stream, letters) for letters in maps]
    return "\n".join(parts)


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(stream)
    except zlib.error:
        return stream


def _entries(stream: bytes) -> str:
    """Texts in a font's plain encoding, or in UTF-16 as titles have it."""
    runs = [[_bytes(piece) for piece in _SHOWN.findall(run)] for run in _PIECES.findall(stream)]
    return "\n".join(_decoded(b"".join(run)) for run in runs if run)


def _decoded(text: bytes) -> str:
    return (
        text[2:].decode("utf-16-be", "ignore") if text[:2] == b"\xfe\xff" else text.decode("cp1252", "ignore")
    )


def _bytes(piece: bytes) -> bytes:
    """A literal or hexadecimal string."""
    if piece[:1] == b"<":
        digits = re.sub(rb"\s", b"", piece[1:-1])
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
    return _ESCAPE.sub(_escaped, piece[1:-1])


def _escaped(code: re.Match) -> bytes:
    return bytes([int(code[1], 8) % 256]) if code[1].isdigit() else _LETTERS.get(code[1], code[1])


def _letters(cmap: bytes) -> dict[bytes, str]:
    """A font's table from codes to letters (ToUnicode)."""
    found: dict[bytes, str] = {}
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        found |= {
            _hex(code): _hex(text).decode("utf-16-be", "ignore") for code, text in _BFCHAR.findall(block)
        }
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for first, last, target in _BFRANGE.findall(block):
            found |= _range(first, last, target)
    return found


def _range(first: bytes, last: bytes, target: bytes) -> dict[bytes, str]:
    low, high, size = int(first, 16), min(int(last, 16), int(first, 16) + _MOST_CODES), len(first) // 2
    texts = re.findall(rb"<([0-9A-Fa-f]+)>", target)
    if target[:1] == b"[":
        letters = [_hex(text).decode("utf-16-be", "ignore") for text in texts]
    else:
        letters = [chr((int(texts[0], 16) + step) % 0x110000) for step in range(high - low + 1)]
    return {(low + step).to_bytes(size, "big"): letter for step, letter in enumerate(letters)}


def _hex(digits: bytes) -> bytes:
    return bytes.fromhex(digits.decode().zfill(len(digits) + len(digits) % 2))


def _mapped(stream: bytes, letters: dict[bytes, str]) -> str:
    """What a page shows, read with one font's table; nonsense where another font is shown."""
    size = len(next(iter(letters), b"12"))
    texts = []
    for run in _PIECES.findall(stream):
        codes = b"".join(map(_bytes, _SHOWN.findall(run)))
        cut = (codes[at : at + size] for at in range(0, len(codes), size))
        texts.append("".join(letters.get(code, "") for code in cut))
    return "\n".join(filter(None, texts))
