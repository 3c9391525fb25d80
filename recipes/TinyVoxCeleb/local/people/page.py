"""The page: four tabs, by Gradio, with fields, buttons, and answers below them."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from local.people.page_answers import Answers
from local.people.page_html import is_wrong

TITLE = "Who is speaking?"
PRIVACY = "Nothing is sent elsewhere, and recordings go when the page ends."
ONE_BY_ONE = {"concurrency_limit": 1, "concurrency_id": "network", "api_visibility": "private"}


def make_page(answers: Answers) -> gr.Blocks:
    """Build the page on which these answers are asked for."""
    options = {"analytics_enabled": False, "delete_cache": (600, 3600)}  # seconds
    with gr.Blocks(title=TITLE, fill_width=True, **options) as page:
        gr.HTML(f"<h1>{TITLE}</h1><p>{PRIVACY}</p>", padding=False)
        with gr.Tab("Verify"):
            _verify_tab(answers)
        with gr.Tab("Enrol"):
            _enrol_tab(answers, page)
        with gr.Tab("Identify"):
            _identify_tab(answers)
        with gr.Tab("Timeline"):
            _timeline_tab(answers)
    page.queue(default_concurrency_limit=1, max_size=32)
    return page


def style() -> dict:
    """How the page looks, for `launch`: with fonts of the system, none is asked of another host."""
    theme = gr.themes.Base(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    # Not as `css`, which Gradio confines to what is within the page's margins.
    css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    return {"theme": theme, "head": f"<style>{css}</style>"}


def _verify_tab(answers):
    gr.HTML("<p>Are two recordings of one speaker?</p>", padding=False)
    with gr.Row():
        sides = [_recording(f"Recording {number}", f"recording-{number}") for number in (1, 2)]
    _ask("Compare", answers.verify, sides, "verified")


def _enrol_tab(answers, page):
    gr.HTML("<p>Introduce somebody: a name, and a recording or several files.</p>", padding=False)
    name = gr.Textbox(label="Name", max_length=100, max_lines=1)
    with gr.Row():
        recording = _recording("Recording", "to-enrol")
        files = gr.File(label="Or several files", file_count="multiple", height=180)
    how = gr.Radio(["new", "add", "replace"], value="new", label="A name that is there already")
    button = _button("Enrol", any, [recording, files])
    answer = _answer("enrolled")
    gr.HTML("<h2>Who is enrolled</h2>", padding=False)
    people = _answer("people")
    chosen = gr.Dropdown([], label="Forget", multiselect=True)
    forget = gr.Button("Forget")

    def shown():
        return answers.people(), gr.Dropdown(choices=answers.names(), value=[])

    def enrol(*given):
        told = answers.enrol(*given)
        kept = [gr.skip()] * 3 if is_wrong(told) else ["", None, None]
        return str(told), *kept, *shown()

    def forgotten(names):
        return str(answers.forget(names)), *shown()

    fields = [name, recording, files, how]
    button.click(enrol, fields, [answer, *fields[:3], people, chosen], **ONE_BY_ONE)
    forget.click(forgotten, chosen, [answer, people, chosen], **ONE_BY_ONE)
    page.load(shown, None, [people, chosen], **ONE_BY_ONE)


def _identify_tab(answers):
    gr.HTML("<p>Who of the enrolled speaks, or nobody who is enrolled?</p>", padding=False)
    recording = _recording("Recording", "to-identify")
    _ask("Identify", answers.identify, [recording], "identified")


def _timeline_tab(answers):
    gr.HTML("<p>Who of the enrolled speaks when in a long recording?</p>", padding=False)
    recording = gr.File(label="A long recording", height=180)
    _ask("Who speaks when", answers.timeline, [recording], "timeline")


def _ask(label: str, question: Callable, fields: list, name: str) -> None:
    """A button that asks a question about fields, and its answer below."""
    button = _button(label, all, fields)
    answer = _answer(name)
    button.click(lambda *given: str(question(*given)), fields, answer, **ONE_BY_ONE)


def _button(label: str, enough: Callable, recordings: list) -> gr.Button:
    """A button that can be pressed once recordings are here: they are shown before."""
    button = gr.Button(label, variant="primary", interactive=False)
    gr.on(
        [recording.change for recording in recordings],
        lambda *given: gr.Button(interactive=enough(map(bool, given))),
        recordings,
        button,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return button


def _recording(label, name):
    return gr.Audio(
        label=label,
        type="filepath",
        sources=["microphone", "upload"],
        buttons=["download"],  # none that shares it
        elem_id=name,
        min_width=280,  # below each other on a phone
    )


def _answer(name):
    return gr.HTML(elem_id=name, elem_classes="answer", padding=False)
