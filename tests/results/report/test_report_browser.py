"""The report as a browser shows it: Chromium without a window, driven by playwright; skipped where either is absent."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from results.builder import SweepBuilder
from results.showcase import showcase

import hyperherd
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError
from hyperherd.results.pages.effects import effect_verdict
from hyperherd.results.statistics.importance.effects import effects
from hyperherd.results.text.format import measure, setting
from hyperherd.trial.alerts import AlertBook

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run")
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>{a|b}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, "--disable-component-update"])
        yield opened
        opened.close()


class Opened:
    """A report in a browser, with everything that it said or asked for."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.page = browser.new_page(viewport={"width": 1320, "height": 900}, **options)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]", timeout=60_000)

    def rows(self) -> int:
        self.page.wait_for_timeout(250)
        return int(self.page.locator("#trials tbody tr[data-trial]").count())

    def column(self, place: int) -> list[str]:
        return list(self.page.locator(f"#trials tbody tr[data-trial] td:nth-child({place})").all_inner_texts())

    def drag(self, x: float, y0: float, y1: float) -> None:
        """Drag along an axis of the parallel coordinates; 0 to 1 across and down the drawing."""
        chart = self.page.locator("#parallel .chart")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        self.page.mouse.move(box["x"] + x, box["y"] + y0 * box["height"])
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + x, box["y"] + (y0 + y1) / 2 * box["height"], steps=4)
        self.page.mouse.move(box["x"] + x, box["y"] + y1 * box["height"], steps=4)
        self.page.mouse.up()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return hyperherd.load(showcase(folder / "multirun" / "lr_model_seed")).report(folder / "report.html")


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Opened]:
    report = Opened(browser, file)
    yield report
    report.page.close()
    assert report.said == []
    assert [url for url in report.requests if not url.startswith(("data:", "blob:"))] == [file.as_uri()]


def scrolled(page: Any) -> None:
    """See every part once, so that what is drawn when it is seen is drawn."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for top in range(0, height, 600):
        page.evaluate(f"window.scrollTo({{top: {top}, behavior: 'instant'}})")
        page.wait_for_timeout(50)


@pytest.mark.parametrize("objective", [None, ("val/loss", "minimize")])
def test_a_guess_is_said_on_the_first_screen(browser: Any, tmp_path: Path, objective: tuple[str, str] | None) -> None:
    sweep = SweepBuilder(tmp_path / "s", objective)
    for place in range(4):
        sweep.trial({"val/loss": place / 4}, params={"lr": place // 2, "seed": place % 2})
    report = Opened(browser, hyperherd.load(sweep.dir).report(tmp_path / "report.html"))
    told = report.page.locator("#top .guess")
    assert told.count() == (objective is None)
    assert ("rank (guessed)" in report.page.locator("#trials thead").inner_text()) == (objective is None)
    if objective is None:
        assert told.inner_text() == "ranked by val/loss, lower is better (guessed from its name; -m METRIC to change)"
        box = told.bounding_box()
        assert box["y"] + box["height"] < 900
    report.page.close()


def test_every_section_is_there_and_drawn(opened: Opened) -> None:
    page = opened.page
    scrolled(page)
    titles = page.locator("section h2").all_inner_texts()
    expected = ["Configurations", "Parallel coordinates", "Effects", "Slices", "Two parameters", "Trade-offs"]
    expected += ["Best so far", "Curves", "Failures", "Timeline", "Compare two trials", "All trials"]
    assert titles == [*expected, "About this report"]
    assert page.title() == page.locator("h1").inner_text() == "lr_model_seed"
    assert "20 completed" in page.locator(".states").inner_text()
    assert page.locator(".hero .command").count() == 1
    assert page.locator(".hero .command").inner_text().startswith("python ")
    blank = (
        "node => ![...node.querySelectorAll('canvas')].some(c => c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data.some(v => v))"
    )
    drawn = page.locator(".chart")
    # intervals, parallel coordinates, three slices, two parameters, trade-offs, best so far, curves, timeline
    assert drawn.count() == 10
    assert [place for place in range(10) if drawn.nth(place).evaluate(blank)] == []
    assert opened.rows() == 24


def test_a_brush_filters_the_table_the_configurations_and_the_curves(opened: Opened) -> None:
    opened.drag(70, 0.90, 0.98)  # The lowest value of the first axis, lr.
    assert opened.rows() == 6
    assert set(opened.column(4)) == {"1e-4"}
    assert opened.page.locator("#selection").inner_text() == "6 of 24"
    assert opened.page.locator("#configurations tbody tr:not(.axis-row)").count() == 2
    assert all("lr=1e-4" in text for text in opened.page.locator("#curves .legend button").all_inner_texts())
    opened.page.locator("#clear").click()
    assert opened.rows() == 24
    assert opened.page.locator("#selection").inner_text() == ""


def test_two_brushes_and_a_filter_hold_together_and_a_click_lets_go(opened: Opened) -> None:
    opened.drag(70, 0.90, 0.98)
    look = (
        "echarts.getInstanceByDom(document.querySelector('#parallel .chart')).getZr().storage.getDisplayList()"
        ".filter(shape => shape.name === 'main' && shape.type === 'rect').map(shape => shape.style.opacity)"
    )
    assert opened.page.evaluate(look) == [0.22]
    opened.page.locator("#filter").fill("seed!=0")
    assert opened.rows() == 4
    assert opened.page.evaluate(look) == [0.22]
    opened.page.locator("#theme").click()
    assert opened.rows() == 4
    assert opened.page.evaluate(look) == [0.22]
    opened.page.locator("#parallel .chart").scroll_into_view_if_needed()
    box = opened.page.locator("#parallel .chart").bounding_box()
    opened.page.mouse.click(box["x"] + 70, box["y"] + 0.5 * box["height"])
    assert opened.rows() == 16


def test_the_filter_speaks_the_sweeps_language(opened: Opened) -> None:
    asked = {"lr=0.01,1e-3 model=cnn": 6, "val/acc:max>0.95 state=completed": 6, "stalled": 1, "nothing-like-this": 0}
    for text, rows in asked.items():
        opened.page.locator("#filter").fill(text)
        assert opened.rows() == rows, text


def test_a_filter_that_cannot_be_read_says_so_in_place_and_selects_nothing(opened: Opened) -> None:
    page = opened.page
    for text, told in {"learning=3": "'learning'", "lr~(": "regular expression", "lr > 3": "without blanks"}.items():
        page.locator("#filter").fill(text)
        assert opened.rows() == 0
        problem = page.locator("#filter-problem")
        assert told in problem.inner_text()
        assert problem.inner_text().endswith("Nothing is selected.")
        assert problem.bounding_box()["y"] < 120
        assert page.locator("#selection").inner_text() == "0 of 24"
        assert page.locator(".best-card").count() == 0
    page.locator("#filter").fill("lr=0.01")
    assert opened.rows() == 6
    assert not page.locator("#filter-problem").is_visible()


def test_one_selection_drives_every_view_as_the_same_filter_would(opened: Opened, file: Path) -> None:
    page = opened.page
    all_trials = hyperherd.load(file.parent / "multirun")
    texts = ["", "lr<=0.001 seed!=0", "state=failed"]
    for text in texts:
        page.locator("#filter").fill(text)
        trials = all_trials.filter(*text.split()).sorted()
        assert opened.rows() == len(trials)
        ranks = [rank for rank in opened.column(1) if rank != "–"]
        assert ranks == [str(rank) for rank in range(1, len(trials.ranked) + 1)]
        groups = trials.seeds()
        matters = effects(trials)
        page.wait_for_selector("#effects[aria-busy='false']")
        assert f"{matters.trials} finished trial" in page.locator("#effects [role=status]").inner_text()
        panels = page.locator("#effects h3").all_inner_texts()
        expected = [f"{one.parameter} {effect_verdict(one, matters.trials)}" for one in matters.parameters]
        assert panels == expected
        shown = page.locator("#configurations tbody tr.best").all_inner_texts()
        if not groups.ranked:
            assert shown == []
            assert "no selected trial" in page.locator("#top .cards").inner_text()
            assert page.locator("#failures details").count() == 2
            continue
        best = groups.best()
        spread, card = best.judged(trials.objective), page.locator(".best-card").inner_text()
        settings = [f"{name}={setting(value)}" for name, value in best.settings.items()]
        mean, std = measure(spread.mean), f"{spread.std:.2g}"
        assert f"{mean} ± {std}" in card.replace("\n", " ")
        assert all(item.partition("=")[2] in card for item in settings)
        winner = max((trial for trial in best.counted), key=lambda trial: trial.value("val/acc"))
        assert f"trial {winner.label}, {measure(winner.value('val/acc'))}" in card
        assert f"seed={winner.params['seed']}" in page.locator(".best-card code").inner_text()
        assert len(shown) == 1
        assert mean in shown[0]
        legend = page.locator("#curves .legend button").all_inner_texts()
        order = [" ".join(f"{name}={setting(v)}" for name, v in group.settings.items()) for group in groups.ranked]
        assert [line.split("n=")[0].split("\n")[0].strip() for line in legend][: len(order)] == order


def test_what_cannot_be_said_of_a_selection_is_said(opened: Opened) -> None:
    page = opened.page
    told = {
        "lr=0.01 model=cnn": "No parameter varies among them, so there is nothing to compare. The same in all of them, "
        "so nothing can be said of it: lr=0.01 model=cnn.",
        "lr=0.01": "The same in all of them, so nothing can be said of it: lr=0.01.",
        "nothing=1": "Of the 0 selected trials: 0 finished trials with a value. There is nothing to compare.",
        "number=0,12": "Of the 2 selected trials: 2 finished trials with a value.",
    }
    for text, expected in told.items():
        page.locator("#filter").fill(text)
        opened.rows()
        page.wait_for_selector("#effects[aria-busy='false']")
        assert expected in page.locator("#effects [role=status]").inner_text()
    assert page.locator("#effects h3").all_inner_texts() == ["lr too few trials to tell (2)"]
    page.locator("#clear").click()
    page.wait_for_selector("#effects h3 .up")
    assert page.locator("#effects [role=status]").inner_text() == "Of 20 finished trials with a value, 4 left out."


def test_the_address_carries_the_filter(opened: Opened, browser: Any, file: Path) -> None:
    opened.page.locator("#filter").fill("lr=0.01 model=cnn")
    opened.rows()
    page = browser.new_page()
    page.goto(opened.page.url)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(250)
    assert page.locator("#selection").inner_text() == "3 of 24"
    page.close()


def test_the_table_sorts_by_keyboard_and_opens_a_trial(opened: Opened) -> None:
    page = opened.page
    head = page.locator("#trials th button", has_text="train/loss")
    head.focus()
    page.keyboard.press("Enter")
    losses = [float(text) for text in opened.column(8)]
    assert losses == sorted(losses)
    assert page.locator("#trials th[aria-sort=ascending]").inner_text().startswith("train/loss")
    page.keyboard.press("Enter")
    assert [float(text) for text in opened.column(8)] == sorted(losses, reverse=True)
    first = page.locator("#trials tbody tr[data-trial] button.link").first
    first.focus()
    page.keyboard.press("Enter")
    assert "python" in page.locator("#trials tr.detail").inner_text()


def test_what_is_not_finished_is_never_ranked(opened: Opened) -> None:
    table = dict(zip(opened.column(2), opened.column(1), strict=True))
    assert {table[number] for number in ("18", "19", "20", "23")} == {"–"}
    assert sorted(int(rank) for rank in table.values() if rank != "–") == list(range(1, 21))


def test_two_trials_are_compared(opened: Opened) -> None:
    page = opened.page
    page.locator("#compare-a").fill("0")
    page.locator("#compare-a").press("Tab")
    page.locator("#compare-b").fill("15")
    page.locator("#compare-b").press("Tab")
    rows = page.locator("#compare tr.differs").all_inner_texts()
    assert any(row.split()[:3] == ["lr", "1e-4", "0.01"] for row in rows)
    assert any(row.split()[:3] == ["model", "cnn", "mlp"] for row in rows)
    assert not any(row.startswith("seed") for row in rows)


def test_a_download_is_exact_and_has_the_selected_trials(opened: Opened, file: Path, tmp_path: Path) -> None:
    page = opened.page
    page.locator("#filter").fill("lr=0.01 model=cnn")
    opened.rows()
    with page.expect_download() as waiting:
        page.get_by_text("download CSV").click()
    waiting.value.save_as(tmp_path / "trials.csv")
    header, *lines = [line.split(",") for line in (tmp_path / "trials.csv").read_text().splitlines()]
    trials = hyperherd.load(file.parent / "multirun").filter("lr=0.01", model="cnn")
    assert header[:2] == ["number", "rank"]
    assert {line[0]: float(line[header.index("val/acc")]) for line in lines} == {
        trial.label: trial.value("val/acc") for trial in trials
    }


def test_the_curves_follow_their_controls(opened: Opened) -> None:
    page = opened.page
    legend = page.locator("#curves .legend button")
    assert legend.count() == 8
    page.get_by_label("one line per").select_option("param lr")
    assert [text.split()[0] for text in legend.all_inner_texts()] == ["lr=0.01", "lr=0.1", "lr=0.001", "lr=1e-4"]
    for label, option in (("metric", "train/loss"), ("over", "time"), ("band", "range")):
        page.locator("#curves").get_by_label(label, exact=True).select_option(option)
    page.get_by_label("logarithmic").check()
    page.get_by_label("smoothing").fill("0.9")
    legend.first.press("Enter")
    assert legend.first.get_attribute("aria-pressed") == "false"
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_and_the_button(browser: Any, file: Path, scheme: str) -> None:
    opened = Opened(browser, file, color_scheme=scheme)
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    assert page.locator("html").get_attribute("data-theme") == scheme
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") != scheme
    assert page.evaluate(ground) != before
    assert opened.said == []
    page.close()


def test_nothing_can_be_loaded_or_run_beyond_what_it_brings(browser: Any, file: Path) -> None:
    page = Opened(browser, file).page
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = 1'}))"
    )
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked = 1\">')")
    refused = page.evaluate("fetch('http://127.0.0.1:9/').then(() => false, () => true)")
    page.wait_for_timeout(100)
    assert refused
    assert page.evaluate("window.hacked") is None
    page.close()


def test_hostile_texts_are_texts(browser: Any, sweep: SweepBuilder) -> None:
    sweep.trial(
        {"val/acc": 0.9, HOSTILE: 1.0}, params={"name": HOSTILE, HOSTILE: 1, "seed": 0}, final={"note": HOSTILE}
    )
    inherited = {"__proto__": "a", "constructor": "constructor", "toString": 1}
    sweep.trial({"val/acc": 0.8, HOSTILE: 2.0}, params={"name": "plain", HOSTILE: 2, "seed": 0}, final=inherited)
    sweep.trial({"val/acc": 0.7, HOSTILE: 2.5}, params={"name": "plain", HOSTILE: 2, "seed": 1, "c\x1bd": 1})
    error = TrialError(HOSTILE, HOSTILE, f"Traceback\n{HOSTILE}\n\u2028\x1b[31m\x00")
    sweep.trial(params={"name": HOSTILE, "seed": 3}, state=TrialState.FAILED, cause=FailureCause.EXCEPTION, error=error)
    AlertBook(sweep.dir / "3", 0).add(HOSTILE, "error")
    opened = Opened(browser, hyperherd.load(sweep.dir).report(sweep.dir / "r.html"))
    page = opened.page
    scrolled(page)
    assert HOSTILE in page.locator("#alerts").inner_text()
    page.locator("#filter").fill("constructor=constructor")
    assert opened.rows() == 1
    assert "No selected trial" in page.locator("#alerts").inner_text()
    page.locator("#clear").click()
    assert opened.rows() == 4
    for place in range(page.locator("#trials button.link").count()):
        page.locator("#trials button.link").nth(place).click()
    parts = ("#parallel", "#curves", "#timeline", "#slices", "#surface", "#tradeoffs", "#history", "#configurations")
    for part in parts:
        for chart in page.locator(f"{part} .chart").all():
            chart.scroll_into_view_if_needed()
            box = chart.bounding_box()
            for share in (0.2, 0.5, 0.9):
                page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2  # The data block has been taken out; charts and ours are left.
    assert HOSTILE in page.locator("#failures pre").inner_text()
    with page.expect_download() as waiting:
        page.locator("#parallel .save", has_text="SVG").click()
    picture = ElementTree.parse(waiting.value.path()).getroot()
    assert any(text.startswith("</script><s") for text in picture.itertext())
    assert "c\ufffdd" in picture.itertext()
    assert not [node.tag for node in picture.iter() if node.tag.endswith(("script", "img"))]
    assert opened.said == []
    assert len([url for url in opened.requests if not url.startswith(("data:", "blob:"))]) == 1
    page.close()


@pytest.mark.slow
def test_a_large_sweep_is_packed_paged_and_filtered(browser: Any, tmp_path: Path) -> None:
    root = showcase(tmp_path / "multirun" / "big", 2500, parquet=False)
    file = hyperherd.load(root).report(tmp_path / "big.html")
    assert "application/gzip" in file.read_text()[:100_000]
    opened = Opened(browser, file)
    assert opened.rows() == 50
    assert "of 50" in opened.page.locator("#trials .pager").inner_text()
    opened.page.locator("#trials .pager button", has_text="next").click()
    assert opened.column(1)[0] == "51"
    opened.page.locator("#filter").fill("lr=0.01 model=cnn width=64 dropout=0.1")
    opened.page.wait_for_timeout(400)
    shown = len(hyperherd.load(root).filter("lr=0.01", "model=cnn", "width=64", "dropout=0.1"))
    assert opened.page.locator("#selection").inner_text() == f"{shown} of 2,500"
    assert opened.said == []
    opened.page.close()


def wide(sweep: SweepBuilder, parameters: int = 200, metrics: int = 30) -> Path:
    """Return the report of a sweep over many parameters, with many metrics."""
    dice = random.Random(1)
    for _ in range(30):
        params = {
            f"group.parameter_{place}": dice.choice([1e-4, 0.01, 0.1, dice.random()]) for place in range(parameters)
        }
        values = {f"metric_{place}": dice.random() for place in range(metrics)}
        sweep.trial({"val/acc": dice.random(), **values}, params=params)
    return hyperherd.load(sweep.dir).report(sweep.dir / "r.html")


@pytest.mark.slow
def test_long_lists_fold_and_open(browser: Any, sweep: SweepBuilder) -> None:
    opened = Opened(browser, wide(sweep))
    page = opened.page
    scrolled(page)
    assert page.evaluate("document.documentElement.scrollHeight") < 9000
    more = page.locator("#top .settings .more")
    assert more.first.inner_text() == "and 192 more"
    more.first.click()
    assert page.locator("#top .best-card .setting").count() == 200
    assert page.locator("#trials thead th").count() < 25
    page.locator("#trials summary").click()
    page.locator("#trials .boxes").get_by_label("group.parameter_7", exact=True).set_checked(True)
    assert "group.parameter_7" in page.locator("#trials thead").inner_text()
    compared = page.locator("#compare tr.differs").count()
    page.locator("#compare button", has_text="more row").first.click()
    assert page.locator("#compare tr.differs").count() > compared + 100
    assert opened.said == []
    page.close()


def test_every_section_is_reached_on_a_narrow_screen(browser: Any, file: Path) -> None:
    opened = Opened(browser, file, reduced_motion="reduce")  # without, the page would still be on its way
    page = opened.page
    links = page.locator("#nav a")
    assert links.count() == 13
    for width in (390, 900):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for place in (0, 6, 12):
            links.nth(place).click()
            target = page.locator(links.nth(place).get_attribute("href"))
            bar = page.locator(".bar").bounding_box()["height"]
            assert bar - 5 < target.bounding_box()["y"] < 800
    page.close()


@pytest.mark.slow
def test_every_chart_is_saved_as_png_and_svg(browser: Any, file: Path, tmp_path: Path) -> None:
    opened = Opened(browser, file)
    page = opened.page
    scrolled(page)
    for kind, count in (("PNG", 10), ("SVG", 10)):
        buttons = page.locator("button.save", has_text=kind)
        assert buttons.count() == count
        for place in range(count):
            with page.expect_download() as waiting:
                buttons.nth(place).click()
            waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
    pictures = sorted(tmp_path.glob("*.svg"))
    assert len(pictures) == len(list(tmp_path.glob("*.png"))) == 10
    for picture in pictures:
        root = ElementTree.parse(picture).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 3
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in tmp_path.glob("*.png"))
    curves = next(picture for picture in pictures if picture.name.startswith("curves"))
    assert "lr=0.01 model=cnn" in "".join(ElementTree.parse(curves).getroot().itertext())
    assert all(f'fill="{colour}"' in curves.read_text() for colour in ("#3b5bdb", "#e8710a"))  # of its legend
    assert opened.said == []
    page.close()


def test_print_keeps_the_colours_of_legends(browser: Any, file: Path) -> None:
    opened = Opened(browser, file, color_scheme="dark")
    page = opened.page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    for part in ("#curves .legend i", "#parallel .ramp i", "#effects .track i"):
        look = page.locator(part).first.evaluate(
            "i => [getComputedStyle(i).printColorAdjust, i.getClientRects().length]"
        )
        assert look == ["exact", 1], part
    places = (
        "[...document.querySelectorAll('.chart')].map(chart => new Set([...chart.querySelectorAll('canvas')]"
        ".map(c => { const r = c.getBoundingClientRect(); return `${r.x} ${r.y} ${r.width} ${r.height}`; })).size)"
    )
    assert page.evaluate(places) == [1] * 10  # the layers of a chart lie on each other
    line = page.locator("#curves .legend i").first.evaluate("i => getComputedStyle(i).backgroundColor")
    assert line == "rgb(59, 91, 219)"  # of the light palette, as the lines are
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.close()


def test_a_sweep_that_has_nothing_yet(browser: Any, sweep: SweepBuilder) -> None:
    sweep.plan(lr=0.1)
    sweep.plan(lr=0.2)
    opened = Opened(browser, hyperherd.load(sweep.dir).report(sweep.dir / "r.html"))
    assert opened.rows() == 2
    assert "2 waiting" in opened.page.locator(".states").inner_text()
    assert opened.said == []
    opened.page.close()


def test_what_is_not_there_is_not_mentioned(browser: Any, sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.9}, params={"lr": 0.1})
    sweep.trial({"val/acc": 0.8}, params={"lr": 0.2})
    opened = Opened(browser, hyperherd.load(sweep.dir).report(sweep.dir / "r.html"))
    body = opened.page.locator("body").inner_text()
    assert not {"null", "undefined", "NaN"} & set(body.split())
    opened.page.close()
