"""Protects: one command makes the book of many hospitals, and another searches what a hospital sends."""

import json
import re

import pandas as pd
import pytest
from synthetic_site import rewritten, share_folder
from typer.testing import CliRunner

from helpers import cli
from helpers.commands.pool import check_share
from helpers.errors import StudyError
from helpers.study.places import POOLED
from helpers.study.pseudonyms import pseudonyms
from helpers.study.run_folder import open_run


def asked(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.mark.slow
def test_the_book_of_four_hospitals_of_which_one_comes_later(tmp_path, monkeypatch):
    """Rendered once all have come; the first three are only counted."""
    folders = [
        share_folder(tmp_path / f"h{n}", label=f"Hospital {n} *", seed=n, n=150 + 30 * n) for n in range(4)
    ]
    rewritten(folders[0], lambda told: told["hospitals"][0].update(role="development"))
    out = tmp_path / "pooled"
    refused = asked("pool", *folders[:2], folders[0], "--out", out)
    assert refused.exit_code == 1 and "named twice" in refused.output and not out.exists()
    for part in (folders[:3], folders[3:]):
        with monkeypatch.context() as patch:
            if part == folders[:3]:
                patch.setattr("helpers.commands.pool.render", lambda *of, **how: out)
            done = asked("pool", *part, "--out", out)
        assert done.exit_code == 0, done.output
        table = pd.read_csv(out / "share" / "tables" / "pooled_summary.csv").set_index(["model", "measure"])
        summarised = table.loc[("nomogram", "auc"), "hospitals"]
        assert summarised == (2 if len(part) == 3 else 3)
        assert pd.isna(table.loc[("nomogram", "auc"), "estimate"]) == (summarised == 2)
    page = (out / "book" / "html" / "notebooks" / f"{POOLED}.html").read_text(encoding="utf-8")
    assert "Simulated patients: nothing here is about real people" in page
    assert "prediction interval" in page and "Traceback" not in page and str(tmp_path) not in page
    assert "No hospital sent these files" not in page and "Exercise 1" not in page
    index = (out / "book" / "html" / "index.html").read_text(encoding="utf-8")
    assert all(f"Hospital {n} *" in index for n in range(4))  # and no emphasis
    pools = json.loads((out / "registry.json").read_text(encoding="utf-8"))["pools"]
    assert [len(pool["members"]) for pool in pools] == [3, 4]
    tables = [pd.read_csv(path) for path in (out / "share" / "tables").glob("*.csv")]
    assert all((table["pool"] == pools[-1]["id"]).all() for table in tables)
    assert re.search(pools[-1]["id"], page)


def test_a_share_folder_is_searched_again_before_it_leaves(tmp_path):
    folder = share_folder(tmp_path / "sent")
    done = asked("share-check", folder)
    assert done.exit_code == 0 and "No count of 1 to 9" in done.output
    assert "does not lie in its run folder" in done.output
    rewritten(folder, lambda told: told["hospitals"][0]["predictors"]["sex"].update(female=157, male=3))
    refused = asked("share-check", folder)
    assert refused.exit_code == 1 and "tells of fewer than 10 patients" in refused.output


def test_without_min_cell_the_check_says_so(tmp_path):
    folder = share_folder(tmp_path / "sent", min_cell=0)
    assert any("CAUTION: min_cell is not set" in line for line in check_share(folder))


def test_in_its_run_folder_numbers_of_patients_are_looked_for(tmp_path):
    """A patient's number in a table beside site.json, of which only the run knows that it is one."""
    lines = ["name: s", "title: t", "seed: 1", "extraction: e.yml", "sites:"]
    site = (
        "table: {path: t.csv, columns: {patient_id: MRN}}, images: 'ct/{patient_id}', masks: 'm/{patient_id}'"
    )
    lines.append(f"  - {{name: Ours, role: development, {site}}}")
    (tmp_path / "study.yml").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "t.csv").write_text("MRN,age\nQX-90210,66\n", encoding="utf-8")
    run = tmp_path / "run"
    share_folder(run / "share")
    record = {"study_file": str(tmp_path / "study.yml"), "updated": "2026-04-28"}
    record |= {"versions": {}, "notebooks": {}}
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    pseudonyms(open_run(tmp_path / "study.yml", run), "Ours", ["QX-90210"])
    *_, searched, compared = check_share(run / "share")
    assert "No number, name or day" in searched and "Not compared with earlier versions" in compared
    (run / "share" / "note.txt").write_text("patient QX-90210 is odd", encoding="utf-8")
    with pytest.raises(StudyError, match="Identifiers stand outside private"):
        check_share(run / "share")
