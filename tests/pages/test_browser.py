"""The book as a reader meets it: in a browser, opened from the disk, without the network."""

import io
import json
import re
import shutil
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image
from scipy.special import expit

from helpers.evaluation.cutoffs import PROPORTIONS, confusion_counts, confusion_metrics, youden_cutoff
from helpers.evaluation.decision_curves import net_benefit, treat_all
from helpers.frozen.bundle import load_bundle
from helpers.learning.logistic import LogisticModel
from helpers.pages import cutoff_page
from helpers.plots.regions import LAYER_COLOURS
from helpers.study.places import REPOSITORY

try:
    from axe_playwright_python.sync_playwright import Axe
except ImportError:
    Axe = None

WIDTHS = {1280: 900, 390: 844}
THEMES = ("light", "dark")
READY = ".radbook-app[data-ready]"


@pytest.fixture(scope="module")
def html(finished):
    return finished.book / "html"


class Watched:
    """A page that remembers what went wrong on it, and from which the network cannot be reached."""

    def __init__(self, browser, **options):
        self.page = browser.new_page(**options)
        self.problems = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", lambda request: self.problems.append(f"not loaded: {request.url}"))
        self.page.route(re.compile("^(https?|wss?):"), self._refuse)

    def _console(self, message):
        if message.type == "error":
            self.problems.append(message.text)

    def _refuse(self, route):
        self.problems.append(f"asked the network: {route.request.url}")
        route.abort()


@pytest.fixture
def opened(chromium, html):
    """Open an interactive page and wait until it works; nothing may have gone wrong by the end."""
    pages = []

    def open_page(name, **options):
        watched = Watched(chromium, **options)
        pages.append(watched)
        watched.page.goto((html / f"{name}.html").as_uri())
        watched.page.wait_for_selector(READY, state="attached", timeout=30_000)
        return watched.page

    yield open_page
    for watched in pages:
        watched.page.close()
    assert not [problem for watched in pages for problem in watched.problems]


@dataclass
class Visit:
    """What a page showed: errors, its width on a phone, faults of access, small words, tables cut off."""

    problems: list[str]
    width: int
    faults: set[str]
    small: set[str]
    beyond: list[str]


@pytest.fixture(scope="module")
def visits(chromium, html):
    """Each page by its name, loaded once and measured wide and narrow."""
    pages = sorted(path for path in html.rglob("*.html") if "_static" not in path.parts)
    watched, visited = Watched(chromium), {}
    for path in pages:
        watched.problems, small, beyond = [], set(), []
        for width, height in WIDTHS.items():
            watched.page.set_viewport_size({"width": width, "height": height})
            if width == max(WIDTHS):
                load(watched.page, path)
                beyond = watched.page.evaluate(TABLES_BEYOND)
            small |= {f"{width}: {word}" for word in watched.page.evaluate(SMALL_WORDS, LEAST)}
        wide, problems = watched.page.evaluate("document.documentElement.scrollWidth"), watched.problems[:]
        watched.page.set_viewport_size({"width": max(WIDTHS), "height": WIDTHS[max(WIDTHS)]})
        faults = faults_of_access(watched.page) if Axe and path in judged_pages(html) else set()
        visited[path.relative_to(html).as_posix()] = Visit(problems, wide, faults, small, beyond)
    watched.page.close()
    return visited


# What a reader sees of a drawing: the whole, or windows on it. A window's scale is that of every word in it.
LEAST = 9  # px
SMALL_WORDS = """(least) => [...document.querySelectorAll("article .radbook-figure")].flatMap((figure) => {
    const drawn = [...figure.querySelectorAll(":scope > svg")];
    const seen = drawn.filter((one) => one.getBoundingClientRect().width > 1);
    const scale = Math.min(...seen.map((one) => one.getScreenCTM().a));
    return [...figure.querySelectorAll("text")]
        .filter((word) => parseFloat(getComputedStyle(word).fontSize) * scale < least)
        .map((word) => word.textContent);
})"""

# Tables that are cut off beside the contents; boxes that the notebook itself made to scroll are no fault.
TABLES_BEYOND = """() => [...document.querySelectorAll("article table")].flatMap((table) => {
    const box = table.closest(".output, .pst-scrollable-table-container, [style*=overflow]") ?? document.body;
    const beyond = table.getBoundingClientRect().right - box.getBoundingClientRect().right;
    return beyond > 1 && !box.matches("[style*=overflow]") ? [table.textContent.trim().slice(0, 60)] : [];
})"""


def load(page, path):
    page.goto(path.as_uri(), wait_until="load")
    if page.locator(".radbook-app").count():
        page.wait_for_selector(READY, state="attached", timeout=30_000)


def test_every_page_loads_without_errors_offline_and_fits_a_phone(visits):
    assert len(visits) > 10
    problems, phone = {name: [*visit.problems] for name, visit in visits.items()}, min(WIDTHS)
    for name, visit in visits.items():
        if visit.width > phone:
            problems[name].append(f"{visit.width} px wide on a phone of {phone} px")
    assert not {name: found for name, found in problems.items() if found}


def test_no_word_of_a_figure_is_too_small_on_a_page_or_a_phone(visits, html):
    figures = [path.read_text(encoding="utf-8").count("radbook-whole") for path in written_pages(html)]
    assert sum(figures) > 60
    assert not {name: visit.small for name, visit in visits.items() if visit.small}


def test_no_table_of_a_chapter_is_cut_off_on_a_wide_page(visits):
    chapters = {name: visit.beyond for name, visit in visits.items() if name.startswith("notebooks/")}
    assert len(chapters) > 10
    assert not {name: tables for name, tables in chapters.items() if tables}


@pytest.mark.skipif(Axe is None, reason="axe-core is not installed")
def test_no_page_has_a_serious_fault_of_access(visits):
    """axe-core on every page; what depends on the theme, the contrast of colours, in dark too."""
    faults = {f"{name} {fault}" for name, visit in visits.items() for fault in visit.faults}
    assert not sorted(faults)


@pytest.mark.skipif(Axe is None, reason="axe-core is not installed")
@pytest.mark.parametrize("theme", THEMES)
def test_a_faint_word_among_hundreds_is_found(chromium, html, theme):
    """One word of a chapter's code, too pale in one theme: hiding what looks alike must not hide it."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    load(page, html / "notebooks" / "07_delong.html")
    page.evaluate(OPEN_CODE)
    seen = "[...document.querySelectorAll('.highlight .n')].filter((word) => word.checkVisibility())"
    assert page.evaluate(f"{seen}.length") > 100
    page.evaluate(f"{seen}.at(-1).classList.add('faint')")
    pale = "{ color: #888 !important; background: #999 !important; }"
    page.add_style_tag(content=f"html[data-theme={theme}] .highlight .n.faint {pale}")
    faults = faults_of_access(page)
    page.close()
    assert [fault.split(">")[0] for fault in faults] == [f'({theme}) color-contrast: <span class="n faint"']


def faults_of_access(page):
    """Serious faults that axe-core finds: all rules in the light theme, contrast in the dark one too."""
    page.add_style_tag(content="* { transition: none !important; }")  # no colour on its way to another
    page.add_style_tag(content="[data-alike] { visibility: hidden !important; }")
    page.evaluate(OPEN_CODE)
    page.evaluate(Axe().axe_script)
    faults = set()
    for theme in THEMES:
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        if theme == "light":
            faults |= violations(page, theme, {"rules": {"color-contrast": {"enabled": False}}})
        page.evaluate(HIDE_WHAT_LOOKS_ALIKE)
        faults |= violations(page, theme, {"runOnly": ["color-contrast"]})
    return faults


OPEN_CODE = "document.querySelectorAll('div.cell details.hide').forEach((cell) => { cell.open = true; })"

# Contrast takes nearly all of axe-core's time, and a chapter has thousands of words of the same few looks. Of
# those with the same colours, sizes and backgrounds behind them three stay: the others' contrast is the same.
HIDE_WHAT_LOOKS_ALIKE = """() => {
    document.querySelectorAll("[data-alike]").forEach((word) => word.removeAttribute("data-alike"));
    const behind = new Map([[null, ""]]);
    const looks = (word) => {
        if (!behind.has(word)) {
            const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(word);
            const own = [backgroundColor, backgroundImage, opacity, filter].join(" ");
            const added = own === "rgba(0, 0, 0, 0) none 1 none" ? "" : "|" + own;
            behind.set(word, looks(word.parentElement) + added);
        }
        return behind.get(word);
    };
    const seen = new Map();
    for (const word of document.body.querySelectorAll("*")) {
        if (word.childElementCount || !word.textContent.trim()) continue;
        if (!word.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const { color, fontSize, fontWeight, textShadow } = getComputedStyle(word);
        const look = [looks(word), color, fontSize, fontWeight, textShadow].join("|");
        seen.set(look, [...(seen.get(look) ?? []), word]);
    }
    for (const words of seen.values()) words.slice(3).forEach((word) => word.setAttribute("data-alike", ""));
}"""


def violations(page, theme, options):
    found = page.evaluate(
        "async (options) => (await axe.run(options)).violations", {"resultTypes": ["violations"], **options}
    )
    return {
        f"({theme}) {fault['id']}: {node['html'][:120]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    }


def written_pages(html):
    """The book's pages, without those that libraries bring along."""
    return sorted(path for path in html.rglob("*.html") if {"_static", "vendor"}.isdisjoint(path.parts))


def judged_pages(html):
    """Pages that axe-core looks at; of the Chinese edition, built alike, one page and one chapter."""
    chinese = {html / "zh" / name for name in ("index.html", "notebooks/07_delong.html")}
    return [path for path in written_pages(html) if html / "zh" not in path.parents or path in chinese]


def test_every_link_within_the_book_leads_somewhere(html):
    @cache
    def read(path):
        """What links may lead to on a page, and where its own lead."""
        soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        targets = {tag["id"] for tag in soup.select("[id]")} | {tag["name"] for tag in soup.select("a[name]")}
        return targets, [tag.get("href") or tag.get("src") or "" for tag in soup.select("[href], [src]")]

    broken, seen = [], 0
    for page in written_pages(html):
        for address in read(page)[1]:
            link = urlsplit(address)
            if link.scheme or link.netloc:
                continue
            seen += 1
            target = (page.parent / unquote(link.path)).resolve() if link.path else page
            anchor = unquote(link.fragment)
            if not target.is_file() or (
                anchor and target.suffix == ".html" and anchor not in read(target)[0]
            ):
                broken.append(f"{page.name}: {address}")
    assert seen > 1000
    assert not broken


def test_the_calculator_gives_the_models_risk(opened, finished):
    """Twenty random patients, to 1e-6, and the points that the drawing shows."""
    page = opened("nomogram_calculator")
    bundle = load_bundle(finished.bundle)
    frozen = bundle.model["nomogram"]
    model = LogisticModel(frozen["coefficients"], frozen["levels"], frozen["method"])
    rng = np.random.default_rng(5)
    for _ in range(20):
        patient = {name: drawn(rng, axis) for name, axis in frozen["axes"].items()}
        for name, value in patient.items():
            field = page.locator(f"#nomogram-{name}")
            field.select_option(value) if isinstance(value, str) else field.fill(str(value))
        people = pd.DataFrame([patient])
        answer = page.locator("#nomogram-answer")
        risk = float(answer.get_attribute("data-probability"))
        assert risk == pytest.approx(float(np.ravel(model.probability(people))[0]), abs=1e-6)
        points = float(answer.get_attribute("data-points"))
        assert points == pytest.approx(bundle.chart.total_points(people)[0], abs=1e-6)
        assert f"{points:.1f} points" in answer.text_content()


def drawn(rng, axis):
    numeric = not isinstance(axis[0], str)
    return round(float(rng.uniform(min(axis), max(axis))), 4) if numeric else str(rng.choice(axis))


def test_the_markers_follow_the_keyboard(opened):
    """The sliders work without a mouse; the drawn markers move, the answer is announced."""
    page = opened("nomogram_calculator")
    places = "[...document.querySelectorAll('.radbook-marker')].map((dot) => dot.getAttribute('cx'))"
    before = page.evaluate(places)
    page.locator("#nomogram-rad_score-range").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    after = page.evaluate(places)
    assert len(before) == len(after) == 5  # age, sex, Rad-score, total, risk
    assert before[:2] == after[:2]
    assert all(float(new) > float(old) for old, new in zip(before[2:], after[2:], strict=True))
    assert page.locator("#nomogram-answer").get_attribute("aria-live") == "polite"


def test_a_value_beyond_the_axis_is_not_taken(opened):
    page = opened("nomogram_calculator")
    answer = page.locator("#nomogram-answer")
    before = answer.get_attribute("data-probability")
    page.locator("#nomogram-age").fill("140")
    assert answer.get_attribute("data-probability") == before
    page.locator("#nomogram-age").blur()
    assert float(page.locator("#nomogram-age").input_value()) < 140


def test_the_cutoff_explorers_numbers_are_those_of_metrics(opened, finished):
    """Every model and set, at cut-offs between, at and beyond the observed risks."""
    page = opened("cutoff_explorer")
    predictions = finished.read("predictions")
    rng = np.random.default_rng(11)
    for (model, cohort), part in predictions.groupby(["model", "cohort"]):
        page.locator("#cutoff-model").select_option(model)
        page.locator("#cutoff-cohort").select_option(cohort)
        y, p = part["outcome"].to_numpy(), part["probability"].to_numpy()
        for cutoff in [0, *rng.uniform(0.02, 0.98, 2).round(3), float(f"{rng.choice(p):.10f}"), 0.999]:
            shown = asked(page, cutoff)
            assert shown["cutoff"] == cutoff
            same_as_metrics(shown, y, p, cutoff)
        page.locator("#cutoff-youden").click()
        assert {name: numbers(page)[name] for name in ("tp", "fp", "tn", "fn")} == vars(
            confusion_counts(y, p, youden_cutoff(y, p))
        )


def asked(page, cutoff):
    """Type a cut-off, read all numbers."""
    typing = """(text) => {
        const field = document.getElementById("cutoff-value");
        field.value = text;
        field.dispatchEvent(new Event("input"));
        return document.getElementById("cutoff-answer").dataset.numbers;
    }"""
    return json.loads(page.evaluate(typing, f"{cutoff:.10f}"))


def numbers(page):
    return json.loads(page.locator("#cutoff-answer").get_attribute("data-numbers"))


def same_as_metrics(shown, y, p, cutoff):
    counted = confusion_counts(y, p, cutoff)
    assert {name: shown[name] for name in ("tp", "fp", "tn", "fn")} == vars(counted)
    expected = confusion_metrics(y, p, cutoff)["estimate"]
    for name in PROPORTIONS:
        given = np.nan if shown[name] is None else shown[name]
        assert given == pytest.approx(expected[name], abs=1e-12, nan_ok=True), name
    assert shown["net_benefit"] == pytest.approx(net_benefit(y, p, [cutoff])[0], abs=1e-12)
    assert shown["treat_all"] == pytest.approx(treat_all(y, [cutoff])[0], abs=1e-9)


def test_in_groups_the_slider_stops_only_where_groups_are_large(chromium, tmp_path):
    """The page of a hospital's book: any cut-off asked for gives way to the nearest offered one."""
    rng = np.random.default_rng(2)
    y = rng.binomial(1, 0.4, 300)
    ids = [f"P{i}" for i in range(300)]
    people = {"patient_id": ids, "cohort": "training", "outcome": y, "model": "nomogram"}
    table = pd.DataFrame(people | {"probability": expit(rng.normal(2 * y - 1, 1))})
    data = cutoff_page.cutoff_data(table, grouped=True)
    data["groups"] = {0: "Alive", 1: "Died"}
    shutil.copytree(REPOSITORY / "book" / "extra" / "interactive", tmp_path / "interactive")
    body = '<div class="radbook-app" id="cutoff-app"></div>'
    body += f'<script type="application/json" id="cutoff-app-data">{json.dumps(data)}</script>'
    body += "".join(
        f'<script src="interactive/{name}.js"></script>' for name in ("shared", "cutoff_explorer")
    )
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8><body>{body}", encoding="utf-8")
    watched = Watched(chromium)
    watched.page.goto((tmp_path / "page.html").as_uri())
    offered = data["curves"]["nomogram"]["training"]["cutoffs"]
    for cutoff in np.linspace(0, 1, 23):
        shown = asked(watched.page, cutoff)
        assert shown["cutoff"] in offered
        same_as_metrics(shown, y, table["probability"].to_numpy(), shown["cutoff"])
    watched.page.close()
    assert not watched.problems


def test_the_viewer_shows_ct_and_regions(opened):
    """Each region's colour is on the screen when colours are on, and none when they are off."""
    page = opened("volume_viewer", viewport={"width": 390, "height": 844})
    colours = [tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in LAYER_COLOURS]
    page.add_style_tag(content=".radbook-legend { visibility: hidden; }")

    def seen():
        shot = Image.open(io.BytesIO(page.locator(".radbook-volume").screenshot())).convert("RGB")
        pixels = np.asarray(shot, dtype=int).reshape(-1, 3)
        near = [int((np.abs(pixels - colour).max(axis=1) <= 3).sum()) for colour in colours]
        grey = (np.ptp(pixels, axis=1) <= 3) & (pixels.mean(axis=1) > 40)
        return near, int(grey.sum())

    page.locator("#volume-opacity").fill("100")
    near, grey = seen()
    # The three planes through the middle of L1 cross all six layers.
    assert min(near) > 100
    assert grey > 5_000
    page.locator("#volume-opacity").fill("0")
    assert max(seen()[0]) < 20
    answer = page.locator("#volume-answer")
    assert "L1 middle" in answer.text_content()
    page.locator("#volume-axis-2").fill("0")
    assert "outside the regions" in answer.text_content()


def test_the_viewer_turns(opened):
    page = opened("volume_viewer", viewport={"width": 390, "height": 844})
    page.locator("#volume-view").select_option("turn")
    before = page.locator(".radbook-volume").screenshot()
    page.locator("#volume-azimuth").fill("90")
    after = page.locator(".radbook-volume").screenshot()
    assert before != after


@pytest.mark.parametrize("name", ["nomogram_calculator", "cutoff_explorer", "volume_viewer"])
def test_without_scripts_a_picture_stands_in(chromium, html, name):
    page = chromium.new_page(java_script_enabled=False)
    page.goto((html / f"{name}.html").as_uri())
    picture = page.locator("img.radbook-static")
    assert picture.is_visible()
    assert picture.bounding_box()["height"] > 100
    assert page.locator("article noscript p").is_visible()
    banner = "const style = getComputedStyle(document.querySelector('.bd-header-announcement'));"
    assert (
        contrast(page.evaluate(f"() => {{ {banner} return [style.color, style.backgroundColor]; }}")) >= 4.5
    )
    page.close()


@pytest.mark.parametrize("name", ["nomogram_calculator", "cutoff_explorer", "volume_viewer"])
def test_on_paper_a_picture_stands_in(opened, name):
    page = opened(name)
    assert page.locator(".radbook-app").is_visible()
    assert page.locator("img.radbook-static").is_hidden()
    page.emulate_media(media="print")
    assert page.locator(".radbook-app").is_hidden()
    assert page.locator("img.radbook-static").is_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pointer_reads_net_benefit_at_a_threshold(chromium, html, finished, width):
    """On the whole figure and on a phone's panel: the heights of all curves, to what a pixel is worth."""
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.goto((html / "notebooks" / "08_decision_curves.html").as_uri())
    figure = page.locator(".radbook-figure[data-axes]").first
    figure.scroll_into_view_if_needed()
    place = figure.evaluate("""(figure) => {
        const [left, top, width, height, low, high] = JSON.parse(figure.dataset.axes)[0];
        const seen = [...figure.querySelectorAll("svg")].find((one) => one.getBoundingClientRect().width > 1);
        const at = new DOMPoint(left + width * (0.2 - low) / (high - low), top + height / 2);
        const { x, y } = at.matrixTransform(seen.getScreenCTM());
        return [x, y];
    }""")
    page.mouse.move(*place)
    threshold, *told = [float(line) for line in figure.locator(".radbook-values div").all_inner_texts()]
    page.close()
    curves = finished.read_table("decision_curves")
    rows = curves[(curves["cohort"] == "training") & np.isclose(curves["threshold"], 0.2)]
    assert threshold == pytest.approx(0.2, abs=0.01)
    shown = [benefit for benefit in rows["net_benefit"] if benefit > -0.05]
    assert sorted(told) == pytest.approx(sorted(shown), abs=0.03)


def test_formulas_are_set_without_the_network(opened):
    page = opened("cutoff_explorer")
    page.wait_for_selector("mjx-container svg", timeout=30_000)


@pytest.mark.parametrize("theme", THEMES)
def test_words_in_the_drawing_stand_out_from_the_page(opened, theme):
    """Contrast of at least 4.5 (WCAG AA) between the drawing's labels and the page, in both themes."""
    page = opened("nomogram_calculator")
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    colours = page.evaluate(
        "[getComputedStyle(document.querySelector('.radbook-chart text')).fill,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    assert contrast(colours) >= 4.5


def contrast(colours):
    """Contrast ratio of two colours as WCAG 2 defines it."""
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    """Relative luminance of ``rgb(r, g, b)`` as WCAG 2 defines it."""
    channels = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


FOLDED = "[...document.querySelectorAll('div.cell details.hide, .admonition.dropdown')]"
OPEN = f"{FOLDED}.filter((box) => box.open ?? !box.classList.contains('toggle-hidden')).length"


def test_to_teach_code_and_objectives_are_open_on_every_page_and_it_is_remembered(chromium, html):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    load(page, html / "notebooks" / "05_models.html")
    boxes = page.evaluate(f"{FOLDED}.length")
    assert boxes > 10 and page.evaluate(OPEN) == 0
    switch = page.locator("button.radbook-mode")
    assert switch.get_attribute("aria-pressed") == "false"
    switch.click()
    assert page.evaluate(OPEN) == boxes and switch.get_attribute("aria-pressed") == "true"
    load(page, html / "notebooks" / "07_delong.html")
    page.wait_for_selector("html[data-radbook-mode=teaching]", state="attached")
    assert page.evaluate(OPEN) == page.evaluate(f"{FOLDED}.length") > 10
    page.locator("button.radbook-mode").click()
    assert page.evaluate(OPEN) == 0
    page.reload()
    assert page.evaluate(OPEN) == 0
    context.close()


def test_without_scripts_objectives_are_there_and_a_click_opens_code(chromium, html):
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto((html / "notebooks" / "05_models.html").as_uri())
    assert page.get_by_text("You need: the selected features").is_visible()
    cell = page.locator("div.cell details.hide").first
    assert not cell.locator("pre").first.is_visible()
    cell.locator("summary").click()
    assert cell.locator("pre").first.is_visible()
    context.close()


@pytest.mark.parametrize("chapter", ["01_cohort", "04_selection", "08_decision_curves"])
def test_a_chapter_opens_with_its_figure(html, chapter):
    soup = BeautifulSoup((html / "notebooks" / f"{chapter}.html").read_text("utf-8"), "html.parser")
    article = soup.select_one("article.bd-article")
    first = article.select_one(".radbook-figure, h2, .admonition")
    assert first.name == "div" and len(first["aria-label"]) > 20
    assert [one["aria-label"] for one in article.select(".radbook-figure")].count(first["aria-label"]) == 1
