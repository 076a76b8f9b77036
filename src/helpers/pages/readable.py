"""What can be read in a file, whatever its kind: pages, notebooks, tables, archives, pictures, PDF."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import gzip
import html
import io
import itertools
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.font_manager import get_font
from PIL import ExifTags, Image

from helpers.pages import readable_pdf

_DEEPEST = 4
# Sphinx's list of words with the numbers of their pages: "home": 7 is no home-7.
_INDEX, _PLACES = "searchindex.js", re.compile(r":\s*(?:\d+|\[[\d,\s]*\])")
_LARGEST = 300_000_000  # bytes of one unpacked file
_EMBEDDED_FILE = re.compile(r"base64,([A-Za-z0-9+/=\\\s]+)")
# A library's code, which a page brings along so that it needs no network.
_LIBRARY = re.compile(r"data:text/javascript;base64,[A-Za-z0-9+/=]+")
_NIFTI, _NIFTI_HEADER = (b"n+1\0", b"ni1\0"), 352  # bytes
_GLYPH = re.compile(r"<use\b[^>]*href=\"#(?P<font>[^\">]*)-(?P<glyph>[0-9a-f]{1,5})\"[^>]*?(?:/>|>\s*</use>)")
_INLINE = r"</?(?:a|b|code|em|g|i|small|span|strong|sub|sup|text|tspan)(?:\s[^<>]*)?>"
_SPLIT = re.compile(r"(?<![^\W_])(?:[^\W\d_]\s{1,40}){3,}[^\W\d_](?![^\W_])")
_EXIF_PARTS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_PNG = b"\x89PNG\r\n\x1a\n"
# In bytes that are no text, letters stand side by side by chance: six at least, or two Chinese characters.
_WRITTEN = re.compile("[^\\x00-\\x1f\\x7f-\\x9f\ufffd]{6,}|[\u4e00-\u9fff]{2,}")
_PICKLES = (b"\x80\x04", b"\x80\x05")
_BESIDE_PIXELS = 65_536  # bytes
_PICTURES = (_PNG, b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"RIFF")


def readable(content: bytes, name: str = "", depth: int = 0) -> str:
    """The text in a file: of an archive that of its files, of a picture its metadata, of a notebook outputs.

    Parameters
    ----------
    content : bytes
    name : str
        The file's name; what it is, its content tells, but for notebooks.
    depth : int
        Archives around it; not opened from the fourth on.
    """
    if depth < _DEEPEST and (reader := _reader(content)):
        try:
            return reader(content, depth)
        except Exception:  # damaged files raise nearly anything; their bytes can still be read
            return _raw(content)
    text = _decoded(content)
    return _marked_up(text, name, depth) if text is not None else _raw(content)


def _reader(content: bytes):
    """Who opens files that begin like this one."""
    if content.startswith(_PICTURES):
        return _picture
    if content[344:348] in _NIFTI:
        return _nifti
    starts = {b"PK\x03\x04": _zip, b"\x1f\x8b": _gzip, b"PAR1": _parquet, b"\x93NUMPY": _array}
    starts |= {b"%PDF": _pdf, b"\xd0\xcf\x11\xe0": _old_excel}
    return next((reader for start, reader in starts.items() if content.startswith(start)), None)


def _nifti(content: bytes, depth: int) -> str:
    """The header's texts; what voxels would be as letters says nothing."""
    return _raw(content[:_NIFTI_HEADER])


def _zip(content: bytes, depth: int) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = [one for one in archive.infolist() if one.file_size <= _LARGEST]
        texts = [f"{one.filename}\n{readable(archive.read(one), one.filename, depth + 1)}" for one in files]
        return "\n".join([*texts, *(one.comment.decode("utf-8", "replace") for one in files)])


def _gzip(content: bytes, depth: int) -> str:
    with gzip.open(io.BytesIO(content)) as file:
        return readable(file.read(_LARGEST), "", depth + 1)


def _parquet(content: bytes, depth: int) -> str:
    return _table_text(pd.read_parquet(io.BytesIO(content)).reset_index())


def _old_excel(content: bytes, depth: int) -> str:
    sheets = pd.read_excel(io.BytesIO(content), sheet_name=None, header=None, dtype=str, engine="calamine")
    return "\n".join(f"{name}\n{_table_text(sheet)}" for name, sheet in sheets.items())


def _table_text(table: pd.DataFrame) -> str:
    """Headers and cells, without decimal numbers."""
    return table.select_dtypes(exclude="floating").to_csv(index=False, sep="|")


def _array(content: bytes, depth: int) -> str:
    values = np.load(io.BytesIO(content), allow_pickle=False)
    return "" if values.dtype.kind == "f" else "|".join(map(str, values.ravel().tolist()))


def _pdf(content: bytes, depth: int) -> str:
    text = readable_pdf.text_of(content)
    return "\n".join([text, *_joined(text)])


def _picture(content: bytes, depth: int) -> str:
    """Texts beside the pixels: comments, EXIF, XMP, the chunks of a PNG."""
    if content.startswith(_PNG):
        return _raw(b"\n".join(_chunks(content)))
    with Image.open(io.BytesIO(content)) as picture:
        exif = picture.getexif()
        values = [*picture.info.values(), *exif.values()]
        values += [value for part in _EXIF_PARTS for value in exif.get_ifd(part).values()]
    texts = [_raw(value) if isinstance(value, bytes) else str(value) for value in values]
    # Comments may stand before the pixels, or behind them.
    return "\n".join([*texts, _raw(content[:_BESIDE_PIXELS]), _raw(content[-_BESIDE_PIXELS:])])


def _chunks(content: bytes) -> Iterator[bytes]:
    """Everything in a PNG but its pixels; compressed texts as they are and inflated."""
    at = len(_PNG)
    while at + 8 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if kind != b"IDAT":
            yield (chunk := content[at + 8 : at + 8 + size])
            for start in (hit.start() for hit in re.finditer(b"\x78[\x01\x5e\x9c\xda]", chunk)):
                with contextlib.suppress(zlib.error):
                    yield zlib.decompressobj().decompress(chunk[start:], _LARGEST)
        at += size + 12
    yield content[at:]


def _decoded(content: bytes) -> str | None:
    """A text file's text, in whatever encoding; None for other files."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    nuls = content.count(b"\0")
    if nuls == 0:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return f"{content.decode('gb18030', 'replace')}\n{content.decode('cp1252', 'replace')}"
    if nuls > len(content) / 4:  # UTF-16 without a mark of its order, mostly of Latin letters
        order = "le" if content[1::2].count(b"\0") > content[::2].count(b"\0") else "be"
        return content.decode(f"utf-16-{order}", "replace")
    return None


def _raw(content: bytes) -> str:
    """What a file of an unknown kind shows in each of the usual encodings; pickles have one."""
    if content.startswith(_PICKLES):
        return content.decode("utf-8", "replace")
    content = content.replace(b"UNICODE\0", b"\0" * 8)  # before the user comment in EXIF
    codes = [
        ("utf-8", 0),
        ("gb18030", 0),
        ("latin-1", 0),
        *itertools.product(("utf-16-le", "utf-16-be"), (0, 1)),
    ]
    texts = (content[start:].decode(code, "replace") for code, start in codes)
    return "\n".join(run for text in texts for run in _WRITTEN.findall(text))


def _marked_up(text: str, name: str, depth: int) -> str:
    """A text without escapes; behind it what is in embedded files, and what is written letter by letter."""
    if name.endswith(".ipynb"):
        text, files = _printed(json.loads(text))
    else:
        text = _LIBRARY.sub("", text)
        text = _PLACES.sub(":", text) if name.endswith(_INDEX) else text
        files = _EMBEDDED_FILE.findall(text)
    text = html.unescape(_EMBEDDED_FILE.sub("", text))
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    text = unquote(text) if "%" in text else text
    inside = [readable(_bytes(file), "", depth + 1) for file in dict.fromkeys(files)]
    return "\n".join([text, *_joined(text), *inside])


def _joined(text: str) -> list[str]:
    """What tags, gaps between letters or drawn letters take apart, put together."""
    plain = text
    if "<" in text:
        plain = _GLYPH.sub(_letter, text)
        plain = re.sub(r"\s*<text\b", "\n<text", re.sub(r"<!--.*?-->", "", plain, flags=re.DOTALL))
        plain = re.sub(_INLINE, "", plain)
    close = [re.sub(r"\s", "", letters[0]) for letters in _SPLIT.finditer(re.sub("<[^<>]*>", "<>", plain))]
    return [*([plain] if plain is not text else []), "\n".join(close)]


def _letter(glyph: re.Match) -> str:
    """The letter that a shape of matplotlib draws: its number is the font's own, or the letter's."""
    number = int(glyph["glyph"], 16)
    return chr(_letters(glyph["font"]).get(number, number % 0x110000))


@functools.cache
def _letters(font: str) -> dict[int, int]:
    """Letters by number of the shape, of a font that this machine has."""
    files = [entry.fname for entry in font_manager.fontManager.ttflist if Path(entry.fname).stem == font]
    return {glyph: code for code, glyph in get_font(files[0]).get_charmap().items()} if files else {}


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\\n|[\\\s]", "", text))
    except binascii.Error:
        return b""


def _printed(notebook: dict) -> tuple[str, list[str]]:
    """A notebook's outputs and the parameters that it was given; and its pictures, in base 64."""
    texts, files = [], []
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            texts.append("".join(cell["source"]))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            files += ["".join(data[kind]) for kind in ("image/png", "image/jpeg") if kind in data]
            data = {kind: value for kind, value in data.items() if kind not in ("image/png", "image/jpeg")}
            texts.append(json.dumps(output | {"data": data}, ensure_ascii=False).replace(r"\"", '"'))
    text = _LIBRARY.sub("", "\n".join(texts))
    return text, files + _EMBEDDED_FILE.findall(text)
