"""What the three interactive pages of the book need: numbers of the frozen model, cut-off tables, a small CT.

The pages also work when opened from a disk, where a browser reads no other file: everything stands in the
page itself, or in a script beside it. Nothing about a single real patient goes there.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from helpers.errors import StudyError
from helpers.evaluation.cutoffs import roc_points
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.features.rules import typical_patient
from helpers.frozen.bundle import load_bundle
from helpers.imaging import slices
from helpers.imaging.regions import LAYERS
from helpers.imaging.sources import Scan, image_source
from helpers.learning.nomogram import RISK_TICKS, Nomogram, axis_points, pretty
from helpers.plots.regions import BONE_WINDOW, CANCELLOUS_WINDOW, LAYER_COLOURS, roi_figure
from helpers.plots.style import MODEL_COLOURS, STYLE
from helpers.study.contracts import COHORT_TITLES
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import Run
from helpers.study.study_file import Site, VirtualSource

TITLES = {"age": "Age (years)", "sex": "Sex", "rad_score": "Rad-score"}
# Of real patients, neighbouring cut-offs differ by this many at least (federated networks ask for the same).
SMALLEST_GROUP = 10
MARGIN_MM = 25.0
VIEWER_SPACING_MM = 1.0
WINDOWS = {"Bone (level 300, width 1500 HU)": BONE_WINDOW}
WINDOWS |= {"Cancellous (level 150, width 600 HU)": CANCELLOUS_WINDOW}
MIDDLE_OF_L1 = 5
BONE_IN_SPACE = (150, 900)  # HU: soft tissue is transparent, cortex is bright

Counts = dict[str, list]


def staged_files(run: Run) -> dict[str, bytes]:
    """What the three pages include, and the viewer's volumes: contents by name in the book's sources.

    A page whose results are not there yet says so.
    """
    pages = {"nomogram_calculator": _nomogram_page(run), "cutoff_explorer": _cutoff_page(run)}
    fragments = {f"interactive/{name}.md": text.encode() for name, text in pages.items()}
    return fragments | _viewer_files(run)


def nomogram_data(chart: Nomogram) -> dict:
    """A nomogram as the calculator draws and computes it.

    Parameters
    ----------
    chart : Nomogram
        Of the frozen model.

    Returns
    -------
    dict
        intercept (log odds), points_per_unit, outcome; point_ticks, total_ticks and risk_ticks as pairs of
        label and points; predictors: name, title, ticks, lowest (log odds at 0 points), start (shown at
        first), and either coefficient and range, or levels (log odds of each).
    """
    totals = pretty(0, sum(max(axis_points(chart, name)) for name in chart.predictors), 10)
    risks = [(f"{risk:g}", chart.total_at(risk)) for risk in RISK_TICKS]
    return {
        "outcome": "Risk of osteoporosis",
        "intercept": chart.coefficients["Intercept"],
        "points_per_unit": chart.points_per_unit,
        "point_ticks": [[str(tick), tick] for tick in range(0, 101, 10)],
        "total_ticks": [[f"{total:g}", total] for total in totals],
        "risk_ticks": [[label, float(place)] for label, place in risks if 0 <= place <= totals[-1]],
        "predictors": [_predictor(chart, name) | {"start": value} for name, value in _start(chart).items()],
    }


def _start(chart: Nomogram) -> dict[str, float | str]:
    """The patient shown first: the middle of each axis, but the longest one brings the risk near a half."""
    row = {name: axis[0 if isinstance(axis[0], str) else len(axis) // 2] for name, axis in chart.axes.items()}
    longest = max(chart.axes, key=lambda name: max(axis_points(chart, name)))
    half = chart.total_at(0.5)
    totals = {value: sum(chart.points({**row, longest: value}).values()) for value in chart.axes[longest]}
    return {**row, longest: min(totals, key=lambda value: abs(totals[value] - half))}


def _predictor(chart: Nomogram, name: str) -> dict:
    axis, points = chart.axes[name], axis_points(chart, name)
    lowest = chart.to_dict()["lowest_log_odds"][name]
    labels = [value if isinstance(value, str) else f"{value:g}" for value in axis]
    common = {"name": name, "title": TITLES.get(name, name), "lowest": lowest}
    common["ticks"] = [list(tick) for tick in zip(labels, points, strict=True)]
    if name in chart.coefficients:
        return common | {"coefficient": chart.coefficients[name], "range": [min(axis), max(axis)]}
    return common | {"levels": {value: chart.coefficients.get(f"{name}={value}", 0.0) for value in axis}}


def cutoff_data(predictions: pd.DataFrame, grouped: bool, smallest: int = SMALLEST_GROUP) -> dict:
    """Counts at every cut-off that the explorer offers, for each model and set.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    grouped : bool
        Whether single patients must not be recognisable: counts at cut-offs that are at least ``smallest``
        patients apart, instead of at every observed risk.
    smallest : int

    Returns
    -------
    dict
        grouped; models (name, colour); cohorts (name, title); curves by model and cohort: n, events, auc
        (with its limits), cutoffs (ascending), tp and fp (at or above each), youden (the cut-off of the
        largest Youden index). Without a set in which groups of that size cannot be made.
    """
    named = [name for name in reversed(MODEL_COLOURS) if (predictions["model"] == name).any()]
    curves: dict[str, dict] = {}
    for model in named:
        for cohort in present_cohorts(predictions):
            wide = probabilities_wide(predictions, cohort, [model])
            curve = _curve(wide["osteoporosis"].to_numpy(), wide[model].to_numpy(), grouped, smallest)
            if curve:
                curves.setdefault(model, {})[cohort] = curve
    cohorts = [name for name in present_cohorts(predictions) if any(name in sets for sets in curves.values())]
    return {
        "grouped": grouped,
        "models": [{"name": name, "colour": MODEL_COLOURS[name]} for name in curves],
        "cohorts": [{"name": name, "title": COHORT_TITLES[name]} for name in cohorts],
        "curves": curves,
    }


def _curve(y: NDArray, p: NDArray, grouped: bool, smallest: int) -> dict | None:
    table = grouped_counts(y, p, smallest) if grouped else exact_counts(y, p)
    if grouped and len(table["cutoffs"]) < 2:
        return None
    area = delong_auc(y, p)
    auc = [value if math.isfinite(value) else None for value in (area.auc, area.ci_low, area.ci_high)]
    events, n = int(y.sum()), len(y)
    index = np.array(table["tp"]) * (n - events) - np.array(table["fp"]) * events
    best = int(np.argmax(index))
    youden = table["cutoffs"][best]
    if not grouped:
        youden = _shortest(table["cutoffs"][best - 1] if best else 0.0, youden)
    return {"n": n, "events": events, "auc": auc, **table, "youden": youden}


def exact_counts(y: ArrayLike, p: ArrayLike) -> Counts:
    """Diseased (tp) and healthy (fp) patients at or above every observed risk, cut-offs ascending."""
    corners = roc_points(y, p).iloc[:0:-1]
    events = int(np.sum(y))
    return {
        "cutoffs": corners["threshold"].tolist(),
        "tp": (corners["sensitivity"] * events).round().astype(int).tolist(),
        "fp": ((1 - corners["specificity"]) * (len(y) - events)).round().astype(int).tolist(),
    }


def grouped_counts(y: ArrayLike, p: ArrayLike, smallest: int) -> Counts:
    """Counts at hundredths, in steps that no single patient can be told from.

    From one cut-off to the next, and from the last one to the end, either none or at least ``smallest``
    patients change sides, among the diseased as among the healthy. So none of the four cells, and no
    difference between two of them, is a count from 1 to ``smallest`` - 1.
    """
    outcome, risk = np.asarray(y), np.asarray(p)
    rows = [(0.0, int(outcome.sum()), int((outcome == 0).sum()))]

    def apart(one: tuple, other: tuple) -> bool:
        return all(a == b or a - b >= smallest for a, b in zip(one[1:], other[1:], strict=True))

    for cutoff in np.arange(1, 100) / 100:
        positive = risk >= cutoff
        row = (float(cutoff), int(outcome[positive].sum()), int((1 - outcome[positive]).sum()))
        if row[1:] != rows[-1][1:] and apart(rows[-1], row) and apart(row, (1.0, 0, 0)):
            rows.append(row)
    if not apart(rows[0], (1.0, 0, 0)):
        return {"cutoffs": [], "tp": [], "fp": []}
    cutoffs, tp, fp = zip(*rows, strict=True)
    return {"cutoffs": list(cutoffs), "tp": list(tp), "fp": list(fp)}


def _shortest(low: float, high: float) -> float:
    """The number of fewest decimals above ``low`` and not above ``high``: it classifies as ``high`` does."""
    for digits in range(2, 10):
        shorter = math.floor(high * 10**digits) / 10**digits
        if low < shorter <= high:
            return shorter
    return high


def _nomogram_page(run: Run) -> str:
    if not (run.bundle / "manifest.json").is_file():
        return "_This run has made no nomogram: notebook 06 makes it._\n"
    try:
        data = nomogram_data(load_bundle(run.bundle).chart)
    except StudyError as error:
        return f"_{error}_\n"
    whose = "virtual patients" if run.study.is_virtual else "the patients of this study"
    alt = "Nomogram: a ruler of points, an axis for each predictor, total points, risk; one patient marked."
    return _application("nomogram_calculator", data) + "\n".join(
        [
            *_shared_picture(run, "figure_5", alt),
            f"```{{warning}}\nThis model was made from {whose}, for teaching. It is no medical device: do "
            "not use it in the care of anybody.\n```\n",
        ]
    )


def _cutoff_page(run: Run) -> str:
    if not run.artifact_path("predictions").is_file():
        return "_This run has made no models: notebooks 05 and 06 make them._\n"
    study = run.study
    # Stricter than Study.is_virtual: one real site among virtual ones is enough for groups.
    grouped = not (study.simulated or all(site.virtual is not None for site in study.sites))
    smallest = max(SMALLEST_GROUP, study.min_cell)
    data = cutoff_data(run.read("predictions"), grouped, smallest)
    if not data["models"]:
        return f"_Too few patients: no cut-offs {smallest} patients apart exist in any set._\n"
    alt = "ROC curves of the clinical, radiomics and nomogram models, one panel for each set."
    parts = _shared_picture(run, "figure_6", alt)
    if grouped:
        parts.append(
            f"Patients are shown in groups: cut-offs are offered only where at least {smallest} patients, or "
            "none, change sides from one to the next, among those with osteoporosis as among those without. "
            "A set too small for that is left out.\n"
        )
    return _application("cutoff_explorer", data) + "\n".join(parts)


def _viewer_files(run: Run) -> dict[str, bytes]:
    scan, remark = _virtual_scan(run)
    small = _small(scan)
    volumes = {"ct": _nifti(small.image), "layers": _nifti(small.mask)}
    labels = [
        {"value": value, "name": name, "colour": colour}
        for (value, name), colour in zip(LAYERS.items(), LAYER_COLOURS, strict=True)
    ]
    data = {
        "labels": labels,
        "centre": _ras_voxel(small.image, slices.layer_centre(small.mask, (MIDDLE_OF_L1,))),
        "windows": [{"title": title, "hu": list(limits)} for title, limits in WINDOWS.items()],
        "bone": list(BONE_IN_SPACE),
    }
    alt = "Virtual CT in a bone window, six coloured layers: axial slices of T12 and L1, sagittal, coronal."
    scripts = ("interactive/virtual_patient.js", "vendor/niivue/niivue.umd.js")
    page = _application("volume_viewer", data, scripts) + "\n".join(
        [*_picture("interactive/virtual_patient.png", alt), remark]
    )
    script = f"const radbookVolumes = {json.dumps(volumes)};\n"
    return {
        "interactive/volume_viewer.md": page.encode(),
        "interactive/virtual_patient.png": _png(small),
        "extra/interactive/virtual_patient.js": script.encode(),
    }


def _virtual_scan(run: Run) -> tuple[Scan, str]:
    """The virtual patient of Figure 2; of a hospital's study the first one of the book's own cohort."""
    virtual = [site for site in run.study.sites if site.virtual is not None]
    resampled = "It is cut out around the regions and resampled to voxels of 1 mm.\n"
    if virtual and len(virtual) == len(run.study.sites) and run.artifact_path("preprocessing").is_file():
        shown = typical_patient(run.read("preprocessing"))
        site = run.read("cohort").set_index("patient_id").loc[shown, "site"]
        source = image_source(run, next(one for one in virtual if one.name == site))
        return source.load(shown), f"This is the virtual patient of Figure 2 (chapter 02). {resampled}"
    simulated = VirtualSource(protocol=REPOSITORY / "data" / "virtual" / "protocol.yml", patients=8)
    source = image_source(run, Site(name="Virtual hospital", role="development", virtual=simulated))
    first = source.hospital.screened()["patient_id"].iloc[0]
    return source.load(first), f"This is a simulated patient, not one of the study. {resampled}"


def _small(scan: Scan) -> Scan:
    """The scan around its regions, in cubic voxels of 1 mm: small enough for a page."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(scan.mask > 0)
    box = shape.GetBoundingBox(1)
    spacing, size = np.array(scan.image.GetSpacing()), np.array(scan.image.GetSize())
    margin = np.ceil(MARGIN_MM / spacing).astype(int)
    low = np.maximum(np.array(box[:3]) - margin, 0)
    high = np.minimum(np.array(box[:3]) + box[3:] + margin, size)
    start = scan.image.TransformIndexToPhysicalPoint(low.tolist())
    steps = np.floor((high - low) * spacing / VIEWER_SPACING_MM).astype(int).tolist()

    def resampled(volume: sitk.Image, method: int) -> sitk.Image:
        cubic = [VIEWER_SPACING_MM] * 3
        return sitk.Resample(volume, steps, sitk.Transform(), method, start, cubic, volume.GetDirection())

    return Scan(resampled(scan.image, sitk.sitkBSpline), resampled(scan.mask, sitk.sitkNearestNeighbor))


def _ras_voxel(image: sitk.Image, point: NDArray) -> list[int]:
    """The voxel at a point (mm, LPS), counted from left to right, back to front, feet to head."""
    return list(sitk.DICOMOrient(image, "RAS").TransformPhysicalPointToIndex(point.tolist()))


def _nifti(image: sitk.Image) -> str:
    """The image as the data address of a compressed NIfTI file; the same image gives the same text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii"
        sitk.WriteImage(image, str(path))
        packed = gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)
    return "data:application/gzip;base64," + base64.b64encode(packed).decode("ascii")


def _png(scan: Scan) -> bytes:
    target = io.BytesIO()
    with plt.style.context(STYLE):
        figure = roi_figure(scan)
        figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
        figure.text(0.995, 0.002, "virtual patient", ha="right", va="bottom", fontsize=7, color="#777777")
        figure.savefig(target, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return target.getvalue()


def _application(name: str, data: dict, scripts: tuple[str, ...] = ()) -> str:
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


def _shared_picture(run: Run, name: str, alt: str) -> list[str]:
    """A figure of share/, where the run has it."""
    return _picture(f"share/figures/{name}.svg", alt) if run.figure_path(name, "svg").is_file() else []


def _picture(path: str, alt: str) -> list[str]:
    return [f"```{{image}} {path}", ":class: radbook-static", f":alt: {alt}", "```\n"]
