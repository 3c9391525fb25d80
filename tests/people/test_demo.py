"""The page in a browser whose microphone hears recordings: enrol, recognise, refuse."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

import demo
from conftest import RECIPE
from local.people.gallery import changed_gallery, read_gallery
from local.people.voices import as_voices

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: pip install -r requirements_dev.txt"
)
pytest.importorskip("gradio", reason="no gradio: pip install -r requirements_demo.txt")
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
REASON = "no Chromium: install it, e.g. with scripts/install_chromium.sh"
pytestmark = [pytest.mark.long, pytest.mark.skipif(not CHROMIUM, reason=REASON)]
PHONE, DESKTOP = 390, 1280


@pytest.fixture(scope="module")
def run(decided_run):
    return decided_run


@pytest.fixture(scope="module")
def people(small):
    """Recordings of three people of the training."""
    names = sorted(folder.name for folder in (small.corpus / "train").iterdir())[:3]
    return [sorted(small.corpus.glob(f"*/{name}/*/*.wav")) for name in names]


def command(run, *options):
    words = [sys.executable, "-u", RECIPE / "demo.py", "--checkpoint", run, *options]
    return [*map(str, words)]


@pytest.fixture(scope="module")
def server(run, tmp_path_factory):
    """The page, served until Ctrl-C: its address, its gallery, and its temporary folder."""
    folder = tmp_path_factory.mktemp("served")
    gallery, temporary = folder / "people.npz", folder / "temporary"
    temporary.mkdir()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    words = command(run, "--port", 0, "--gallery", gallery)
    process = subprocess.Popen(words, env={**os.environ, "TMPDIR": str(temporary)}, **pipes)
    try:
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), process.communicate()
        address = line.split()[0]
        yield SimpleNamespace(address=address, gallery=gallery, temporary=temporary)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "\n", "")
    assert list(temporary.iterdir()) == []  # nothing that was recorded stays


@pytest.fixture(autouse=True)
def nobody_is_enrolled(request):
    if "server" in request.fixturenames:
        request.getfixturevalue("server").gallery.unlink(missing_ok=True)


@contextlib.contextmanager
def browsing(server, microphone=None, width=PHONE):
    """The page in a browser of its own, which asks no other host, and is as wide as its screen."""
    options = ["--disable-dev-shm-usage", "--use-fake-ui-for-media-stream"]
    options += ["--use-fake-device-for-media-stream"]
    if microphone:
        options.append(f"--use-file-for-fake-audio-capture={microphone}")
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page(viewport={"width": width, "height": 844}, locale="en-US")
        asked, faults = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.set_default_timeout(30_000)
        page.goto(server.address)
        yield page
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert wide == width and faults == []
    assert all(url.startswith((f"{server.address}/", "blob:", "data:")) for url in asked)


def tab(page, name):
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel").filter(visible=True)


def ask(panel, button, answer, kind="headline"):
    """Press a button; returns what is answered, once it is an answer of this kind."""
    before = panel.locator(f"#{answer} p").all_inner_texts()
    panel.get_by_role("button", name=button, exact=True).click()
    panel.page.wait_for_function(
        "([place, kind, before]) => { const found = document.querySelector(`#${place} p`);"
        " return found && found.className == kind && found.innerText != before }",
        arg=[answer, kind, before[0] if before else ""],
    )
    return panel.locator(f"#{answer} p").first.inner_text()


def record(panel, seconds=1.8):
    panel.get_by_role("button", name="Record", exact=True).click()
    panel.page.wait_for_timeout(1000 * seconds)
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_label("Play").first.wait_for()


def upload(panel, name, path):
    """Upload what is to be in a player."""
    player = panel.locator(f"#{name}")
    player.get_by_label("Upload file").click()
    player.locator("input[type=file]").set_input_files(str(path))
    player.get_by_label("Play").first.wait_for()


def attach(panel, *paths):
    """Upload files that are not to be played."""
    places = panel.locator("[data-testid=file-upload], input[type=file]").last
    places.set_input_files([str(path) for path in paths])
    panel.get_by_text(paths[-1].stem).first.wait_for()


def loop_of(path, paths):
    """A file in which somebody speaks without a pause, for the microphone."""
    sf.write(path, np.concatenate([sf.read(one)[0] for one in paths]), 16_000, subtype="PCM_16")
    return path


def test_two_are_enrolled_and_known_and_a_third_is_not(server, people, tmp_path):
    loops = [loop_of(tmp_path / f"{k}.wav", paths[2:]) for k, paths in enumerate(people)]
    with browsing(server, loops[0]) as page:
        panel = tab(page, "Enrol")
        for name, paths in zip(("Ann", "Bob"), people, strict=False):
            panel.get_by_label("Name").first.fill(name)
            attach(panel, *paths[:2])
            assert ask(panel, "Enrol", "enrolled").startswith(f"{name}: ")
        panel.get_by_label("Name").first.fill("Ann")
        record(panel)
        assert "Ann is enrolled already" in ask(panel, "Enrol", "enrolled", "wrong")
        panel.get_by_label("add").check()
        assert "2 enrolled" in ask(panel, "Enrol", "enrolled")
        assert "Ann\t3\t" in panel.locator("#people").inner_text()
    assert read_gallery(server.gallery).names == ["Ann", "Bob"]
    sf.write(tmp_path / "silence.wav", np.zeros(48_000), 16_000)
    for microphone, kind, answer in (
        (loops[0], "headline", "Ann ("),
        (loops[1], "headline", "Bob ("),
        (loops[2], "headline", "Nobody who is enrolled ("),
        (tmp_path / "silence.wav", "wrong", "the recording: no speech in "),
    ):
        with browsing(server, microphone) as page:
            panel = tab(page, "Identify")
            record(panel)
            assert ask(panel, "Identify", "identified", kind).startswith(answer)


def test_two_recordings_are_compared_by_keyboard(server, people):
    with browsing(server) as page:
        panel = tab(page, "Verify")
        upload(panel, "recording-1", people[0][0])
        for path, decision in ((people[0][1], "Same"), (people[1][0], "Different")):
            if decision == "Different":
                panel.locator("#recording-2").get_by_label("Clear").click()
            upload(panel, "recording-2", path)
            button = panel.get_by_role("button", name="Compare")
            playwright.expect(button).to_be_enabled()
            button.focus()
            page.keyboard.press("Enter")
            panel.locator("#verified .headline", has_text=f"{decision} speaker").wait_for()
        texts = panel.locator("#verified figcaption").all_inner_texts()
        assert texts[0].startswith("Log-likelihood ratio -") and "(threshold " in texts[0]
        assert [text[:12] for text in texts[1:]] == ["Recording 1:", "Recording 2:"]
        assert all("s of speech" in text for text in texts)
        for width, height in ((DESKTOP, 900), (PHONE, 844)):
            page.set_viewport_size({"width": width, "height": height})
            boxes = [picture.bounding_box() for picture in panel.locator("#verified svg").all()]
            widths = [box["width"] for box in boxes]
            assert len(boxes) == 3 and 0.8 * PHONE < min(widths) <= max(widths) < width
            assert (boxes[1]["y"] == boxes[2]["y"]) == (width == DESKTOP)
        page.get_by_role("tab", name="Verify").focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.get_by_label("Name").first.is_visible()


def test_a_timeline_and_who_is_forgotten(server, people, tmp_path):
    both = loop_of(tmp_path / "both.wav", people[0][:3] + people[1][:3])
    with browsing(server, width=DESKTOP) as page:
        panel = tab(page, "Enrol")
        for name, paths in zip(("Ann", "<b>Bob</b>"), people, strict=False):
            panel.get_by_label("Name").first.fill(name)
            attach(panel, *paths[3:])
            ask(panel, "Enrol", "enrolled")
        panel = tab(page, "Timeline")
        attach(panel, both)
        panel.get_by_role("button", name="Who speaks when").click()
        panel.locator("#timeline svg").wait_for()
        cells = panel.locator("#timeline td:nth-child(3)")
        cells.first.wait_for()
        names = cells.all_inner_texts()
        assert names[0] == "Ann" and names[-1] == "<b>Bob</b>"
        panel = tab(page, "Enrol")
        panel.get_by_label("Forget", exact=True).first.click()
        page.get_by_role("option", name="Ann").click()
        page.keyboard.press("Escape")
        assert ask(panel, "Forget", "enrolled") == "Forgotten: Ann; 1 enrolled."
    assert read_gallery(server.gallery).names == ["<b>Bob</b>"]


def enrol_elsewhere(path):
    """Leave the gallery of another network."""
    with changed_gallery(path, "0" * 64) as gallery:
        vectors, frames = np.ones((1, 4), np.float32), np.array([16000])
        gallery["Eve"] = as_voices("Eve", vectors, frames, np.ones(1))


def test_what_is_wrong_is_told_on_the_page(server, people, tmp_path):
    sf.write(tmp_path / "silence.wav", np.zeros(48_000), 16_000)
    sf.write(tmp_path / "short.wav", sf.read(people[0][0])[0][4000:10_000], 16_000)
    (tmp_path / "damaged.wav").write_bytes(people[0][0].read_bytes()[:5000])
    (tmp_path / "text.m4a").write_text("hello\n" * 99)
    with browsing(server) as page:
        panel = tab(page, "Verify")
        assert panel.get_by_role("button", name="Compare").is_disabled()
        panel = tab(page, "Timeline")
        attach(panel, people[0][0])
        assert "nobody is enrolled yet" in ask(panel, "Who speaks when", "timeline", "wrong")
        panel = tab(page, "Enrol")
        assert panel.get_by_role("button", name="Enrol").is_disabled()
        attach(panel, people[0][0])
        assert "the name is missing" in ask(panel, "Enrol", "enrolled", "wrong")
        panel.get_by_label("Clear").last.click()
        panel.get_by_label("Name").first.fill("Ann")
        for name, message in (
            ("silence.wav", "silence.wav: no speech in 3.0 s of audio"),
            ("short.wav", "expected 0.5 s at least; give another recording"),
            ("damaged.wav", "damaged.wav: truncated"),
            ("text.m4a", "text.m4a: "),
        ):
            attach(panel, tmp_path / name)
            text = ask(panel, "Enrol", "enrolled", "wrong")
            assert message in text and "Traceback" not in text and "/" not in text
            panel.get_by_label("Clear").last.click()
        enrol_elsewhere(server.gallery)
        attach(panel, people[0][0])
        assert "made by another network" in ask(panel, "Enrol", "enrolled", "wrong")


def test_uploads_are_bounded(server, people, tmp_path):
    with open(tmp_path / "large.wav", "wb") as file:
        file.truncate(201 * 2**20)
    (uploads,) = server.temporary.glob("page*")
    with browsing(server) as page:
        panel = tab(page, "Timeline")
        panel.locator("input[type=file]").set_input_files(str(tmp_path / "large.wav"))
        page.get_by_text("exceed the maximum allowed size of 200").wait_for()
        panel = tab(page, "Enrol")
        attach(panel, *people[0], *people[1], *people[2], *people[0], *people[0][:2])
        panel.get_by_label("Name").first.fill("Ann")
        assert "22 recordings: 20 at once" in ask(panel, "Enrol", "enrolled", "wrong")
        for number in range(500):
            (uploads / str(number)).touch()
        panel = tab(page, "Timeline")
        panel.locator("input[type=file]").set_input_files(str(people[0][0]))
        page.get_by_text("Too much has been uploaded: try again in an hour").wait_for()


@pytest.mark.parametrize(
    "case, message",
    [
        ("busy", "of 127.0.0.1 cannot be taken (Address already in use): end what uses it, or"),
        ("no gradio", "the package gradio is not installed: pip install -r requirements_demo.txt"),
        ("undecided", "nothing can be decided: "),
        ("no network", "no trained network here"),
        ("gallery", "people.npz: made by another network"),
        ("known", "--known 2.0: expected a probability between 0 and 1"),
    ],
)
def test_what_keeps_the_page_from_starting(run, tmp_path, monkeypatch, capsys, case, message):
    monkeypatch.setattr(os, "environ", os.environ.copy())  # it is changed
    options = {"--checkpoint": run, "--port": 0, "--gallery": tmp_path / "people.npz"}
    with socket.create_server(("127.0.0.1", 0)) as busy:
        if case == "busy":
            options["--port"] = busy.getsockname()[1]
        elif case == "no gradio":
            monkeypatch.setitem(sys.modules, "gradio", None)
        elif case == "undecided":
            options["--checkpoint"] = shutil.copytree(run / "inference", tmp_path / "undecided")
            (tmp_path / "undecided/decision.json").unlink()
        elif case == "no network":
            options["--checkpoint"] = tmp_path
        elif case == "gallery":
            enrol_elsewhere(options["--gallery"])
        else:
            options["--known"] = 2.0
        with pytest.raises(SystemExit) as stop:
            demo.main([str(word) for pair in options.items() for word in pair])
    errors = capsys.readouterr().err.splitlines()
    assert stop.value.code == (2 if case == "known" else 1) and message in errors[-1]
    assert case == "known" or (len(errors) == 1 and errors[0].startswith("error: "))
