"""Protects: an update goes from file to file by two commands, says at each step what to do, and its page
shows what was found, who took part and what the sums could reveal."""

import re

import pandas as pd
import pytest
from hospitals_to_update import frozen_bundle, hospital_run, judged_people
from typer.testing import CliRunner

from helpers import cli
from helpers.commands import update
from helpers.frozen.bundle import bundle_hash, load_bundle
from helpers.pages import pooled_update
from helpers.pages.rendering import plain_text
from helpers.pooling import registry
from helpers.study.places import shown_path


def asked(*words):
    done = CliRunner().invoke(cli.app, [str(word) for word in words])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def hospitals(tmp_path):
    bundle = frozen_bundle(tmp_path / "bundle")
    tables = {"North *": judged_people(240, 1), "South": judged_people(200, 2, 0.5)}
    return {
        label: hospital_run(tmp_path / f"h{seed}", label, seed, bundle, people)
        for seed, (label, people) in enumerate(tables.items(), start=5)
    }


def test_two_hospitals_from_the_first_file_to_the_page(tmp_path, monkeypatch, hospitals):
    monkeypatch.setattr(update, "render", lambda pooled, stages, search: "its page")
    out, shares = tmp_path / "pooled", [run.folder / "share" for run in hospitals.values()]
    pooled = registry.pool(shares, out)
    assert pooled_update.page(pooled) is None
    centre = ["update", "--from", out, "--bundle", tmp_path / "bundle"]
    status, told = asked(*centre)
    for _ in range(12):
        assert status == 0, told
        found = re.search(r"Round (\d+): send (\S+) to North \*, South\.", told)
        if not found:
            break
        request = next(out.glob(f"update/*/{found[2].rsplit('/', 1)[1]}"))
        for run in hospitals.values():
            status, told = asked("answer", run.folder, request)
            assert status == 0 and f"share/round_{int(found[1]):02d}.json" in told
        status, told = asked(*centre, *shares)
    checked = asked("share-check", shares[0])[1]
    assert checked.count("keeps to its contract") == 1 + len(list(shares[0].glob("round_*.json")))
    assert told.startswith("Done after") and "its page" in told
    page = pooled_update.page(pooled)
    assert f"| {plain_text('North *')} |" in page and "all that take part" in page
    assert "| rad\\_score | 1.2500 |" in page and "| nomogram | South | takes part |" in page
    assert "could reveal" in page and "Not yet a model for anybody's care" in page
    updated = pd.read_csv(out / "share" / "tables" / "update_coefficients.csv").set_index("column")["updated"]
    refitted = load_bundle(next(out.glob("update/*/bundle_refitted")))
    assert refitted.model["nomogram"]["coefficients"] == pytest.approx(updated.to_dict())
    assert refitted.learnt_from == ["North *", "South"] and shown_path(refitted.folder) in told
    assert f"`{refitted.folder.relative_to(out)}`" in page and bundle_hash(refitted)[:12] in page


def test_with_other_hospitals_the_page_of_an_earlier_update_goes(tmp_path, monkeypatch, hospitals):
    monkeypatch.setattr(update, "render", lambda pooled, stages, search: "its page")
    shares = {label: run.folder / "share" for label, run in hospitals.items()}
    out = tmp_path / "pooled"
    registry.pool([shares["South"]], out)
    centre = ["update", "--from", out, "--bundle", tmp_path / "bundle"]
    status, told = asked(*centre)
    while "send" in told:
        request = sorted(out.glob("update/*/round_*.json"))[-1]
        assert asked("answer", hospitals["South"].folder, request)[0] == 0
        status, told = asked(*centre, shares["South"])
    assert status == 0 and pooled_update.page(registry.open_pooled(out))
    registry.pool([shares["North *"]], out)
    assert pooled_update.page(registry.open_pooled(out)) is None


def test_a_hospital_that_is_not_asked_and_a_folder_that_is_none_are_told(tmp_path, hospitals):
    out = tmp_path / "pooled"
    registry.pool([hospitals["South"].folder / "share"], out)
    assert asked("update", "--from", out, "--bundle", tmp_path / "bundle")[0] == 0
    request = next(out.glob("update/*/round_01.json"))
    status, told = asked("answer", hospitals["North *"].folder, request)
    assert status == 1 and "does not ask this hospital" in told
    status, told = asked("answer", tmp_path / "bundle", request)
    assert status == 1 and "is not a run folder" in told
    status, told = asked("update", "--from", tmp_path / "none", "--bundle", tmp_path / "bundle")
    assert status == 1 and "name hospitals' share folders" in told
