"""Whatever leaves private/ is searched for numbers and names of patients, without crying wolf."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from synthetic_scan import synthetic_scan

from helpers.commands.run import execute, run_study
from helpers.errors import StudyError
from helpers.pages import build, leaks
from helpers.pages.readable import readable
from helpers.pages.staging import stage
from helpers.study import pseudonyms
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run
from helpers.study.study_file import Plausibility
from helpers.virtual.export import write_series


def own_study(folder, **site):
    """A hospital's study file in ``folder``, with its table beside it."""
    files = {
        "table": {"path": "dxa.csv", "columns": {"patient_id": "Nr"}},
        "masks": "masks/{patient_id}.nii.gz",
    }
    study = {"name": "own", "title": "Own", "seed": 1, "extraction": "extraction.yml", "min_cell": 10}
    # The regions here are balls of noise, which no cortex surrounds.
    study["plausibility"] = dict.fromkeys(Plausibility.model_fields, "accept")
    study["sites"] = [
        {"name": "Our hospital", "role": "development", "images": "ct/{patient_id}"} | files | site
    ]
    path = folder / "study.yml"
    path.write_text(yaml.safe_dump(study, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path):
    """A run of a hospital whose only patients are those that a test names."""

    def made(*raw):
        run = open_run(own_study(tmp_path), tmp_path / "run")
        pseudonyms.pseudonyms(run, "Our hospital", list(raw))
        run.write_table("table_2", pd.DataFrame({"term": ["age"], "odds_ratio": [1.09]}))
        return run

    return made


def text_file(run, name, text):
    path = run.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def notebook(run, output):
    data = {"output_type": "display_data", "data": {"text/plain": [output]}, "metadata": {}}
    cell = {"cell_type": "code", "metadata": {}, "source": [], "outputs": [data]}
    text_file(run, "notebooks/01_cohort.ipynb", json.dumps({"cells": [cell]}))


def picture(run, title):
    text = PngInfo()
    text.add_text("Title", title)
    path = run.figure_path("ages", "png")
    Image.new("L", (4, 4)).save(path, pnginfo=text)


PLANTS = {
    "page": lambda run, raw: text_file(run, "book/html/notebooks/01.html", f"<td>ok</td><td>{raw}</td>"),
    "link": lambda run, raw: text_file(
        run, "book/html/a.html", f'<a href="ct/{raw.replace("-", "%2D")}">x</a>'
    ),
    "index": lambda run, raw: text_file(run, "book/html/searchindex.js", json.dumps({"terms": raw})),
    "table": lambda run, raw: text_file(run, "share/tables/scanners.csv", f"scanner,patients\nGE {raw},40\n"),
    "vector": lambda run, raw: text_file(run, "share/figures/ages.svg", f"<svg><!-- {raw} --><path/></svg>"),
    "output": notebook,
    "picture": picture,
    "file name": lambda run, raw: text_file(run, f"share/figures/{raw}.svg", "<svg/>"),
    "folder name": lambda run, raw: text_file(run, f"book/html/_images/{raw}/a.svg", "<svg/>"),
}
RAW = ["HOSP-20231107-王伟-0042", "Zhang^Wei", "20231107", "C00123", "王小明", "Müller^Änne"]


@pytest.mark.parametrize("raw", RAW)
@pytest.mark.parametrize("place", PLANTS)
def test_a_planted_identifier_is_found_and_not_repeated(small, place, raw):
    run = small(raw)
    assert leaks.find_leaks(run) == []
    PLANTS[place](run, raw)
    (line,) = leaks.find_leaks(run)
    (pseudonym,) = pseudonyms.raw_ids(run)
    assert line.endswith(f": the number of {pseudonym}")
    assert raw not in line
    with pytest.raises(StudyError, match="Pass nothing of this run on"):
        leaks.require_no_leaks(run)


def test_the_word_for_points_from_the_browser_is_no_path_of_a_patient(tmp_path):
    run = open_run(own_study(tmp_path, points="click"), tmp_path / "run")
    pseudonyms.pseudonyms(run, "Our hospital", ["12"])
    text_file(run, "book/html/a.html", "<p>Set points with radbook click, or click the region.</p>")
    assert leaks.find_leaks(run) == []


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Zhang^Wei", "zhang_wei_ct.nii.gz"),
        ("Zhang^Wei", "ZHANG, Wei"),
        ("HOSP-0042", "ct/hosp 0042/IM1.dcm"),
        ("王伟", "患者王伟的图像"),
        ("1234567", "patient 1234567.0 was"),
        ("1234567", "ct1234567x"),
        ("0003", "could not read ct/0003"),
        ("0003", "masks\\0003.nii.gz is empty"),
        ("12", "<table><tr><th></th><th>Nr</th></tr><tr><th>0</th><td>12</td></tr></table>"),
    ],
)
def test_other_ways_of_writing_an_identifier(small, raw, text):
    run = small(raw)
    text_file(run, "book/html/a.html", text)
    assert len(leaks.find_leaks(run)) == 1


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("1234567", "0.1234567, 3.1234567, 91234567, 12345678"),
        ("123456", "#123456; color: #123456ab; id=a1f123456"),
        ("C00123", "AC00123, C001234"),
        ("Weiss", "weissagen Schneeweiss"),
        ("Li^Na", "<li>NaN</li><li>na</li>"),
        ("12", "12 patients, n = 12, <td>12</td>, 12 mm"),
        ("0003", "0.0003, 0003"),
        ("ct", "the CT, ct/other"),
    ],
)
def test_what_stands_there_by_chance_is_no_leak(small, raw, text):
    run = small(raw)
    text_file(run, "book/html/a.html", text)
    assert leaks.find_leaks(run) == []


def test_a_patient_named_like_an_author_is_found_in_results_only(small):
    run = small("Pickhardt^Perry")  # cited in the book
    text_file(run, "book/html/bibliography.html", "Pickhardt, Perry J., and others")
    assert leaks.find_leaks(run) == []
    text_file(run, "share/tables/scanners.csv", "scanner\nPickhardt Perry\n")
    assert len(leaks.find_leaks(run)) == 1


def test_the_home_folder_is_found(small, monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/dr.wang"))
    run = small("C00123")
    text_file(run, "share/note.txt", "read from /home/dr.wang/study.yml")
    assert leaks.find_leaks(run) == ["share/note.txt: your home folder"]


def test_a_path_of_the_program_in_the_home_folder_is_nobody(small, monkeypatch):
    """A library's warning: installed below the home folder, its path begins like the hospital's own files."""
    home = REPOSITORY.parent
    if len(home.parts) < 3:
        pytest.skip("the repository lies right below a folder whose name is nobody's, which is not sought")
    monkeypatch.setattr(Path, "home", lambda: home)
    run = small("C00123")
    warning = f"{np.__file__}:1573: RuntimeWarning: All-NaN slice\n{REPOSITORY}/src/helpers/cli.py: careful"
    notebook(run, warning.replace(sys.prefix, f"{REPOSITORY}/.venv"))
    assert leaks.find_leaks(run) == []
    text_file(run, "share/note.txt", f"{home}/ct/12/IM1.dcm")
    with pytest.raises(StudyError) as refused:
        leaks.require_no_leaks(run)
    assert "names your home folder" in str(refused.value)
    assert "private/identifiers.csv" not in str(refused.value)


def test_a_patient_s_file_inside_the_program_s_folder_is_found(small):
    run = small("0003")
    text_file(run, "share/note.txt", f"cannot read {REPOSITORY}/ct/0003")
    assert len(leaks.find_leaks(run)) == 1


def test_a_thousand_short_numbers_find_nothing_in_a_real_page(small):
    run = small(*map(str, range(1000)))
    shutil.copytree(REPOSITORY / "data", run.folder / "share" / "data")
    for path in (REPOSITORY / "book").glob("*.md"):
        text_file(run, f"book/html/{path.stem}.html", path.read_text(encoding="utf-8"))
    assert leaks.find_leaks(run) == []


def test_messages_are_blotted(small):
    run = small("HOSP-0042", "7")
    text = leaks.redacted(run, "cannot open /data/ct/HOSP-0042/1.dcm nor masks/7.nii.gz, 7 files")
    assert text == "cannot open /data/ct/[patient]/1.dcm nor masks/[patient], 7 files"


NAMES = [
    "Zhang^Wei",
    "王^伟",
    "Li^Xiaoming",
    "Wang^Fang=王^芳",
    "Liu^Yang",
    "Chen^Jing",
    "Yang^Min",
    "Zhao^Lei",
]
NAMES += ["Huang^Yong", "Zhou^Jie", "Wu^Tao", "Xu^Chao", "Sun^Ping", "Hu^Bin"]
IDS = ["HOSP-20231107-王伟-0042", "20231108", "masks", "0003", "12", *(f"HOSP-{n:04d}" for n in range(9))]


def hospital(folder):
    """14 patients with real-looking numbers and names, DICOM folders, and one mask that is no image."""
    for number, (raw, name) in enumerate(zip(IDS, NAMES, strict=True)):
        radius = (9.0, 7.0 + number / 5, 11.0)  # one region each: the same mask twice is refused
        scan = synthetic_scan((28, 26, 36), (1.0, 1.0, 0.8), radius_mm=radius, seed=number)
        person = pd.Series({"sex": "female", "age": 60.0}, name=f"X{number}")
        scanner = {"manufacturer": "GE", "model": "Optima", "kVp": 120, "mA": 200, "kernel": "STANDARD"}
        write_series(scan.image, scanner, person, 1, folder / "ct" / raw)
        for path in (folder / "ct" / raw).iterdir():
            header = pydicom.dcmread(path)
            header.SpecificCharacterSet = "ISO_IR 192"
            header.PatientName, header.PatientID = name, raw
            header.save_as(path)
        (folder / "masks").mkdir(exist_ok=True)
        sitk.WriteImage(scan.mask, folder / "masks" / f"{raw}.nii.gz")
    break_some(folder)
    ages = np.linspace(55, 80, len(IDS)).round()
    table = {"Nr": IDS, "age": ages, "sex": ["F", "M"] * 7, "t_score": [-3.0, -1.0] * 7}
    pd.DataFrame(table).to_csv(folder / "dxa.csv", index=False)
    shutil.copyfile(REPOSITORY / "tests" / "data" / "coarse.yml", folder / "extraction.yml")
    return own_study(folder)


BROKEN = [IDS[0], *IDS[5:8]]


def break_some(folder):
    """Four patients whose files make four libraries complain, with the path on their lips."""
    (folder / "masks" / f"{BROKEN[0]}.nii.gz").write_bytes(b"no image at all")
    mask = folder / "masks" / f"{BROKEN[1]}.nii.gz"
    mask.write_bytes(mask.read_bytes()[:200])
    (folder / "masks" / f"{BROKEN[2]}.nii.gz").unlink()
    for path in list((folder / "ct" / BROKEN[3]).iterdir())[::2]:
        path.write_bytes(path.read_bytes()[:700])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Chapters 01 to 03, and the sources of all pages; what Sphinx makes of them test_hostile.py reads."""
    folder = tmp_path_factory.mktemp("hospital")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("helpers.commands.run.build_book", lambda run: stage(run, run.book / "source"))
        run_study(hospital(folder), folder / "run", last="03", workers=1)
    return open_run(folder / "study.yml", folder / "run")


def test_a_whole_run_leaks_nothing_that_a_plain_search_finds(finished):
    """Independent of the scan's own rules: bytes of every file and name against what is distinctive."""
    raw = [
        "王伟",
        "王芳",
        "20231107",
        "20231108",
        *(f"HOSP-{n:04d}" for n in range(9)),
        "ct/0003",
        "0003.nii",
    ]
    raw += [name.split("=")[0] for name in NAMES] + [name.replace("^", " ") for name in NAMES[:1] + NAMES[2:]]
    shown = [
        path for part in ("share", "notebooks", "book/source") for path in (finished.folder / part).rglob("*")
    ]
    for path in (path for path in shown if path.is_file() and "_static" not in path.parts):
        name = path.relative_to(finished.folder).as_posix()
        content = path.read_bytes().lower()
        assert not [one for one in raw if one.lower() in name.lower() or one.lower().encode() in content], (
            name
        )


def test_broken_patients_are_listed_by_pseudonym(finished):
    refused = finished.read("preprocessing").query("status == 'refused'")
    raw = pseudonyms.raw_ids(finished)
    assert {raw[patient] for patient in refused["patient_id"]} == set(BROKEN)
    assert all(row.patient_id in row.reason for row in refused.itertuples())
    assert not refused["reason"].str.contains("HOSP|王|" + str(finished.folder.parent)).any()


def test_shared_counts_are_protected_and_whole_in_private(finished):
    name = "preprocessing_summary"
    shared, whole = (
        pd.read_csv(f / f"{name}.csv")
        for f in (finished.table_path(name).parent, finished.private / "tables")
    )
    assert whole["refused"].iloc[-1] == len(BROKEN)
    assert shared["refused"].iloc[-1] in ("<10", "hidden")


def test_a_leak_fails_the_build_of_a_finished_run(finished, monkeypatch):
    """With a page as Sphinx would leave it."""
    page, plant = build.book_page(finished), finished.table_path("planted")

    def sphinx(*arguments):
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<p>All is well.</p>", encoding="utf-8")

    for name, instead in {
        "stage": lambda *of: None,
        "stage_chinese": lambda *of: None,
        "_python": sphinx,
    }.items():
        monkeypatch.setattr(build, name, instead)
    assert build.build_book(finished) == page and page.exists()
    plant.write_text("reason\nsee Zhang Wei\n", encoding="utf-8")
    with pytest.raises(
        StudyError, match="share/tables/planted.csv: a name or number in the DICOM header of P"
    ):
        build.build_book(finished)
    assert not page.exists()
    plant.unlink()
    assert leaks.find_leaks(finished) == []


def test_a_failed_notebook_does_not_show_the_path_that_a_library_quoted(finished, tmp_path, monkeypatch):
    run = open_run(finished.study.folder / "study.yml", tmp_path / "run")
    shutil.copytree(finished.private, run.private, dirs_exist_ok=True)
    source = tmp_path / "05_broken.ipynb"
    code = f"raise OSError('cannot read ct/{IDS[0]}/IM1.dcm or masks/0003.nii.gz')"
    cell = {"cell_type": "code", "metadata": {}, "source": [code], "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    text = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    source.write_text(json.dumps(text), encoding="utf-8")
    monkeypatch.setattr("helpers.commands.run.notebook_source", lambda step: source)
    with pytest.raises(StudyError) as failure:
        execute(run, "05", {})
    written = (run.notebooks / "05_models.ipynb").read_text(encoding="utf-8")
    for shown in (str(failure.value), written):
        assert "[patient]" in shown
        assert "王伟" not in shown
        assert "0003.nii.gz" not in shown


def test_numbers_of_pages_in_the_search_index_are_no_part_of_its_words():
    """A hospital's name on page 7 is not its patient number 7; numbers among the words are read."""
    index = b'Search.setIndex({"terms": {"home": 7, "away": [3, 11], "12345678": 2, "home-9": 4}})'
    text = readable(index, "book/html/searchindex.js")
    assert not re.search(r"home\W+7|away\W+3", text)
    assert "12345678" in text and "home-9" in text
    assert re.search(r"home\W+7", readable(index, "book/html/page.js"))
