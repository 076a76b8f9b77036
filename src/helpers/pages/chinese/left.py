"""What the Chinese edition of a run still says in English, for whoever translates it.

``python -m helpers.pages.chinese.left runs/quick 07`` lists the prose and the words of chapter 07 that have
no current translation; with ``--write`` the prose is put into its file of book/zh, to be translated in place.
A name is a chapter's number (07), a page's name (choices) or a template's (model_card.j2).
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from helpers.pages import designs, rendering
from helpers.pages.chinese import blocks, edition, places, tokens
from helpers.pages.chinese.sentences import english_sentences
from helpers.pages.staging import made_pages
from helpers.study.places import REPOSITORY, STEPS
from helpers.study.run_folder import Run, open_run, read_record

_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.\d+)?(?!\w|\.\w)")


@dataclass(frozen=True)
class Original:
    """An English file with prose, and where its translation stands."""

    name: str
    path: Path
    translation: Path
    cut: Callable[[str], list[blocks.Block]]

    def blocks(self) -> list[blocks.Block]:
        """Its prose, in order."""
        return self.cut(self.path.read_text(encoding="utf-8"))

    def missing(self) -> list[blocks.Block]:
        """The prose without a current translation."""
        known = blocks.translations(self.translation)
        return [block for block in self.blocks() if block.state not in known]

    def unused(self) -> list[str]:
        """Names of translated blocks whose English is no longer there, and of unfinished ones."""
        states = {block.state for block in self.blocks()}
        return [
            name
            for name, state, _ in blocks.parts(self.translation)
            if state not in states or name.startswith(blocks.UNFINISHED)
        ]

    def differences(self) -> dict[str, list[str]]:
        """What does not fit in translated blocks, by name (`helpers.pages.chinese.tokens`)."""
        known = blocks.translations(self.translation)
        found = {
            block.name: tokens.differences(block, known[block.state])
            for block in self.blocks()
            if block.state in known
        }
        return {name: lines for name, lines in found.items() if lines}

    def write(self) -> None:
        """Bring the translation into the order of the original, with what is to be done among it."""
        there = [*blocks.parts(self.translation)]
        known = blocks.translations(self.translation)
        written = []
        for block in self.blocks():
            if block.state in known:
                written.append((block.name, block.state, known[block.state]))
                continue
            written += [
                (f"old {block.name}", state, text) for name, state, text in there if name == block.name
            ]
            written.append((f"todo {block.name}", block.state, block.short.strip("\n")))
        text = "\n".join(f"<!-- {name}: {state} -->\n{text}\n" for name, state, text in written)
        self.translation.parent.mkdir(parents=True, exist_ok=True)
        self.translation.write_text(text, encoding="utf-8")


def originals() -> Iterator[Original]:
    """Every English file with prose that belongs to the book of a run."""
    for path in sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        yield Original(path.stem[:2], path, blocks.FOLDER / "notebooks" / f"{path.stem}.md", _cells)
    for path in sorted((REPOSITORY / "book").glob("*.md")):
        yield Original(path.stem, path, blocks.FOLDER / path.name, blocks.page_blocks)
    for path in sorted(rendering.TEMPLATES.glob("*.md.j2")):
        if not path.name.startswith("pooled"):
            name = path.name.removesuffix(".md.j2") + ".j2"
            yield Original(name, path, blocks.FOLDER / "templates" / path.name, blocks.template_blocks)


def _cells(text: str) -> list[blocks.Block]:
    return blocks.notebook_blocks(nbformat.reads(text, as_version=4))


def words_of_chapters(run: Run, name: str = "") -> dict[str, dict[str, str]]:
    """What chapters' code wrote and the table of words does not have, with its label, by the table's section.

    All chapters, or the one whose number is ``name``.
    """
    found: dict[str, dict[str, str]] = {}
    for path in sorted(run.notebooks.glob(f"{name}*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        designs.fit(notebook, run.study)
        found[path.stem[:2]] = edition.chapter(notebook, path.stem, run).missing
    return found


def words_of_pages(run: Run) -> dict[str, dict[str, str]]:
    """The same of the pages that templates make, by the template's name."""
    with rendering.in_chinese(edition.of_study(run.study)) as used:
        made_pages(run)
    return {template: words.missing for template, words in used.items()}


def suggestion(text: str) -> str:
    """A text as a pattern: its numbers as placeholders."""
    number = iter(["", *range(2, len(text) + 2)])
    return _NUMBER.sub(lambda _: f"{{n{next(number)}}}", text)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("name", nargs="?", help="a chapter's number, a page or a template; all by default")
    parser.add_argument("--write", action="store_true", help="put the prose that is missing into book/zh")
    asked = parser.parse_args()
    for original in originals():
        if asked.name in (None, original.name):
            _tell(original, asked.write)
    run = open_run(REPOSITORY / Path(read_record(asked.run)["study_file"]).expanduser(), asked.run)
    missing = words_of_chapters(run, asked.name if (asked.name or "").isdigit() else "")
    if not (asked.name or "").isdigit():
        missing |= words_of_pages(run)
    is_done = not any(original.missing() for original in originals() if original.name == asked.name)
    if asked.name and is_done and (page := _page(run, asked.name)).is_file():
        for sentence in english_sentences(page.read_text(encoding="utf-8")):
            print(f"on the page as it was last built: {sentence}")
    for section, texts in missing.items():
        if texts and asked.name in (None, section, f"{section}.j2"):
            _tell_words(section, texts)


def _page(run: Run, name: str) -> Path:
    """The page of the built Chinese edition that shows a chapter or a page."""
    return (
        run.book
        / "html"
        / places.CHINESE
        / (f"notebooks/{STEPS[name]}.html" if name in STEPS else f"{name}.html")
    )


def _tell_words(section: str, texts: dict[str, str]) -> None:
    print(f"data/words.yml, section {section}: {len(texts)} texts have no Chinese")
    lines = {suggestion(text): label if label != text else "" for text, label in texts.items()}
    for text, label in lines.items():
        print(f"  {json.dumps(text, ensure_ascii=False)}: " + (f"  # of: {label}" if label else ""))


def _tell(original: Original, write: bool) -> None:
    missing, unused = original.missing(), original.unused()
    place = original.translation.relative_to(REPOSITORY)
    if missing or unused:
        print(f"{place}: {len(missing)} of {len(original.blocks())} blocks have no current translation")
        print("".join(f"  {block.name}: {block.state}\n" for block in missing), end="")
        print("".join(f"  left over: {name}\n" for name in unused), end="")
    for name, lines in original.differences().items():
        print(f"{place}: {name} differs from the English: {'; '.join(lines)}")
    if write and (missing or unused):
        original.write()


if __name__ == "__main__":
    _main()
