"""From m4a, as VoxCeleb2 comes, to shards, against FFmpeg called once a file.

The peer converts each file by a call of `ffmpeg`, as the scripts of SpeechBrain, clovaai and
WeSpeaker do, and writes no shards: that would come on top. Both take turns, and what counts is the
time of processors, all processes together: utterances a second and core. The recordings are
artificial voices of 8 s, the mean of VoxCeleb2, at its 16 kHz, encoded by PyAV.
"""

import os
import shutil
import statistics
import subprocess
from pathlib import Path

import av
import numpy as np

from benchmarks.measuring import ratio
from benchmarks.scale.shards import cpu_of_children, watch
from local.corpora.artificial_voices import draw_voice, record, speak
from local.corpora.utterance_list import write_utterances
from local.layout import SAMPLE_RATE
from local.metadata import write_meta

SECONDS, BIT_RATE = 8, 64_000
FEW = 40  # files, for what it takes to start, which is once for all: it is subtracted
SPEAKERS = 20
DIFFERENT = FEW  # recordings that are encoded; the others are links to them
PEERS_SHARE = 20  # of so many files the peer converts one
INSTALL = "no ffmpeg here to compare with: apt-get install ffmpeg, or put another one on PATH"


def make_m4a(folder: Path, files: int) -> Path:
    """Encode speech, and list it as a corpus below a folder, which is returned."""
    corpus, listed, made = folder / "corpus", [], []
    corpus.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(files):
        key = f"id{number % SPEAKERS:05d}/x/{number // SPEAKERS:05d}"
        path = folder / f"aac/{key}.m4a"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < DIFFERENT:
            voice = draw_voice(rng, "fm"[number % 2])
            encode(path, record(speak(voice, rng, SECONDS), rng))
            made.append(path)
        else:
            os.link(made[number % DIFFERENT], path)
        listed.append((key, str(path)))
    write_utterances(corpus, {"train": listed})
    names = [f"id{number:05d}" for number in range(SPEAKERS)]
    write_meta(corpus, train_speakers=names, dev_speakers=[])
    return corpus


def encode(path: Path, signal: np.ndarray) -> None:
    """Write a mono signal at 16 kHz, of shape (time,), as AAC."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono", bit_rate=BIT_RATE)
        plane = np.ascontiguousarray(signal[None], np.float32)
        frame = av.AudioFrame.from_ndarray(plane, format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for part in (frame, None):
            out.mux(stream.encode(part))


def by_calls(paths: list[Path], target: Path) -> float:
    """Seconds of processors that a call of FFmpeg for each file takes."""
    before = cpu_of_children()
    command = ["ffmpeg", "-y", "-v", "error", "-i"]
    convert = ["-ac", "1", "-ar", str(SAMPLE_RATE), "-vn", "-acodec", "pcm_s16le", str(target)]
    for path in paths:
        subprocess.run([*command, str(path), *convert], check=True, stdin=subprocess.DEVNULL)
    return cpu_of_children() - before


def into_shards(corpus: Path) -> float:
    """Seconds of processors that the shards of a corpus take."""
    shards = corpus.with_name("shards")
    command = ["-m", "local.shards", "--in", corpus, "--meta", corpus / "tiny_meta.csv"]
    seconds = watch(*command, "--out", shards).cpu
    shutil.rmtree(shards)
    return seconds


def measure(folder: Path, files: int = 2000, repeats: int = 3) -> list[str]:
    """The lines of a table: utterances a second and core, of both, and their ratio."""
    many, few = make_m4a(folder / "many", files), make_m4a(folder / "few", FEW)
    paths = sorted((folder / "many/aac").rglob("*.m4a"))[::PEERS_SHARE]
    has_peer = shutil.which("ffmpeg") is not None
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append((files - FEW) / (into_shards(many) - into_shards(few)))
        if has_peer:
            theirs.append(len(paths) / by_calls(paths, folder / "one.wav"))
    lines = [
        f"{files:,} files of {SECONDS} s, m4a at {SAMPLE_RATE // 1000} kHz",
        "| way | utterances a second and core |",
        "|---|---|",
        f"| into shards | {statistics.median(ours):.0f} |",
    ]
    if not has_peer:
        return [*lines, "", INSTALL]
    middle, least, most = ratio(ours, theirs)
    lines.append(f"| a call of ffmpeg a file, to WAV only | {statistics.median(theirs):.1f} |")
    return [*lines, "", f"x{middle:.1f} ({least:.1f} to {most:.1f})"]
