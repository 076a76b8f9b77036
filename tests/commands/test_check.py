"""`radbook check` tells everything at once, shows each region, and lets no raw number out."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml
from broken_hospital import BREAKS
from typer.testing import CliRunner

from helpers import cli
from helpers.commands import check, check_page
from helpers.imaging.regions import VERTEBRAE, vertebra_centre
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run
from helpers.study.study_file import load_study
from helpers.virtual import VirtualSite
from helpers.virtual.export import export_virtual


@pytest.fixture(scope="module")
def checked(broken_hospital):
    """The command, run on the hospital with 8 broken patients: exit status, text, page."""
    folder, _ = broken_hospital
    options = ["--run-dir", str(folder / "run"), "--workers", "1"]
    result = CliRunner().invoke(cli.app, ["check", str(folder / "study.yml"), *options])
    page = (folder / "run" / "private" / "check.html").read_text(encoding="utf-8")
    return result.exit_code, result.stdout, page


def test_every_broken_patient_is_told_with_the_reason(checked):
    _, text, page = checked
    refused = [line for line in text.splitlines() if line.startswith("refused: ")]
    assert len(refused) == len(BREAKS)
    for kind, (reason, _) in BREAKS.items():
        assert sum(reason in line for line in refused) == 1, kind
    assert page.count('<article class="refused">') == len(BREAKS)
    assert "Patients: 8 refused" in text


def test_the_way_from_screening_to_analysis_counts_the_broken_by_category(checked):
    _, _, page = checked
    categories = [category for _, category in BREAKS.values()]
    for category in set(categories):
        assert f"<td>unusable: {category}</td><td>{categories.count(category)}</td>" in page


def test_refused_patients_do_not_stop_a_study_that_goes_on_without_them(checked):
    status, text, page = checked
    assert status == 3
    told = "The study can run, but without 8 of its 20 patients"
    assert told in text and told in page
    assert "No problems found" not in text and "No problems found" not in page


def test_every_usable_patient_has_a_picture_and_refused_ones_come_first(checked):
    _, _, page = checked
    articles = re.findall(r"<article.*?</article>", page, re.DOTALL)
    for article in articles:
        drawn = article.count('src="data:image/webp;base64,')
        assert drawn == 4 or (drawn == 0 and 'class="refused"' in article)
    classes = re.findall(r'<article class="(\w+)">', page)
    assert classes == sorted(classes, key=["refused", "warned", "ok"].index)
    assert len(classes) == 20


def report_of(folder, statuses, problems=()):
    people = pd.DataFrame(
        {"patient_id": "P1", "status": statuses, "reason": "", "site": "Ours", "cohort": ""}
    )
    study = load_study(folder / "study.yml")
    return check.Report(study, list(problems), pd.DataFrame(), pd.DataFrame(), people, {})


def test_reasons_are_whole(broken_hospital, tmp_path):
    folder, _ = broken_hospital
    report = report_of(folder, ["warned"])
    reason = "the region ends 3.0 mm from the edge; filters need 5 mm; voxels of 5.0 mm (limit 3.0 mm)"
    report.people["reason"] = reason
    page = check_page.write_page(report, open_run(folder / "study.yml", tmp_path / "run"))
    assert f'<p class="reason">{reason}</p>' in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("statuses", "problems", "status", "said"),
    [
        (["ok"] * 3, [], 0, "No problems found."),
        (["ok"] * 3 + ["warned"], [], 0, "Nothing stops this study; 1 of its 4 patients need a look."),
        (["refused"] * 28 + ["ok"] * 3, [], 3, "The study can run, but without 28 of its 31 patients"),
        (["refused"] * 2, ["One."], 1, "1 problem would stop this study"),
    ],
)
def test_refused_patients_are_told_first_and_by_the_exit_status(
    broken_hospital, statuses, problems, status, said
):
    report = report_of(broken_hospital[0], statuses, problems)
    assert report.exit_status == status
    assert check.as_text(report).startswith(said)
    assert ("No problems found" in check.as_text(report)) == (status == 0 and "warned" not in statuses)


def test_unknown_outcomes_are_not_counted_as_healthy(broken_hospital, tmp_path):
    folder, _ = broken_hospital
    table = pd.read_csv(folder / "dxa.csv").drop(columns="allocation")
    study = yaml.safe_load((folder / "study.yml").read_text(encoding="utf-8"))
    files = {
        "images": str(folder / "ct" / "{patient_id}"),
        "masks": str(folder / "masks" / "{patient_id}.nii.gz"),
    }
    parts = {"known": table[:8], "unknown": table[8:].drop(columns="t_score")}
    sites = []
    for name, part in parts.items():
        part.to_csv(tmp_path / f"{name}.csv", index=False)
        sites.append({"name": name, "role": "external", "table": {"path": f"{name}.csv"}} | files)
    shutil.copy(folder / "extraction.yml", tmp_path)
    said = {}
    for chosen in (sites, sites[1:]):
        (tmp_path / "study.yml").write_text(yaml.safe_dump(study | {"sites": chosen}), encoding="utf-8")
        report = check.check_study(open_run(tmp_path / "study.yml", tmp_path / "run"), workers=1)
        said[len(chosen)] = check.as_text(report)
    cases = int((parts["known"]["t_score"] <= -2.5).sum())
    assert f"20 included ({cases} with osteoporosis of 8 whose outcome is known)" in said[2]
    assert "12 included (outcome not known)" in said[1]
    assert "no outcome is known" in said[1] and "0 with osteoporosis" not in said[1]


def test_the_patients_least_like_the_others_come_first_of_their_kind():
    volumes = [100.0, 101, 99, 100, 180, 102, 98]
    people = pd.DataFrame(
        {"patient_id": list("abcdefg"), "volume": volumes, "status": ["ok"] * 6 + ["warned"]}
    )
    assert check.doubtful_first(people)["patient_id"].tolist()[:2] == ["g", "e"]


def test_a_patient_is_found_by_words_and_by_status(checked, broken_hospital, chromium):
    folder, _ = broken_hospital
    page = chromium.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((folder / "run" / "private" / "check.html").as_uri())
    shown = "[...document.querySelectorAll('article')].filter((one) => one.offsetParent).length"
    assert page.evaluate(shown) == 20
    page.fill("#sought", "GRID lie")
    assert page.evaluate(shown) == 1 and page.input_value("#sought") == "GRID lie"
    assert page.inner_text("#shown") == "1 patients"
    page.fill("#sought", "")
    page.select_option("#status", "refused")
    assert page.evaluate(shown) == len(BREAKS)
    width = page.evaluate("document.querySelector('img').naturalWidth")
    assert width == page.evaluate("document.querySelector('img').width") > 300
    assert errors == []


def test_no_raw_number_and_no_other_file_is_in_the_page(checked):
    _, text, page = checked
    assert "MRN-" not in text and "MRN-" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_tables_and_settings_that_are_wrong_stop_it_before_images(broken_hospital, tmp_path):
    folder, _ = broken_hospital
    table = (folder / "dxa.csv").read_text(encoding="utf-8").replace(",female,", ",2,")
    (tmp_path / "dxa.csv").write_text(table, encoding="utf-8")
    study = yaml.safe_load((folder / "study.yml").read_text(encoding="utf-8"))
    study["parameters"]["04"]["fold"] = 3
    study["extraction"] = "none.yml"
    (tmp_path / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
    arguments = ["check", str(tmp_path / "study.yml"), "--run-dir", str(tmp_path / "run")]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 1
    for part in ("3 problems would stop", ": write female or male", "'none.yml'", "no parameter 'fold'"):
        assert part in result.stdout
    page = (tmp_path / "run" / "private" / "check.html").read_text(encoding="utf-8")
    assert "no parameter &#39;fold&#39;" in page and "<article" not in page


def test_rules_that_leave_nobody_stop_it(broken_hospital):
    folder, _ = broken_hospital
    study = yaml.safe_load((folder / "study.yml").read_text(encoding="utf-8"))
    file = folder / "strict_rules.yml"
    file.write_text(yaml.safe_dump(study | {"rules": {"metal": "exclude", "metal_hu": 0}}), encoding="utf-8")
    report = check.check_study(open_run(file, folder / "run"), workers=1)
    assert "The rules of the study file leave none" in report.problems[0]
    assert len(report.people) == 20


def test_ready_features_are_looked_at_patient_by_patient(broken_hospital, tmp_path):
    folder, _ = broken_hospital
    shutil.copy(folder / "dxa.csv", tmp_path)
    numbers = pd.read_csv(folder / "dxa.csv")["patient_id"]
    values = np.random.default_rng(1).normal(size=(len(numbers), 3))
    features = pd.DataFrame(
        values, columns=[f"original_firstorder_{name}" for name in ("Mean", "Max", "Min")]
    )
    features.assign(patient_id=numbers).iloc[1:].to_csv(tmp_path / "features.csv", index=False)
    study = yaml.safe_load((folder / "study.yml").read_text(encoding="utf-8"))
    site = {"name": "Ours", "role": "development", "table": {"path": "dxa.csv"}}
    study |= {"sites": [site | {"features": {"path": "features.csv"}}], "extraction": None}
    (tmp_path / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
    report = check.check_study(open_run(tmp_path / "study.yml", tmp_path / "run"))
    assert report.people["status"].tolist() == ["refused", *["ok"] * 19]
    assert "no features in the feature table" in check.as_text(report)
    unusable = report.flow[report.flow["stage"] == "unusable"]
    assert unusable[["reason", "patients"]].to_numpy().tolist() == [["no features in the feature table", 1]]
    assert report.counts["usable"].sum() == 19


@pytest.mark.slow
def test_it_says_how_many_patients_have_points_and_draws_their_regions(tmp_path):
    """Three exported patients: one with a mask, one with points only, one with neither."""
    site = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", "external", 8, 2)
    export_virtual(site, tmp_path / "h", 3)
    _, pointed, without = sorted(path.name.split(".")[0] for path in (tmp_path / "h" / "masks").iterdir())
    mask = sitk.ReadImage(str(tmp_path / "h" / "masks" / f"{pointed}.nii.gz"))
    rows = [
        f"{pointed},{vertebra},{','.join(map(str, vertebra_centre(mask, vertebra)))}"
        for vertebra in VERTEBRAE
    ]
    text = "\n".join(["ID,vertebra,x_lps,y_lps,z_lps", *rows])
    (tmp_path / "h" / "points.csv").write_text(text, encoding="utf-8")
    for raw in (pointed, without):
        (tmp_path / "h" / "masks" / f"{raw}.nii.gz").unlink()
    study = yaml.safe_load((tmp_path / "h" / "study.yml").read_text(encoding="utf-8"))
    study["sites"][0]["points"] = {"path": "points.csv", "patient_id": "ID"}
    (tmp_path / "h" / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
    run = open_run(tmp_path / "h" / "study.yml", tmp_path / "run")
    report = check.check_study(run, 1)
    assert (
        "of 3 patients 1 have points, 0 a corrected region in private/regions, 1 a mask; 1 have nothing"
        in (check.as_text(report))
    )
    assert sorted(report.people["status"]) == ["ok", "ok", "refused"]
    assert len(report.pictures) == 2
    assert [path.suffix for path in sorted((run.private / "regions").iterdir())] == [".json", ".gz"]
