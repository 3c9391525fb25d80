"""The report as a browser shows it, on a phone, on a desktop and in print."""

import io
import itertools
import os
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from local.report import make_report
from local.results import read_results
from report_making import write_run
from running import verify

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: pip install -r requirements_dev.txt"
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
REASON = "no Chromium: install it, e.g. with scripts/install_chromium.sh"
pytestmark = [pytest.mark.long, pytest.mark.skipif(not CHROMIUM, reason=REASON)]
SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}


@pytest.fixture(scope="module")
def reports(small, trained, tmp_path_factory):
    """HTML files: of a run that was really trained, and of a comparison of made-up ones."""
    folder = tmp_path_factory.mktemp("reports")
    run = shutil.copytree(trained, folder / "prototype")
    dev, meta = small.corpus / "dev_trials.txt", small.corpus / "tiny_meta.csv"
    options = ("--calibration_trials", str(dev), "--meta_file", str(meta))
    verify(run, [small.shards / "dev"], [dev], run / "scores.txt", *options)
    scores = run / "scores.json"
    others = [
        write_run(folder / name, calibrated=number > 0, noise=1 + number / 2)
        for number, name in enumerate(["short", "a_rather_long_name_of_an_experiment", "third"])
    ]
    return {
        "run": (make_report([scores])[0], [scores]),
        "comparison": (make_report(others, folder / "comparison.html")[0], others),
    }


@pytest.fixture(scope="module")
def browser():
    options = ["--disable-dev-shm-usage"]  # which is small in containers
    if os.geteuid() == 0:  # Chromium refuses to run as root in its sandbox
        options.append("--no-sandbox")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        except playwright.Error as error:
            pytest.skip(f"{CHROMIUM} does not start here: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(
    scope="module",
    params=[f"{name}-{screen}" for name in ("run", "comparison") for screen in SCREENS],
)
def opened(request, reports, browser):
    """A report on a screen, with all that it asked for and said while it was opened."""
    name, screen = request.param.split("-")
    path, results = reports[name]
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(120_000)  # ms: on a busy machine
    page = context.new_page()
    requests, messages = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(path.as_uri(), wait_until="load")
    yield SimpleNamespace(
        page=page, path=path, results=results, width=width, requests=requests, messages=messages
    )
    context.close()


def boxes(page, selector):
    """Left, top, right and bottom of the elements that are shown, with their first words."""
    return page.eval_on_selector_all(
        selector,
        """elements => elements.filter(e => e.checkVisibility()).map(e => {
            const box = e.getBoundingClientRect()
            return [box.left, box.top, box.right, box.bottom, e.textContent.trim().slice(0, 60)]
        })""",
    )


def overlapping(found, slack=1.0):
    """The pairs of boxes that lie on each other."""
    return [
        (first[4], second[4])
        for first, second in itertools.combinations(found, 2)
        if min(first[2], second[2]) - max(first[0], second[0]) > slack
        and min(first[3], second[3]) - max(first[1], second[1]) > slack
    ]


def test_nothing_is_fetched_and_nothing_complains(opened):
    assert [url for url in opened.requests if not url.startswith("data:")] == [opened.path.as_uri()]
    assert opened.messages == []


def test_eer_on_the_page_is_that_of_the_json(opened):
    shown = opened.page.locator("td[data-metric=eer] data").all_inner_texts()
    expected = [
        read_results(path).lists[0].evaluation["metrics"]["eer"]["value"] for path in opened.results
    ]
    assert [float(text.removesuffix("%")) / 100 for text in shown] == pytest.approx(
        expected, abs=5.1e-5
    )
    assert f"{min(expected):.2%}" in opened.page.locator(".headline").inner_text()


def test_page_is_as_wide_as_the_screen(opened):
    assert opened.page.evaluate("document.documentElement.scrollWidth") == opened.width
    for left, _, right, _, text in boxes(opened.page, "body *:not(.wide *, svg *)"):
        assert left >= 0 and right <= opened.width + 0.5, text


def test_every_picture_is_there_and_not_empty(opened):
    figures = opened.page.locator("figure").all()
    assert len(figures) == opened.page.locator("svg.picture").count() >= 7
    sheet = imread(io.BytesIO(opened.page.screenshot(full_page=True)))[..., :3]
    sheet = (255 * sheet).astype(int) @ [1, 256, 65536]  # one number a colour
    for figure in figures:
        picture = figure.locator("svg")
        name = picture.locator("title").first.text_content()
        box = picture.bounding_box()
        assert box["width"] > 280 and box["height"] > 80, name
        left, top = round(box["x"]), round(box["y"])
        pixels = sheet[top : top + round(box["height"]), left : left + round(box["width"])]
        colours, counts = np.unique(pixels, return_counts=True)
        assert len(colours) > 30, name
        assert counts.max() < 0.985 * counts.sum(), name
        assert figure.locator("figcaption").inner_text().strip(), name


def test_text_in_pictures_is_legible(opened):
    """Large enough, within its picture, and not on other text."""
    for number in range(opened.page.locator("svg.picture").count()):
        picture = f"svg.picture >> nth={number}"
        (frame,) = boxes(opened.page, picture)
        texts = boxes(opened.page, f"{picture} >> text")
        assert overlapping(texts) == []
        for left, top, right, bottom, text in texts:
            assert min(right - left, bottom - top) > 10.5 or len(text) < 2, text
            assert left >= frame[0] - 2 and right <= frame[2] + 2, text
            assert top >= frame[1] - 2 and bottom <= frame[3] + 2, text


def test_nothing_lies_on_something_else(opened):
    found = boxes(opened.page, "h1, h2, h3, h4, p, figure, .wide, .worst table, pre, dl, summary")
    assert len(found) > 25
    assert overlapping(found) == []


def test_print(opened):
    page = opened.page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 without its margins
    try:
        folded = page.locator("details:not([open]) > pre, details:not([open]) > .wide")
        assert folded.count() >= 3
        for element in folded.all():  # what is folded on a screen is printed
            assert element.bounding_box()["height"] > 20
        assert page.evaluate("document.documentElement.scrollWidth") <= 680
        for _, top, _, bottom, text in boxes(page, "figure"):
            assert 80 < bottom - top < 900, text  # it fits on a sheet
        assert page.eval_on_selector("figure", "e => getComputedStyle(e).breakInside") == "avoid"
        assert page.eval_on_selector("h1", "e => getComputedStyle(e).color") == "rgb(0, 0, 0)"
        pdf = page.pdf(format="A4")
        assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3
    finally:
        page.emulate_media(media="screen")


def sound(page):
    """What the player is at, once it has read what it plays: name, seconds, and its error."""
    page.wait_for_function("document.querySelector('#player audio').readyState > 0")
    player = "const p = document.querySelector('#player'), a = p.querySelector('audio')"
    return page.evaluate(
        f"() => {{ {player}; return [p.querySelector('span').textContent, a.duration, a.error] }}"
    )


def test_the_worst_trials_are_heard(opened, small):
    buttons = opened.page.locator("button[data-clip]")
    if opened.path.stem == "comparison":  # its shards are made up
        assert "There is no sound:" in opened.page.inner_text("main") and not buttons.count()
        return
    assert buttons.count() == 40
    for button in buttons.all()[::7]:
        name = button.get_attribute("data-name")
        button.focus()
        opened.page.keyboard.press("Enter")
        title, seconds, error = sound(opened.page)
        assert (title, error) == (name, None) and opened.page.locator("#player").is_visible()
        whole = soundfile.info(small.corpus / "dev" / f"{name}.wav").duration
        assert seconds == pytest.approx(min(whole, 5), abs=0.1)
    opened.page.wait_for_function("document.querySelector('#player audio').currentTime > 0.2")
    left, top, right, bottom, _ = boxes(opened.page, "#player")[0]
    screen = opened.page.viewport_size
    assert left >= 0 and right <= screen["width"] and bottom <= screen["height"] + 1
    assert bottom - top < 0.2 * screen["height"]
    opened.page.keyboard.press("Enter")  # the same button: pause
    assert opened.page.evaluate("document.querySelector('#player audio').paused")
    opened.page.locator("#player button").click()
    assert not opened.page.locator("#player").is_visible()


def test_points_of_the_map_tell_who_they_are(opened):
    page = opened.page
    points = page.evaluate("JSON.parse(document.getElementById('points').textContent)")
    assert len(points) == page.locator("svg.map").count() > 0
    for map_, utterances in points.items():
        told, places = page.locator(f"#{map_}-point"), page.locator(f"use[id^='{map_}-utterance']")
        assert told.inner_text() == "No point is chosen." and places.count() == len(utterances)
        svg = page.locator("svg.map", has=places)
        svg.scroll_into_view_if_needed()
        for number in (0, len(utterances) // 2):
            name, clip = utterances[number]
            box = places.nth(number).bounding_box()
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            # Of points on each other it may be the other; sound is that of the one that is told.
            shown = told.inner_text().removesuffix(" (no sound)")
            there = places.nth([each for each, _ in utterances].index(shown)).bounding_box()
            assert abs(there["x"] - box["x"]) < 3 and abs(there["y"] - box["y"]) < 3
            if clip is not None:
                title, seconds, error = sound(page)
                assert title == shown and seconds > 0.5 and error is None
        svg.focus()
        page.keyboard.press("Home")
        for name, clip in utterances[:4]:
            assert told.inner_text() == (name if clip is not None else f"{name} (no sound)")
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        if utterances[3][1] is not None:
            page.keyboard.press("Enter")
            assert sound(page)[0] == utterances[3][0]
            page.locator("#player button").click()
