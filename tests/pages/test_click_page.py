"""The page of `radbook click` as a reader uses it: virtual patients, in a browser, with mouse and keys."""

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from bs4 import BeautifulSoup
from PIL import Image
from shared_once import made_once

from helpers.commands.click import Session, asked_of
from helpers.commands.click_server import ClickServer
from helpers.imaging import shown
from helpers.imaging.clicked import REASONS, read_clicked
from helpers.imaging.regions import LAYERS, vertebra_centre
from helpers.pages.chinese.words import Words
from helpers.pages.click_page import page_files
from helpers.study.places import REPOSITORY
from helpers.study.pseudonyms import raw_ids
from helpers.study.run_folder import open_run
from helpers.virtual import VirtualSite
from helpers.virtual.export import export_virtual

PATIENTS = 4
SIZE = {"width": 1000, "height": 640}
# Of a scan as it is shown: the processor draws, and tests wait for it.
FEW_VOXELS = 500_000
# Where a place (mm, LPS) is seen in a plane, as far as the page's crosshair is now.
WHERE = """([place, plane, axis]) => {
  const frac = [...viewer.mm2frac(turned(place))];
  frac[axis] = viewer.scene.crosshairPos[axis];
  return viewer.frac2canvasPosWithTile(frac, plane).pos.map((value) => value / viewer.uiData.dpr);
}"""
SAGITTAL, CORONAL = (2, 0), (1, 1)  # NiiVue's number of the plane, and the axis across it


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Virtual patients as a hospital hands them over, without masks: points are clicked."""

    def make(folder):
        protocol = REPOSITORY / "data" / "virtual" / "protocol.yml"
        export_virtual(VirtualSite(protocol, "development", 8, 1), folder, PATIENTS)
        study = yaml.safe_load((folder / "study.yml").read_text(encoding="utf-8"))
        for key in ("masks", "second_reader"):
            study["sites"][0].pop(key)
        study["sites"][0]["points"] = "click"
        (folder / "study.yml").write_text(yaml.safe_dump(study), encoding="utf-8")

    return made_once(tmp_path_factory, "clicked", make)


class Clicking:
    """One start of the command, and a reader before its page."""

    def __init__(self, browser, run, locale):
        self.run, self.session = run, Session(run, asked_of(run))
        self.server = ClickServer(self.session, page_files(run.study))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        self.page, self.problems = browser.new_page(viewport=SIZE, locale=locale), []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(self.server.first_address)

    def _console(self, said):
        if said.type == "error":
            self.problems.append(f"{said.text} {said.location.get('url', '').partition('patients')[2]}")

    def wait(self, *states):
        self.page.wait_for_selector(
            ", ".join(f"body[data-state='{state}']" for state in states), timeout=60_000
        )

    def until(self, expression):
        """Wait for what the page's own names say; its policy lets no text be run inside it."""
        stop = time.monotonic() + 60
        while not self.page.evaluate(f"() => Boolean({expression})"):
            assert time.monotonic() < stop, expression
            time.sleep(0.05)

    def settle(self):
        """Wait until what was done is kept."""
        self.page.evaluate("() => work.then(() => true)")

    def centres(self, number, hospital):
        """The middles of the bodies that the simulator drew."""
        raw = raw_ids(self.run)[self.session.asked[number].patient_id]
        mask = sitk.ReadImage(hospital / "masks" / f"{raw}.nii.gz")
        return {vertebra: vertebra_centre(mask, vertebra).tolist() for vertebra in ("T12", "L1")}

    def click(self, place, view=SAGITTAL):
        x, y = self.page.evaluate(WHERE, [place, *view])
        box = self.page.locator("#canvas").bounding_box()
        self.page.mouse.click(box["x"] + x, box["y"] + y)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def kept(self, number):
        return read_clicked(self.run.click(self.session.asked[number].patient_id))

    def state(self):
        return self.page.locator("#state").inner_text()

    def close(self):
        self.page.close()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.session.close()


@pytest.fixture
def start(chromium, hospital, tmp_path, monkeypatch):
    """Starts the command on the same run, as often as wanted; nothing may have gone wrong by the end."""
    monkeypatch.setattr(shown, "MOST_VOXELS", FEW_VOXELS)
    started = []

    def begin(locale="en-US"):
        started.append(Clicking(chromium, open_run(hospital / "study.yml", tmp_path / "run"), locale))
        return started[-1]

    yield begin
    for one in started:
        one.close()
    assert not [problem for one in started for problem in one.problems]


def test_two_clicks_a_region_accepted_and_the_next_patient(start, hospital, tmp_path):
    reader = start()
    reader.wait("T12")
    places = reader.centres(0, hospital)
    assert reader.state() == f"Patient 1 of {PATIENTS} · 0 accepted · 0 skipped · 0 to draw"
    assert "Click the middle of T12" in reader.page.locator("#task").inner_text()
    reader.click(places["T12"])
    reader.wait("L1")
    assert list(reader.kept(0).points) == ["T12"]
    reader.click(places["L1"], CORONAL)
    reader.wait("drawn")
    kept = reader.kept(0)
    assert kept.decision == ""
    for vertebra, place in places.items():  # a pixel is 0.3 mm; the slice is near the middle
        assert kept.points[vertebra] == pytest.approx(place, abs=3.0)
    measures = reader.page.locator("#measures").inner_text()
    assert "Closed by cortex" in measures
    assert "HU" in measures
    reader.page.screenshot(path=tmp_path / "drawn.png")
    assert coloured(tmp_path / "drawn.png") > 3000
    reader.press("r")
    reader.until("layers.opacity === 0")
    reader.page.screenshot(path=tmp_path / "hidden.png")
    assert coloured(tmp_path / "hidden.png") < 0.2 * coloured(tmp_path / "drawn.png")
    reader.press("c")
    assert reader.page.locator("#ribs").is_visible()
    assert reader.page.evaluate("document.getElementById('ribs').decode().then(() => true)")
    reader.press("a")
    reader.wait("T12")
    assert not reader.page.locator("#ribs").is_visible()
    assert reader.state() == f"Patient 2 of {PATIENTS} · 1 accepted · 0 skipped · 0 to draw"
    assert reader.kept(0).decision == "accepted"
    assert reader.kept(0).seconds > 0
    patient = reader.session.asked[0].patient_id
    assert sitk.GetArrayFromImage(reader.session.asked[0].source.load(patient).mask).any()


def coloured(file):
    """How many pixels of the pictures have a layer's colour, not a grey; marks and frame are left out."""
    pixels = np.asarray(Image.open(file).convert("RGB")).astype(int)[60:, :700]
    pink = (pixels[..., 0] > pixels[..., 1] + 40) & (pixels[..., 2] > pixels[..., 1] + 40)
    return int(((pixels.max(axis=-1) - pixels.min(axis=-1) > 25) & ~pink).sum())


def test_what_was_done_is_there_after_a_reload_and_a_new_start(start, hospital):
    reader = start()
    reader.wait("T12")
    places = reader.centres(0, hospital)
    reader.click(places["T12"])
    reader.wait("L1")
    reader.page.reload()
    reader.wait("L1")
    reader.close()
    again = start()
    again.wait("L1")
    again.click(places["L1"])
    again.wait("drawn")
    again.press("a")
    again.wait("T12")
    again.page.reload()
    again.wait("T12")
    assert again.state().startswith(f"Patient 2 of {PATIENTS} · 1 accepted")
    again.press("ArrowLeft")  # an accepted one is shown again with its region
    again.wait("accepted")
    again.until("layers !== null")


def test_undo_takes_back_point_by_point_and_the_last_decision(start, hospital):
    reader = start()
    reader.wait("T12")
    places = reader.centres(0, hospital)
    reader.click(places["T12"])
    reader.wait("L1")
    reader.click(places["L1"])
    reader.wait("drawn")
    reader.press("u")
    reader.wait("L1")
    reader.press("u")
    reader.wait("T12")
    reader.settle()
    assert reader.kept(0).points == {}
    reader.press("s", "3")
    reader.until("number === 1 && loaded")
    reader.press("u")  # nothing here: back to the one who was skipped
    reader.wait("skipped")
    reader.press("u")
    reader.wait("T12")
    reader.settle()
    assert reader.kept(0).decision == ""


def test_skipping_and_drawing_take_a_reason_from_the_list(start):
    reader = start()
    reader.wait("T12")
    reader.press("s")
    assert reader.page.locator("#choices button").count() == len(REASONS["skipped"])
    reader.press("Escape")
    assert not reader.page.locator("#choices").is_visible()
    reader.press("s", "2")
    reader.until("number === 1 && loaded")
    assert (reader.kept(0).decision, reader.kept(0).reason) == ("skipped", REASONS["skipped"][1])
    reader.press("d")
    reader.page.locator("#choices button").nth(3).click()
    reader.until("number === 2 && loaded")
    assert (reader.kept(1).decision, reader.kept(1).reason) == ("to draw", REASONS["to draw"][3])
    assert reader.state() == f"Patient 3 of {PATIENTS} · 0 accepted · 1 skipped · 1 to draw"


def test_shrinking_keeps_the_margin_and_a_wrong_point_is_told(start, hospital):
    reader = start()
    reader.wait("T12")
    places = reader.centres(0, hospital)
    beside = [places["T12"][0], places["T12"][1] + 26, places["T12"][2]]  # in the canal
    reader.click(beside)
    reader.wait("L1")
    reader.click(places["L1"])
    reader.wait("refused")
    assert reader.page.locator("#problem").inner_text().startswith(reader.session.asked[0].patient_id)
    assert reader.page.locator("[data-does=accept]").is_disabled()
    reader.press("a")
    reader.press("u", "u")
    reader.wait("T12")
    for vertebra in ("T12", "L1"):
        reader.click(places[vertebra])
    reader.wait("drawn")
    before = reader.page.evaluate("drawn.L1.volume_cm3")
    reader.press("+", "+")
    reader.until(f"drawn && drawn.L1.volume_cm3 < 0.95 * {before}")
    reader.settle()
    assert reader.kept(0).margin_mm == pytest.approx(1.3)
    assert reader.kept(0).decision == ""


def test_a_broken_scan_is_told_and_the_next_one_can_be_clicked(start, hospital, monkeypatch):
    reader = start()
    reader.wait("T12")
    patient = reader.session.asked[2].patient_id
    source = type(reader.session.asked[2].source)
    read = source.image

    def image(self, one):
        if one == patient:
            raise OSError(2, "gone", f"/ct/{raw_ids(self.run)[one]}")
        return read(self, one)

    monkeypatch.setattr(source, "image", image)
    reader.press("ArrowRight", "ArrowRight")
    reader.wait("failed")
    assert "gone" in reader.page.locator("#problem").inner_text()
    assert raw_ids(reader.run)[patient] not in reader.page.content()
    reader.press("ArrowRight")
    reader.wait("T12")
    assert reader.state().startswith("Patient 4")
    places = {problem.rpartition("(Conflict) ")[2] for problem in reader.problems}
    assert places <= {"/2", "/2/ct.nii"}, reader.problems
    reader.problems.clear()


def test_dragging_and_a_window_set_no_point(start):
    reader = start()
    reader.wait("T12")
    box = reader.page.locator("#canvas").bounding_box()
    reader.page.mouse.move(box["x"] + 200, box["y"] + 350)
    reader.page.mouse.down()
    reader.page.mouse.move(box["x"] + 240, box["y"] + 380, steps=4)
    reader.page.mouse.up()
    before = reader.page.evaluate("viewer.volumes[0].cal_min")
    reader.press("ArrowUp")
    assert reader.page.evaluate("viewer.volumes[0].cal_min") < before
    reader.press("b")
    assert reader.page.evaluate("viewer.volumes[0].cal_max") == pytest.approx(1050)
    reader.page.mouse.wheel(0, 100)
    assert reader.kept(0).points == {}
    assert reader.page.locator("#task").inner_text() == "Click the middle of T12."


def test_the_page_ends_the_command_and_says_how_far_it_came(start):
    reader = start()
    reader.wait("T12")
    reader.page.locator("#finish").click()
    reader.page.wait_for_selector("#finished")
    assert f"{PATIENTS} still to do" in reader.page.locator("#finished").inner_text()
    reader.thread.join(timeout=10)
    assert not reader.thread.is_alive()


def test_a_chinese_browser_reads_chinese_and_can_change_it(start, hospital):
    reader = start("zh-CN")
    reader.wait("T12")
    places = reader.centres(0, hospital)
    assert reader.state() == f"第 1 例，共 {PATIENTS} 例 · 接受 0 例 · 跳过 0 例 · 待勾画 0 例"
    assert reader.page.locator("html").get_attribute("lang") == "zh-CN"
    reader.click([places["T12"][0], places["T12"][1] + 26, places["T12"][2]])  # in the canal
    reader.wait("L1")
    reader.click(places["L1"])
    reader.wait("refused")
    refusal = reader.page.locator("#problem").inner_text()
    assert refusal.startswith(f"{reader.session.asked[0].patient_id}：T12：") and "请" in refusal
    reader.press("u", "u", "s")
    assert reader.page.locator("#choices button").first.inner_text() == "1 扫描中没有 T12 和 L1"
    reader.press("Escape", "?")
    assert "接受感兴趣区" in reader.page.locator("#keys").inner_text()
    reader.press("Escape", "l")
    assert not reader.page.locator("#keys").is_visible()
    assert reader.state() == f"Patient 1 of {PATIENTS} · 0 accepted · 0 skipped · 0 to draw"
    reader.page.reload()  # the address remembers
    reader.wait("T12")
    assert reader.page.locator("#task").inner_text() == "Click the middle of T12."
    reader.page.locator("#language").click()
    assert reader.page.locator("#task").inner_text() == "请点击 T12 的中央。"
    assert reader.page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_nothing_that_the_page_holds_lacks_chinese(hospital, tmp_path):
    words = Words("click")
    page = BeautifulSoup(
        page_files(open_run(hospital / "study.yml", tmp_path / "run").study)[""].content, "html.parser"
    )
    texts = [
        " ".join(text.split())
        for text in page.body.find_all(string=True)
        if text.parent.name not in ("script", "kbd")
    ]
    texts += [tag[name] for name in ("alt", "aria-label") for tag in page.select(f"[{name}]")]
    texts += [*LAYERS.values(), *(reason for reasons in REASONS.values() for reason in reasons)]
    assert [text for text in texts if words.chinese(text) is None] == []


def test_another_token_shows_nothing(start, chromium):
    reader = start()
    reader.wait("T12")
    stranger = chromium.new_page()
    for place in ("", "patients", "patients/0/ct.nii"):
        answer = stranger.goto(reader.server.address.replace(reader.server.token, "x") + place)
        assert answer.status == 403
        assert reader.session.asked[0].patient_id not in answer.text()
    stranger.close()
