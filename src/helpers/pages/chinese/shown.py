"""What a chapter's code showed, in Chinese: labels of figures, cells of tables, glued words, messages."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable

from nbformat import NotebookNode

from helpers.pages.chinese import alignment
from helpers.pages.chinese.words import Words, is_kept
from helpers.study.run_folder import Run

GLUED = "application/papermill.record/text/plain"
_MARKUP = re.compile(r"(<style.*?</style>|<script.*?</script>|<[^>]+>)", re.DOTALL)
# A label with a box around it has that as a group of its own.
_LABEL = re.compile(r'<g id="text_\d+">(?:\s*<g id="patch_\d+">.*?</g>)?.*?</g>', re.DOTALL)
_LINE = re.compile(r"(?P<before><text [^>]*>)(?P<text>[^<]*)(?=</text>)")
_PIECE = re.compile(r"[A-Za-z0-9.,%+−-]+[，。；：）]?|.[，。；：）]?")
_FAMILY = "font-family: 'DejaVu Sans'"
# Latin letters and digits stay as they were drawn; Chinese ones come from what the reader's system has.
_FAMILIES = "font-family: 'DejaVu Sans', 'Noto Sans CJK SC', 'Noto Sans SC', 'Microsoft YaHei', 'PingFang SC'"


def translate_outputs(notebook: NotebookNode, words: Words, run: Run) -> None:
    """Look up in the table of words whatever the chapter's outputs say."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = by_lines(output.text, words)
            elif data := output.get("data"):
                _draw(data, cell.source, run)
                for kind, change in _CHANGES.items():
                    if kind in data:
                        data[kind] = change(data[kind], words)


def _draw(data: dict, code: str, run: Run) -> None:
    """In place of a picture's points, its drawing with words: the one that the cell saved."""
    if "image/png" not in data:
        return
    for name in re.findall(r'"(\w+)"', code):
        for private in (False, True):
            path = run.figure_path(name, "svg", private)
            if path.is_file():
                data["image/svg+xml"] = path.read_text(encoding="utf-8")
                data.pop("image/png", None)


def translate_html(text: str, words: Words) -> str:
    """HTML whose texts between tags are looked up one by one."""
    pieces = _MARKUP.split(text)
    for number, piece in enumerate(pieces):
        if number % 2 == 0 and piece.strip():
            said = html.escape(words.or_english(html.unescape(piece.strip())), quote=False)
            pieces[number] = piece.replace(piece.strip(), said)
    return "".join(pieces)


def translate_svg(text: str, words: Words) -> str:
    """A drawing with its labels looked up: a line alone, else with those that follow it in the label."""

    def label(drawn: re.Match) -> str:
        english = lines_of(drawn[0])
        chinese = _lines_in_chinese(english, words)
        moves = iter(alignment.moves([line["before"] for line in _LINE.finditer(drawn[0])], english, chinese))
        said = iter(chinese)
        return _LINE.sub(lambda line: next(moves) + html.escape(next(said), quote=False), drawn[0])

    return _LABEL.sub(label, text).replace(_FAMILY, _FAMILIES)


def lines_of(label: str) -> list[str]:
    """The lines of a label, in order."""
    return [html.unescape(line["text"]) for line in _LINE.finditer(label)]


def _lines_in_chinese(lines: list[str], words: Words) -> list[str]:
    """As many lines as there were: a broken sentence is looked up whole and broken anew, a name stays."""
    if len(lines) > 1 and is_kept(" ".join(lines)):
        return lines
    made: list[str] = []
    while len(made) < len(lines):
        rest = lines[len(made) :]
        for count in range(1, len(rest) + 1):
            said = words.chinese(" ".join(rest[:count]))
            if said is not None:
                made += broken(said, count)
                break
        else:
            made.append(words.or_english(rest[0], label=" ".join(lines)))
    return made


def broken(text: str, count: int) -> list[str]:
    """A text in so many lines of about the same length; words and numbers in Latin letters stay whole."""
    lines, length = [""], -(-len(text) // count)
    for piece in _PIECE.findall(text):
        if len(lines[-1]) + len(piece) > length and lines[-1] and len(lines) < count:
            lines.append("")
        lines[-1] += piece
    return lines + [""] * (count - len(lines))


def by_lines(text: str, words: Words) -> str:
    """Each line of a message looked up."""
    return "\n".join(words.or_english(line) if line.strip() else line for line in text.split("\n"))


def _glued(text: str, words: Words) -> str:
    """A word that the prose says: MyST-NB keeps it as Python writes texts."""
    value = ast.literal_eval(text)
    return repr(words.or_english(value)) if isinstance(value, str) else text


_CHANGES: dict[str, Callable[[str, Words], str]] = {
    GLUED: _glued,
    "text/html": translate_html,
    "text/markdown": by_lines,
    "image/svg+xml": translate_svg,
}
