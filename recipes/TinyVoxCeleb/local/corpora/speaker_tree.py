"""Find the recordings in a tree with one folder a speaker; name them "speaker/session/utterance".

    <data_folder>/<speaker>/**/<utterance>.<any format that libsndfile or FFmpeg reads>

Folders below the speaker are sessions, joined with "-"; a file directly in the speaker's folder is
a recording, that is a session, of its own.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import soundfile as sf

from local.corpora.audio_files import FOREIGN_AUDIO, Ignored, find_audio, ignored_line
from local.errors import RecipeError
from local.layout import composed, spelt_twice

# libsndfile names formats, not extensions; RAW has no header that would tell rate and width.
AUDIO_EXTENSIONS = {f".{name.lower()}" for name in sf.available_formats()} - {".raw"}
AUDIO_EXTENSIONS |= {".aif", ".aifc", ".oga", ".opus", ".snd", ".sph", ".wave"}
AUDIO_EXTENSIONS |= FOREIGN_AUDIO
SPLIT_FOLDERS = {"train", "val", "dev", "eval", "test"}
MIN_SPEAKERS = 4  # two to train on and two unseen ones: the least that gives trials to both


@dataclass
class SpeakerTree:
    """What was found in a folder of speakers.

    Attributes
    ----------
    paths : dict of str to Path
        Each recording by its id "speaker/session/utterance", sorted.
    notes : list of str
        What a user should be told: files ignored, files taken as sessions.
    """

    paths: dict
    notes: list

    @property
    def sessions(self) -> dict[str, dict[str, list]]:
        """The ids by speaker and session."""
        sessions = {}
        for identifier in self.paths:
            speaker, session, _ = identifier.split("/")
            sessions.setdefault(speaker, {}).setdefault(session, []).append(identifier)
        return sessions


def find_speakers(data_folder: str | Path) -> SpeakerTree:
    """Find and name all recordings of a folder of speakers.

    Links are followed, but nothing is taken twice; see `find_audio`.

    Raises
    ------
    RecipeError
        If there are fewer than four speakers, or two folders or files would have the same name.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("ann/2019/day 1/hello.wav", "bob/hi.ogg", "cid/hi.mp3", "dee/hi.flac"):
    ...     (folder / name).parent.mkdir(parents=True)
    ...     (folder / name).touch()
    >>> list(find_speakers(folder).paths)[:2]
    ['ann/2019-day_1/hello', 'bob/hi/00000']
    """
    data_folder = Path(data_folder)
    if not data_folder.is_dir():
        raise RecipeError(f"{data_folder}: no such folder; expected one with a folder a speaker")
    ignored = Ignored()
    paths = find_audio(data_folder, AUDIO_EXTENSIONS, ignored)
    found = [path.relative_to(data_folder) for path in paths]
    files = [path for path in found if len(path.parts) > 1]
    notes = [line] if (line := ignored_line(ignored, above=0)) else []
    if len(files) < len(found):
        notes.append(f"{len(found) - len(files)} audio files beside the speaker folders ignored")
    _check_speakers(data_folder, files, notes)

    names = {path: _name(path) for path in files}
    speakers = {speaker for speaker, _, _ in names.values()}
    sessions = {(speaker, session) for speaker, session, _ in names.values()}
    if len(sessions) == len(speakers) < len(names):
        # A level that every speaker has once, as in speaker/wav/*.wav, tells no sessions apart.
        notes.append("no speaker has two session folders: each file counts as a session of its own")
        names = {path: (a, f"{b}-{c}", "00000") for path, (a, b, c) in names.items()}
    return SpeakerTree(_paths_by_id(data_folder, names), notes)


def clean(name: str) -> str:
    """A name without blanks, which would break a trial list."""
    return re.sub(r"\s", "_", name)


def _name(path):
    try:
        speaker, *folders, _ = map(clean, path.parts)
        # WebDataset cuts a key at the first dot of the file's name.
        utterance = clean(path.stem).replace(".", "_")
        str(path).encode()
    except UnicodeEncodeError:
        raise RecipeError(f"{os.fsencode(path)}: the name is not UTF-8: rename it") from None
    return (speaker, "-".join(folders), utterance) if folders else (speaker, utterance, "00000")


def _paths_by_id(data_folder, names):
    owners = {}
    for path, name in names.items():
        # Two folders that become one speaker are as wrong as two files that become one utterance.
        for label, owner in ((name[0], path.parts[0]), ("/".join(name), path)):
            if (other := owners.setdefault(composed(label), owner)) != owner:
                named = f"{data_folder / other} and {data_folder / owner}"
                if alike := spelt_twice((str(other), str(owner)), composed):
                    named += f" (in two forms of Unicode that look alike: {alike[0]})"
                raise RecipeError(
                    f"{named} would both be called {label!r}: rename, merge or remove one of them"
                )
    return dict(sorted(("/".join(name), data_folder / path) for path, name in names.items()))


def _check_speakers(data_folder, files, notes):
    speakers = {path.parts[0] for path in files}
    if speakers and speakers <= SPLIT_FOLDERS:
        raise RecipeError(
            f"{data_folder}: {', '.join(sorted(speakers))} are names of splits, not of speakers; "
            "is this the tiny-voxceleb layout? Then prepare it as that corpus, or give a folder "
            "that holds one folder a speaker"
        )
    if len(speakers) >= MIN_SPEAKERS:
        return
    message = (
        f"{data_folder}: {len(speakers)} speaker folders with audio found, at least {MIN_SPEAKERS} "
        f"are needed (two to train on, two unseen); expected {data_folder}/<speaker>/**/"
        "<recording>.wav (or .flac, .ogg, .mp3, …)"
    )
    if hint := _deeper(files):
        message += f"; are the speakers in {data_folder / hint}? Then give that folder"
    raise RecipeError("; ".join([message, *notes]))


def _deeper(files):
    """The folder, if any, that holds enough speaker folders below a chain of single ones."""
    common = os.path.commonpath([path.parent for path in files]) if files else ""
    if not common:
        return None
    below = {path.parent.relative_to(common).parts[:1] for path in files}
    return common if len(below - {()}) >= MIN_SPEAKERS else None
