"""The page on which people are enrolled, verified and identified, in a browser."""

from pathlib import Path

import gradio as gr

from local.errors import RecipeError
from local.people.comparing import Comparer, verify_voices, who_is
from local.people.gallery import changed_gallery, check_new, enrol, enrolled_names, read_gallery
from local.people.network import HearingNetwork
from local.people.page_pictures import draw_recording, draw_score, pixels_of
from local.people.timeline import timeline
from local.people.timeline_picture import draw_timeline
from local.people.voices import as_voices, merge

COLUMNS = ["name", "recordings", "speech (s)"]
MOST_FILES = 20  # that are enrolled at once
STYLE = "footer {display: none !important} .answer {font-size: 1.2em}"


def make_page(network: HearingNetwork, gallery: str | Path, known: float = 0.5) -> gr.Blocks:
    """The page of a network that decides, and of a gallery, which need not be there yet.

    `known` is the probability, before listening, that somebody who is asked for is enrolled.
    """
    with gr.Blocks(title="Who is speaking?", analytics_enabled=False) as page:
        gr.Markdown("# Who is speaking?\nWhat is recorded here stays on this machine.")
        with gr.Tab("Verify"):
            _verify_tab(network)
        with gr.Tab("Enrol"):
            _enrol_tab(network, gallery)
        with gr.Tab("Identify"):
            _identify_tab(network, gallery, known)
        with gr.Tab("Timeline"):
            _timeline_tab(network, gallery, known)
    return page


def style() -> dict:
    """How the page looks, for `launch`: with fonts that are there, none is fetched."""
    fonts = ["system-ui", "sans-serif"]
    return {"theme": gr.themes.Base(font=fonts, font_mono=["monospace"]), "css": STYLE}


def _recording(label):
    sources, buttons = ["microphone", "upload"], ["download"]  # none that shares it
    return gr.Audio(label=label, type="filepath", sources=sources, buttons=buttons)


def _picture(label):
    return gr.Image(label=label, show_label=False, interactive=False, buttons=["fullscreen"])


def _answer():
    return gr.Markdown(elem_classes="answer")


def _told(count):
    """Give what is wrong as an answer, the first of `count` outputs; the others are emptied."""

    def wrap(function):
        def told(*arguments):
            try:
                return function(*arguments)
            except RecipeError as error:
                text = str(error)
                for folder in {str(Path(path).parent) for path in _paths(arguments)}:
                    text = text.replace(f"{folder}/", "")  # where the page keeps uploads
                return [f"**Refused:** {text}", *[None] * (count - 1)]

        return told

    return wrap


def _paths(arguments):
    for argument in arguments:
        yield from argument if isinstance(argument, list) else [argument] * bool(argument)


def _heard(network, paths, name=""):
    """What was heard in recordings of one person, as one voice."""
    if not paths or not all(paths):
        raise RecipeError("record something, or upload a recording")
    parts = [as_voices(name, *network.embed([path])[:3]) for path in paths]
    return merge(name, parts)


def _drawn(network, path, title):
    return draw_recording(network.encoder.load_audio(path).numpy(), title)


def _verify_tab(network):
    with gr.Row():
        first, second = _recording("First recording"), _recording("Second recording")
    button, answer = gr.Button("Compare", variant="primary"), _answer()
    score = _picture("Score")
    with gr.Row():
        pictures = [_picture(name) for name in ("First", "Second")]

    @_told(4)
    def compare(a, b):
        voices = [_heard(network, [path]) for path in (a, b)]
        found = verify_voices(network.encoder, *voices)
        decision, details = str(found).split(": ", 1)
        text = f"**{decision.capitalize()}**: {details}."
        drawn = zip((a, b), ("First", "Second"), found.speech, strict=True)
        images = [_drawn(network, path, f"{n}: {s} s of speech") for path, n, s in drawn]
        return text, draw_score(found), *images

    button.click(compare, [first, second], [answer, score, *pictures])


def _enrol_tab(network, gallery):
    name = gr.Textbox(label="Name", max_length=100)
    recording = _recording("Recording")
    files = gr.File(label="Or several files", file_count="multiple", type="filepath")
    there = gr.Radio(["new", "add", "replace"], value="new", label="A name that is there already")
    with gr.Row():
        button, remove = gr.Button("Enrol", variant="primary"), gr.Button("Remove this name")
    answer = _answer()
    table = gr.Dataframe(
        _people(network, gallery), headers=COLUMNS, label="Enrolled", interactive=False
    )

    @_told(2)
    def add(name, path, paths, how):
        name, given = name.strip(), [*([path] if path else []), *(paths or [])]
        if len(given) > MOST_FILES:
            raise RecipeError(f"{len(given)} files: expected {MOST_FILES} at the most")
        check_new(gallery, name, enrolled_names(gallery, network.digest), how != "new")
        voice = _heard(network, given, name)
        options = {"add": how == "add", "replace": how == "replace"}
        voice, count = enrol(gallery, network.digest, voice, **options)
        text = f"**{name}**: {voice.speech[0]:.1f} s of speech; {count} enrolled."
        return text, _people(network, gallery)

    @_told(2)
    def forget(name):
        with changed_gallery(gallery, network.digest) as people:
            if people.pop(name.strip(), None) is None:
                raise RecipeError(f"not enrolled: {name}")
        return f"**{name}** is forgotten.", _people(network, gallery)

    button.click(add, [name, recording, files, there], [answer, table])
    remove.click(forget, [name], [answer, table])


def _people(network, gallery):
    """Rows of the table of the enrolled."""
    if not enrolled_names(gallery, network.digest):
        return []
    people = read_gallery(gallery, network.digest)
    columns = people.names, people.recordings.tolist(), people.speech.round(1).tolist()
    return [list(row) for row in zip(*columns, strict=True)]


def _identify_tab(network, gallery, known):
    recording = _recording("Recording")
    button, answer = gr.Button("Who is it?", variant="primary"), _answer()
    picture = _picture("Recording")

    @_told(2)
    def identify(path):
        comparer = Comparer(network.encoder, read_gallery(gallery, network.digest))
        voice = _heard(network, [path])
        found = who_is(comparer, voice, known)
        title = f"{voice.speech[0]:.1f} s of speech"
        text = f"**{found.name or 'Nobody who is enrolled'}**, with probability "
        text += f"{found.probability:.3f}; nearest is {found.nearest}."
        return text, _drawn(network, path, title)

    button.click(identify, [recording], [answer, picture])


def _timeline_tab(network, gallery, known):
    recording = _recording("A recording of several people")
    button, answer = gr.Button("Who speaks when?", variant="primary"), _answer()
    picture = _picture("Timeline")
    table = gr.Dataframe(headers=["from (s)", "to (s)", "who", "probability"], interactive=False)

    @_told(3)
    def tell(path):
        people = read_gallery(gallery, network.digest)
        if not path:
            raise RecipeError("record something, or upload a recording")
        heard = network.hear(path)
        llrs = Comparer(network.encoder, people).llrs(heard.voices)
        segments = timeline(heard, llrs, people.names, known)
        text = f"{len(segments)} segments of {len({part.name for part in segments})} people."
        return text, pixels_of(draw_timeline(segments, heard.seconds)), [list(p) for p in segments]

    button.click(tell, [recording], [answer, picture, table])
