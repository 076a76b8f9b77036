"""Protects `radbook click` behind its page: who is asked, what is kept when, and who may ask the server."""

import http.client
import json
import shutil
import threading

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from synthetic_scan import PAPER
from synthetic_spine import spine
from typer.testing import CliRunner

from helpers import cli
from helpers.commands.check import check_study
from helpers.commands.click import Session, asked_of
from helpers.commands.click_server import ClickServer
from helpers.errors import StudyError
from helpers.imaging.bodies import layers_around
from helpers.imaging.clicked import Clicked, keep_clicked, read_clicked
from helpers.imaging.regions import LAYERS
from helpers.pages.click_page import page_files
from helpers.study.pseudonyms import raw_ids
from helpers.study.run_folder import open_run

SPINE = spine()
BOTH = {"T12": (3.0, -140.0, 536.0), "L1": (3.0, -140.0, 504.0)}
SKIPPED = Clicked(decision="skipped", reason="the wrong image")
REGION = layers_around(SPINE.image, {name: np.array(place) for name, place in BOTH.items()}, 0.3)
RAWS = ["0042", "0043", "0044", "0045"]  # 0043's image is broken, 0044 has a mask, 0045 is excluded
STUDY = """
name: clicked
title: Clicked
simulated: true
seed: 1
extraction: p.yml
sites:
  - {{name: here, role: external, table: {{path: dxa.csv}}, images: "{{patient_id}}.nii.gz", {regions}}}
"""


@pytest.fixture
def make_run(tmp_path):
    """Makes a hospital of four patients, and opens its run."""

    def make(regions='points: click, masks: "mask_{patient_id}.nii.gz"'):
        sitk.WriteImage(SPINE.image, tmp_path / "0042.nii.gz")
        sitk.WriteImage(SPINE.image, tmp_path / "0044.nii.gz")
        (tmp_path / "0043.nii.gz").write_text("no image")
        sitk.WriteImage(REGION, tmp_path / "mask_0044.nii.gz")
        table = pd.DataFrame(
            {"patient_id": RAWS, "age": 61, "sex": "F", "t_score": -1.0, "exclusion": ["", "", "", "moved"]}
        )
        table.to_csv(tmp_path / "dxa.csv", index=False)
        (tmp_path / "study.yml").write_text(STUDY.format(regions=regions))
        shutil.copy(PAPER, tmp_path / "p.yml")
        return open_run(tmp_path / "study.yml", tmp_path / "run")

    return make


@pytest.fixture
def session(make_run):
    run = make_run()
    session = Session(run, asked_of(run))
    yield session
    session.close()


@pytest.fixture
def server(session):
    with ClickServer(session, page_files(session.run.study)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, place, content=None, token=None, **headers):
    """Status, headers and body of the answer; ``content`` is posted."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    path = f"/{server.token if token is None else token}/{place}"
    connection.putrequest("GET" if content is None else "POST", path, skip_host="Host" in headers)
    body = b"" if content is None else json.dumps(content).encode()
    given = {"Content-Type": "application/json", "Content-Length": str(len(body))} if body else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in given.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_asked_are_included_patients_without_a_mask(make_run):
    run = make_run()
    raws = raw_ids(run)
    asked = asked_of(run)
    raws = raw_ids(run)
    assert [raws[one.patient_id] for one in asked] == ["0042", "0043"]
    run.region(asked[0].patient_id).parent.mkdir()
    sitk.WriteImage(REGION, run.region(asked[0].patient_id))  # drawn by hand meanwhile
    assert [raws[one.patient_id] for one in asked_of(run)] == ["0043"]


def test_a_study_that_does_not_ask_for_clicks_is_told_how(make_run):
    with pytest.raises(StudyError, match="points: click"):
        asked_of(make_run('masks: "mask_{patient_id}.nii.gz"'))


def test_every_click_is_kept_and_the_region_is_drawn_from_both(session):
    patient = session.asked[0].patient_id
    file = session.run.click(patient)
    assert session.keep(0, Clicked(points={"T12": BOTH["T12"]})) == {}
    assert list(read_clicked(file).points) == ["T12"]
    measures = session.keep(0, Clicked(points=BOTH))["measures"]
    assert read_clicked(file).points == BOTH
    assert measures["T12"]["width_mm"] == pytest.approx(26, abs=2)  # 30 mm less the shell of 2 on each side
    assert measures["L1"]["hu"] == pytest.approx(150, abs=5)
    assert measures["L1"]["closed_percent"] > 95
    region = sitk.GetArrayFromImage(REGION)
    volume = np.isin(region, [1, 2, 3]).sum() / 1000
    assert measures["T12"]["volume_cm3"] == pytest.approx(volume)


def test_the_region_that_is_shown_is_the_one_that_is_measured(session, tmp_path):
    session.keep(0, Clicked(points=BOTH, decision="accepted"))
    (tmp_path / "shown.nii").write_bytes(session.region(0))
    shown = sitk.ReadImage(tmp_path / "shown.nii")
    measured = session.asked[0].source.load(session.asked[0].patient_id).mask
    on_its_grid = sitk.Resample(shown, measured, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(on_its_grid), sitk.GetArrayFromImage(measured))
    assert set(np.unique(sitk.GetArrayFromImage(shown))) == {0, *LAYERS}


def test_a_larger_margin_shrinks_the_region_without_a_new_search(session, monkeypatch):
    first = session.keep(0, Clicked(points=BOTH))["measures"]
    monkeypatch.setattr("helpers.commands.click.bodies_around", lambda *_: pytest.fail("searched again"))
    second = session.keep(0, Clicked(points=BOTH, margin_mm=2.0))["measures"]
    assert second["L1"]["volume_cm3"] < 0.8 * first["L1"]["volume_cm3"]


def test_one_vertebra_alone_is_enough_when_the_reader_says_so(session):
    measures = session.keep(0, Clicked(points={"L1": BOTH["L1"]}, alone=True, decision="accepted"))[
        "measures"
    ]
    assert list(measures) == ["L1"]


def test_a_region_that_cannot_be_drawn_is_told_and_never_accepted(session):
    beside = {"T12": (3.0, -116.0, 536.0), "L1": BOTH["L1"]}  # in the canal
    told = session.keep(0, Clicked(points=beside))
    assert "T12" in told["refusal"]
    assert told["refusal"].startswith(session.asked[0].patient_id)
    with pytest.raises(StudyError):
        session.keep(0, Clicked(points=beside, decision="accepted"))
    assert read_clicked(session.run.click(session.asked[0].patient_id)).decision == ""


def test_one_broken_scan_is_told_and_stops_no_other(session):
    with pytest.raises(StudyError, match="cannot be read") as refusal:
        session.scan(1)
    assert session.asked[1].patient_id in str(refusal.value)
    assert "0043" not in str(refusal.value)
    assert np.abs(np.array(session.scan(0)["start"]) - BOTH["L1"])[0] < 5
    # It can be skipped, and mended: then it is read again.
    session.keep(1, SKIPPED)
    sitk.WriteImage(SPINE.image, session.run.study.path("0043.nii.gz"))
    assert session.volume(1)


def test_another_session_finds_what_was_kept(session, make_run):
    session.keep(0, Clicked(points=BOTH, decision="accepted", seconds=21))
    session.keep(1, Clicked(decision="to draw", reason="a lesion in the body"))
    run = make_run()
    again = Session(run, asked_of(run))
    assert [one["clicked"]["decision"] for one in again.patients()] == ["accepted", "to draw"]
    assert again.patients()[0]["clicked"]["points"] == BOTH
    assert again.summary() == (
        "2 patients: 1 accepted, 1 to draw, 0 skipped, 0 still to do. Median time of an accepted one: 21 s."
    )
    again.close()


def test_a_damaged_file_is_told_and_can_be_clicked_anew(session):
    file = session.run.click(session.asked[0].patient_id)
    keep_clicked(file, Clicked())
    file.write_text("{")
    assert "is damaged" in session.patients()[0]["fault"]
    session.keep(0, Clicked(points=BOTH))
    assert "fault" not in session.patients()[0]


def test_nothing_is_written_outside_the_private_folder(session, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    private = session.run.private

    def state():
        others = [path for path in tmp_path.rglob("*") if not path.is_relative_to(private)]
        return {path: path.stat().st_mtime_ns for path in others if path.is_file()}

    before = state()
    session.volume(0)
    session.keep(0, Clicked(points=BOTH, decision="accepted"))
    assert state() == before


def test_check_counts_the_clicks_and_refuses_who_was_not_accepted(session):
    session.keep(0, Clicked(decision="skipped", reason="metal or cement"))
    report = check_study(session.run, workers=1)
    told = dict(zip(report.people["patient_id"], report.people["reason"], strict=True))
    assert "skipped (metal or cement)" in told[session.asked[0].patient_id]
    assert "radbook click" in told[session.asked[1].patient_id]
    assert any(
        "1 a mask; 2 have nothing. Set points with radbook click" in remark for remark in report.remarks
    )


def test_the_page_is_served_with_the_token_only(server):
    assert ask(server, "")[0] == 200
    for token in ("", "x", server.token[:-1], server.token + "a", "%2e%2e", "%C3%BC"):
        for place in ("", "patients", "patients/0/ct.nii", "niivue.js"):
            assert ask(server, place, token=token)[0] == 403, (token, place)
        assert ask(server, "patients/0", Clicked().model_dump(), token=token)[0] == 403
    assert ask(server, "nothing")[0] == 404
    assert ask(server, "patients/2/ct.nii")[0] == 404
    assert ask(server, "patients/-1/ct.nii")[0] == 404


def test_the_first_address_leads_to_the_page_once(server):
    once = server.first_address.split("/")[3]
    assert once != server.token
    status, headers, _ = ask(server, "", token=once)
    assert (status, headers["Location"]) == (303, server.address)
    assert ask(server, "", token=once)[0] == 403
    assert server.first_address.split("/")[3] != once


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "radiology.example:80"},
        {"Host": "127.0.0.1.rebind.example"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_names_and_other_sites_are_refused(server, headers):
    assert ask(server, "patients", **headers)[0] == 403
    assert ask(server, "patients/0", Clicked().model_dump(), **headers)[0] == 403


def test_answers_stay_with_the_page_and_in_no_cache(server):
    for place in ("", "patients", "patients/0/ct.nii"):
        _, headers, _ = ask(server, place, Origin=f"http://127.0.0.1:{server.server_port}")
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert not [name for name in headers if name.lower().startswith("access-control")]
    assert server.server_address[0] == "127.0.0.1"


def test_patients_are_named_by_pseudonyms_only(server):
    texts = [ask(server, place)[2] for place in ("", "patients", "patients/0", "patients/1")]
    assert server.session.asked[0].patient_id.encode() in texts[1]
    assert not any(raw.encode() in text for raw in RAWS for text in texts)


@pytest.mark.parametrize(
    "content", [{"decision": "accepted"}, {"reason": "Doe"}, {"points": [1]}, ["x"], {"reason": "x" * 30_000}]
)
def test_what_makes_no_sense_is_not_kept(server, content):
    assert ask(server, "patients/0", content)[0] == 400
    assert not server.session.run.click(server.session.asked[0].patient_id).exists()


def test_forms_of_other_pages_are_no_clicks(server):
    assert ask(server, "patients/0", SKIPPED.model_dump(), Content_Type="text/plain")[0] == 400


def test_errors_are_answers_and_the_server_goes_on(server, monkeypatch):
    status, _, body = ask(server, "patients/1")
    assert status == 409
    assert "cannot be read" in json.loads(body)["error"]
    assert ask(server, "patients/0/region.nii")[0] == 409
    monkeypatch.setattr(Session, "patients", lambda self: [][1])
    assert ask(server, "patients")[0] == 500
    assert ask(server, "patients/0")[0] == 200


def test_a_port_that_is_taken_is_told(server):
    with pytest.raises(StudyError, match="--port"):
        ClickServer(server.session, {}, server.server_port)


def test_the_command_opens_the_page_once_and_ends_with_it(make_run, monkeypatch):
    run, opened = make_run(), []

    def browser(address):
        """Follows the first address, skips a patient and ends the command, as a page would."""
        opened.append(address)

        def work():
            host, port = address.split("/")[2].split(":")
            page = http.client.HTTPConnection(host, int(port), timeout=30)
            page.request("GET", "/" + address.split("/", 3)[3])
            answer = page.getresponse()
            answer.read()
            base = "/" + answer.getheader("Location").split("/", 3)[3]
            for place, content in (("patients/0", SKIPPED.model_dump()), ("finish", {})):
                page.request("POST", base + place, json.dumps(content), {"Content-Type": "application/json"})
                page.getresponse().read()

        threading.Thread(target=work).start()

    monkeypatch.setattr("webbrowser.open", browser)
    done = CliRunner().invoke(cli.app, ["click", str(run.study.file), "--run-dir", str(run.folder)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2 patients. The page, for nobody else: http://127.0.0.1:")
    assert opened[0] not in done.output  # what the list of processes shows opens nothing any more
    assert done.output.endswith("2 patients: 0 accepted, 0 to draw, 1 skipped, 1 still to do.\n")
    assert not (run.private / "lock.json").exists()


def test_the_command_says_what_is_missing(make_run):
    run = make_run('masks: "mask_{patient_id}.nii.gz"')
    done = CliRunner().invoke(cli.app, ["click", str(run.study.file), "--run-dir", str(run.folder)])
    assert done.exit_code == 1
    assert "points: click" in done.output
