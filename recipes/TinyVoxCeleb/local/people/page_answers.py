"""What the page answers: HTML, whatever is asked."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from markupsafe import Markup

from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.people.comparing import Comparer, posteriors, verify_voices, who_is
from local.people.gallery import changed_gallery, check_new, enrol, enrolled_names, read_gallery
from local.people.network import HearingNetwork
from local.people.page_html import figure, headline, table, told
from local.people.page_pictures import recording_picture, scale_picture, timeline_picture
from local.people.timeline import timeline
from local.people.voices import Voices, as_voices, merge

MOST_RECORDINGS = 20  # of somebody, at once
LONGEST, LONGEST_TIMELINE = 600, 2 * 3600  # seconds
SHOWN = 5  # of the enrolled, with their probabilities


class Answers:
    """What can be asked of a network that decides, and of a gallery.

    Arguments
    ---------
    network
        That has a threshold.
    gallery
        File of the enrolled; it is made when somebody is enrolled.
    known
        Probability, before listening, that somebody who speaks is one of them.
    """

    def __init__(self, network: HearingNetwork, gallery: str | Path, known: float):
        self.network, self.gallery, self.known = network, Path(gallery), known

    def names(self) -> list[str]:
        """Who is enrolled; nobody where the gallery cannot be read, which other answers tell."""
        try:
            return enrolled_names(self.gallery, self.network.digest)
        except RecipeError:
            return []

    @told
    def people(self) -> Markup:
        """All who are enrolled."""
        if not enrolled_names(self.gallery, self.network.digest):
            return Markup("<p>Nobody is enrolled yet.</p>")
        people = read_gallery(self.gallery, self.network.digest)
        columns = people.names, people.recordings.tolist(), [f"{s:.1f}" for s in people.speech]
        return table(("name", "recordings", "speech (s)"), zip(*columns, strict=True))

    @told
    def verify(self, first: str | None, second: str | None) -> Markup:
        """Whether two recordings are of one speaker, and what they look like."""
        parts, voices = [], []
        for number, path in enumerate((first, second), start=1):
            name = f"recording {number}"
            signal, voice = self._heard(path, name)
            speech = self.network.encoder.detector([torch.from_numpy(signal)])[0].numpy()
            title = f"Recording {number}: {voice.speech[0]:.1f} s of speech in "
            title += f"{len(signal) / SAMPLE_RATE:.1f} s"
            shown = recording_picture(f"recording{number}", title, signal, speech)
            parts.append(figure(shown, f"{title}; speech is shaded."))
            voices.append(voice)
        found = verify_voices(self.network.encoder, *voices)
        sentence, _, numbers = str(found).partition(": ")
        scale = figure(scale_picture(found), f"{numbers[0].upper()}{numbers[1:]}.")
        figures = Markup('<div class="figures">{}</div>').format(Markup("").join(parts))
        return headline(f"{sentence.capitalize()}.") + scale + figures

    @told
    def enrol(self, name: str, recording: str | None, files: list[str] | None, how: str) -> Markup:
        """Introduce somebody; `how` is new, add or replace, where the name is there already."""
        name, paths = name.strip(), [*filter(None, [recording]), *(files or [])]
        if not name:
            raise RecipeError("the name is missing: write that of who speaks")
        if len(paths) > MOST_RECORDINGS:
            raise RecipeError(f"{len(paths)} recordings: {MOST_RECORDINGS} at once are the most")
        names = enrolled_names(self.gallery, self.network.digest)
        if name in names and how == "new":
            raise RecipeError(
                f"{name} is enrolled already: choose “add” or “replace”, or write another name"
            )
        check_new(self.gallery, name, names, replaced=True)
        labels = {path: Path(path).name for path in paths} or {None: "the recording"}
        voice = merge(name, [self._heard(*pair)[1] for pair in labels.items()])
        choice = {"add": how == "add", "replace": how == "replace"}
        voice, count = enrol(self.gallery, self.network.digest, voice, **choice)
        return headline(f"{name}: {voice.speech[0]:.1f} s of speech; {count} enrolled.")

    @told
    def forget(self, names: list[str] | None) -> Markup:
        """Take people out of the gallery."""
        if not names:
            raise RecipeError("nobody is chosen: choose whom to forget")
        with changed_gallery(self.gallery, self.network.digest) as people:
            for name in names:
                people.pop(name, None)
        return headline(f"Forgotten: {', '.join(names)}; {len(people)} enrolled.")

    @told
    def identify(self, recording: str | None) -> Markup:
        """Who somebody is, or nobody who is enrolled."""
        people = self._people()
        _, voice = self._heard(recording, "the recording")
        comparer = Comparer(self.network.encoder, people)
        found = who_is(comparer, voice, self.known)
        probabilities = posteriors(comparer.llrs(voice), self.known)[0]
        names = [*people.names, "nobody who is enrolled"]
        rows = [
            (names[row], f"{probabilities[row]:.3f}")
            for row in np.argsort(-probabilities, kind="stable")
        ]
        sentence = str(found)[0].upper() + str(found)[1:] if found.name is None else str(found)
        speech = f"{voice.speech[0]:.1f} s of speech were heard."
        return (
            headline(f"{sentence}.")
            + table(("who", "probability"), rows[:SHOWN])
            + Markup("<p>{}</p>").format(speech)
        )

    @told
    def timeline(self, recording: str | None) -> Markup:
        """Who of the enrolled speaks when in a long recording."""
        people = self._people()
        with _named(recording, "the recording"):
            heard = self.network.hear(recording, LONGEST_TIMELINE)
        llrs = Comparer(self.network.encoder, people).llrs(heard.voices)
        segments = timeline(heard, llrs, people.names, self.known)
        rows = [
            (f"{part.start:.2f}", f"{part.end:.2f}", part.name, f"{part.probability:.2f}")
            for part in segments
        ]
        picture = timeline_picture(segments, heard.seconds)
        caption = f"Who speaks when in {Path(recording).name}."
        head = ("from (s)", "to (s)", "who", "probability")
        return figure(picture, caption) + table(head, rows)

    def _people(self) -> Voices:
        if not enrolled_names(self.gallery, self.network.digest):
            raise RecipeError("nobody is enrolled yet: enrol somebody first")
        return read_gallery(self.gallery, self.network.digest)

    def _heard(self, recording, label) -> tuple[np.ndarray, Voices]:
        """The samples of a recording, without offset, and the voice in it."""
        with _named(recording, label):
            signal = self.network.load(recording, LONGEST)
            embedded = self.network.embed([signal])
        return signal - signal.mean(), as_voices(label, *embedded[:3])


@contextlib.contextmanager
def _named(recording: str | None, label: str) -> Iterator[None]:
    """Let errors call a recording as the page does, not by where it lies meanwhile."""
    if recording is None:
        raise RecipeError(f"{label} is missing: record it, or upload a file")
    try:
        yield
    except RecipeError as error:
        text = str(error).replace(str(recording), label).replace("recordings[0]", label)
        raise RecipeError(text.replace(" (min_speech)", "")) from error
