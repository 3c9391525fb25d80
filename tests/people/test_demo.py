"""The page in a browser whose microphone hears recordings: enrol, recognise, refuse."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from conftest import RECIPE
from local.people.gallery import read_gallery
from running import train, verify

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: pip install -r requirements_dev.txt"
)
pytest.importorskip("gradio", reason="no gradio: pip install -r requirements_demo.txt")
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
REASON = "no Chromium: install it, e.g. with scripts/install_chromium.sh"
pytestmark = [pytest.mark.long, pytest.mark.skipif(not CHROMIUM, reason=REASON)]


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    run, trials = tmp_path_factory.mktemp("run"), small.corpus / "val_trials.txt"
    train(small, run, "--epochs", "30", "--crops_per_utterance", "8")
    options = ("--calibration_trials", str(trials))
    verify(run, [small.shards / "val"], [trials], run / "scores.txt", *options)
    return run


@pytest.fixture(scope="module")
def people(small):
    """Recordings of three people of the training."""
    names = sorted(folder.name for folder in (small.corpus / "train").iterdir())[:3]
    return [sorted(small.corpus.glob(f"*/{name}/*/*.wav")) for name in names]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def command(run, port, *options):
    words = [sys.executable, "-u", str(RECIPE / "demo.py"), "--checkpoint", str(run)]
    return [*words, "--port", str(port), *map(str, options)]


@contextlib.contextmanager
def served(run, *options):
    port = free_port()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command(run, port, *options), **pipes)
    try:
        line = process.stdout.readline()
        assert line.startswith(f"http://127.0.0.1:{port} "), process.communicate()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in err, out + err


@contextlib.contextmanager
def browsing(address, microphone=None, width=390):
    """A page in a browser of its own, and the addresses that it has asked."""
    options = ["--disable-dev-shm-usage", "--use-fake-ui-for-media-stream"]
    options += ["--use-fake-device-for-media-stream"]
    if microphone:
        options.append(f"--use-file-for-fake-audio-capture={microphone}")
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        page, asked = browser.new_page(viewport={"width": width, "height": 844}), []
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(30_000)
        page.goto(address)
        yield page
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert wide <= width
    assert all(url.startswith((address, "blob:", "data:")) for url in asked)


def tab(page, name):
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel").filter(visible=True)


def ask(panel, button, pattern):
    """Press a button; returns the answer, once it is like a pattern."""
    panel.get_by_role("button", name=button).click()
    answer = panel.locator(".prose.answer")
    playwright.expect(answer).to_contain_text(re.compile(pattern), timeout=30_000)
    return answer.inner_text()


def record(panel, page, seconds=2.5):
    panel.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1000 * seconds)
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_label("Play").first.wait_for()


def loop_of(path, paths):
    """A file in which somebody speaks without a pause, for the microphone."""
    signals = [sf.read(path)[0] for path in paths]
    sf.write(path, np.concatenate(signals), 16_000, subtype="PCM_16")
    return path


def test_two_are_enrolled_and_known_and_a_third_is_not(run, people, tmp_path):
    gallery = tmp_path / "people.npz"
    with served(run, "--gallery", gallery) as address:
        with browsing(address) as page:
            panel = tab(page, "Enrol")
            for name, paths in zip(("Ann", "Bob"), people, strict=False):
                panel.get_by_label("Name").first.fill(name)
                files = panel.locator("input[type=file][multiple]")
                files.set_input_files([str(path) for path in paths[:2]])
                page.wait_for_timeout(500)
                assert f"{name}: " in ask(panel, "Enrol", f"{name}: .* s of speech")
                panel.get_by_label("Clear").last.click()
            again = ask(panel, "Enrol", "Refused")
            assert "Bob is enrolled already" in again or "record something" in again
        assert read_gallery(gallery).names == ["Ann", "Bob"]
        expected = ("Ann, with", "Bob, with", "Nobody who is enrolled, with")
        for number, (paths, answer) in enumerate(zip(people, expected, strict=True)):
            microphone = loop_of(tmp_path / f"{number}.wav", paths[2:])
            with browsing(address, microphone) as page:
                panel = tab(page, "Identify")
                record(panel, page)
                assert ask(panel, "Who is it", "with probability|Refused").startswith(answer)


def test_silence_is_refused_by_each_tab_and_two_are_compared(run, people, tmp_path):
    sf.write(tmp_path / "silence.wav", np.zeros(48_000), 16_000)
    with served(run) as address, browsing(address, width=1280) as page:
        for second, pattern in ((people[0][1], "Same speaker: "), (people[1][0], "Different sp")):
            page.reload()
            panel = tab(page, "Verify")
            for place, path in enumerate((people[0][0], second)):
                panel.get_by_label("Upload file").nth(place).click()
                panel.locator("input[type=file]").first.set_input_files(str(path))
                panel.locator("input[type=file]").first.wait_for(state="detached")
            assert "log-likelihood ratio" in ask(panel, "Compare", pattern)
        panel = tab(page, "Enrol")
        panel.get_by_label("Name").first.fill("Nobody here")
        panel.locator("input[type=file][multiple]").set_input_files(str(tmp_path / "silence.wav"))
        page.wait_for_timeout(500)
        text = ask(panel, "Enrol", "Refused")
        assert text.startswith("Refused: silence.wav: no speech in 3.0 s of audio")
        panel = tab(page, "Timeline")
        assert "no such gallery" in ask(panel, "Who speaks when", "Refused")


def test_what_keeps_the_page_from_starting(run, small, tmp_path):
    undecided = train(small, tmp_path / "run")
    (tmp_path / "hidden/gradio").mkdir(parents=True)
    (tmp_path / "hidden/gradio/__init__.py").write_text("raise ImportError(name='gradio')")
    hidden = {**os.environ, "PYTHONPATH": str(tmp_path / "hidden")}
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        for words, environment, message in (
            (command(run, port), None, f"--port {port} of 127.0.0.1: Address already in use"),
            (command(run, free_port()), hidden, "package gradio, which is not installed: pip"),
            (command(undecided, free_port()), None, "no threshold has been fitted"),
            (command(tmp_path, free_port()), None, "no trained network here"),
        ):
            done = subprocess.run(words, env=environment, capture_output=True, text=True)
            assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
            assert done.stderr.startswith("error: ") and message in done.stderr
