"""What the interactive pages share: the frame of an application, and pictures.

The pages also work when opened from a disk, where a browser reads no other file: everything stands in the
page itself, or in a script beside it. Nothing about a single real patient goes there.
"""

from __future__ import annotations

import json

from helpers.study.run_folder import Run


def application(name: str, data: dict, scripts: tuple[str, ...] = ()) -> str:
    """The place of one application, its data and its scripts."""
    identity = f"{name.split('_')[0]}-app"  # not the id of the page's heading
    # "</" would end the script element.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("</", "<\\/")
    sources = ("interactive/shared.js", *scripts, f"interactive/{name}.js")
    lines = [
        "```{raw} html",
        f'<div class="radbook-app" id="{identity}"></div>',
        f'<script type="application/json" id="{identity}-data">{text}</script>',
        *(f'<script defer src="{source}"></script>' for source in sources),
        "<noscript><p>Scripts are switched off: a picture stands in.</p></noscript>",
        "```\n\n",
    ]
    return "\n".join(lines)


def shared_picture(run: Run, name: str, alt: str) -> list[str]:
    """A figure of share/, where the run has it."""
    return picture(f"share/figures/{name}.svg", alt) if run.figure_path(name, "svg").is_file() else []


def picture(path: str, alt: str) -> list[str]:
    """An image that stands in where scripts do not run, as lines of Markdown."""
    return [f"```{{image}} {path}", ":class: radbook-static", f":alt: {alt}", "```\n"]
