"""The page of `radbook check`: one file that needs no other, readable on a phone."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pandas as pd
from jinja2 import Environment

from helpers.commands.check import Report, verdict
from helpers.features.quality import layer_column
from helpers.imaging.regions import LAYERS
from helpers.study.contracts import COHORT_TITLES
from helpers.study.places import replacing
from helpers.study.run_folder import Run

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Check: {{ study.title }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem; color: #222; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.banner { background: #fff3cd; border: 1px solid #d9b84a; padding: .4rem .8rem; border-radius: 6px; }
.stop { color: #a32100; } .go { color: #1d6b34; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; }
th, td { padding: .15rem .6rem; text-align: right; } th { font-weight: 600; }
td:first-child, th:first-child { text-align: left; }
.cards { display: grid; align-items: start; }
.cards { grid-template-columns: repeat(auto-fill, minmax(min(23rem, 100%), 1fr)); gap: .8rem; }
article { border: 1px solid #ccc; border-left: 6px solid #4c9a2a; border-radius: 6px; padding: .6rem; }
article.refused { border-left-color: #a32100; } article.warned { border-left-color: #d99000; }
article .inside { display: flex; gap: .7rem; align-items: flex-start; }
h3 { font-size: 1rem; margin: .6rem 0 .2rem; overflow-wrap: anywhere; } article h3 { margin: 0; }
summary { margin-top: 1rem; cursor: pointer; } article p, article ul { margin: .2rem 0; }
article ul { padding-left: 1.1rem; } article li { overflow-wrap: anywhere; }
article img { width: 8.5rem; max-width: 42%; border-radius: 4px; }
article table { font-size: .8rem; } article td, article th { padding: 0 .35rem; }
.small { color: #555; font-size: .85rem; }
</style>
</head>
<body>
<h1>Check: {{ study.title }}</h1>
<p class="banner">{% if study.is_virtual %}Simulated patients. {% else %}Pictures of patients: this
page stays in the hospital, like everything in private/. {% endif %}Patients are named by pseudonyms.</p>
<h2 class="{{ 'stop' if problems else 'go' }}">{{ verdict }}</h2>
{% if problems %}
<ol>
{% for problem in problems %}
<li>{{ problem }}</li>
{% endfor %}
</ol>
{% endif %}
{% if counts|length %}
<h2>Cohorts</h2>
<div class="scroll"><table>
<tr><th></th><th>Included<br>(osteoporosis)</th><th>Usable<br>(osteoporosis)</th></tr>
{% for name, included, cases, usable, usable_cases in counts.itertuples(index=False) %}
<tr><td>{{ name }}</td><td>{{ included }} ({{ cases }})</td><td>{{ usable }} ({{ usable_cases }})</td></tr>
{% endfor %}
</table></div>
<details><summary>From screening to analysis</summary>
{% for site, rows in flow.groupby("site", sort=False) %}
<h3>{{ site }}</h3>
<div class="scroll"><table>
{% for row in rows.itertuples(index=False) %}
<tr><td>{{ row.stage }}{{ ": " ~ row.reason if row.reason }}</td><td>{{ row.patients }}</td></tr>
{% endfor %}
</table></div>
{% endfor %}
</details>
{% endif %}
{% if cards %}
<h2>Patients</h2>
<p>{{ tally.get("refused", 0) }} refused, {{ tally.get("warned", 0) }} warned, {{ tally.get("ok", 0) }} ok.
{% if not study.has_features %}
The picture is the sagittal slice through the middle of the region, as resampled, with the outlines of the
layers: look whether they lie in the cancellous bone of T12 and L1.
{% endif %}
</p>
<div class="cards">
{% for card in cards %}
<article class="{{ card.status }}">
<h3>{{ card.patient_id }}: {{ card.status }}</h3>
<p class="small">{{ card.site }}{{ ", " ~ card.cohort if card.cohort }}</p>
{% if card.reasons %}
<ul>{% for reason in card.reasons %}<li>{{ reason }}</li>{% endfor %}</ul>
{% endif %}
<div class="inside">
{% if card.picture %}
<img alt="Sagittal slice of {{ card.patient_id }} with outlined layers" loading="lazy"
 src="data:image/jpeg;base64,{{ card.picture }}">
{% endif %}
{% if card.layers %}
<div>
<table><tr><th>Layer</th><th>mm³</th><th>HU</th></tr>
{% for name, volume, hu in card.layers %}
<tr><td>{{ name }}</td><td>{{ "%.0f"|format(volume) }}</td><td>{{ "%.0f"|format(hu) }}</td></tr>
{% endfor %}
</table>
<p class="small">{{ card.spacing }} mm<br>{{ card.acquisition }}</p>
</div>
{% endif %}
</div>
</article>
{% endfor %}
</div>
{% endif %}
</body>
</html>
"""


def write_page(report: Report, run: Run) -> Path:
    """Write the report as one page that needs no other file; returns its path."""
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_PAGE)
    page = template.render(
        study=report.study,
        problems=report.problems,
        verdict=verdict(report),
        counts=report.counts,
        flow=report.flow,
        tally=report.people["status"].value_counts().to_dict(),
        cards=[_card(row, report.pictures) for row in report.people.to_dict("records")],
    )
    with replacing(run.check_page) as path:
        path.write_text(page, encoding="utf-8")
    return run.check_page


def _card(row: dict, pictures: dict[str, bytes]) -> dict:
    """What the page shows of one patient."""
    known = {name: value for name, value in row.items() if isinstance(value, str) or pd.notna(value)}
    layers = [
        (name, known[layer_column("volume", layer)], known[layer_column("hu", layer)])
        for layer, name in LAYERS.items()
        if layer_column("hu", layer) in known
    ]
    acquisition = [known[name] for name in ("scanner", "kernel", "contrast") if known.get(name)]
    acquisition += [f"{known['kvp']:.0f} kV"] if "kvp" in known else []
    spacing = [f"{known[f'spacing_{axis}']:.2f}" for axis in "xyz" if f"spacing_{axis}" in known]
    picture = pictures.get(row["patient_id"])
    return known | {
        "cohort": COHORT_TITLES.get(row["cohort"], ""),
        "reasons": _reasons(row),
        "layers": layers,
        "acquisition": ", ".join(acquisition),
        "spacing": " x ".join(spacing),
        "picture": base64.b64encode(picture).decode() if picture else "",
    }


def _reasons(row: dict) -> list[str]:
    """Remarks on a usable scan one by one, or why a scan was refused; the patient is named above."""
    reason = re.sub(rf"^{re.escape(row['patient_id'])}[:,] ", "", row["reason"])
    remarks = [reason] if row["status"] == "refused" else reason.split("; ")
    return [remark for remark in remarks if remark]
